"""Networks as data: operations, shapes, receptive fields, input domain. Knows nothing of TensorFlow and of files."""
