"""Import of ONNX models: the graph is read as data and translated to operations."""
