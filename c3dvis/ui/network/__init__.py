"""The Network page: the layers of a network, and its weights."""
