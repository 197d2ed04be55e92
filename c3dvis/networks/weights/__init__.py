"""Reading and fetching network weights: arrays only, never code."""
