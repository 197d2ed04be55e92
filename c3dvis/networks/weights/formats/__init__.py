"""One reader for each file format of weights: arrays by name, never code."""
