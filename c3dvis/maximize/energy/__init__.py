"""The energy that an optimisation minimises, its terms, and the layer's response that they are computed from."""
