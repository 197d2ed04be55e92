"""Sizes of files and memory in words."""


def byte_size(size: float) -> str:
    """A number of bytes as `47.2 MB` or `1.25 GB`."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
