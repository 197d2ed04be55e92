"""Computation of networks; the only package of `networks` that imports TensorFlow."""
