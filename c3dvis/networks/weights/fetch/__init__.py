"""Fetches weights from a package on an index, or from a URL."""
