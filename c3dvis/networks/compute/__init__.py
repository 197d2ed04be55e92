"""Networks computed: the only room of `networks` that imports TensorFlow."""
