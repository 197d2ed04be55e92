"""Imports Keras models: their descriptions as data, translated to operations, and their weights files."""
