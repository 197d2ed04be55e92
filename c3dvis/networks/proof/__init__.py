"""Proof of an import: the model's own framework computes every layer, in a process of its own, and is compared."""
