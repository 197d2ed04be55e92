"""What an optimisation minimises: the energy, its terms, and the response of the layer that they read."""
