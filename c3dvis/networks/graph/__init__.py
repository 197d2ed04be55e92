"""Networks as data: operations, shapes, receptive fields, input domain. Imports no TensorFlow and reads no file."""
