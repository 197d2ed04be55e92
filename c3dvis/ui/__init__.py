"""The dashboard: one module per page, the widgets they share. Knows nothing of TensorFlow."""
