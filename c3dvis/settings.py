"""Where things live on this machine, chosen by environment variables."""

import os
from pathlib import Path


def cache_dir() -> Path:
    """Folder of the result store: `C3DVIS_CACHE_DIR`, or `cache/` in the current folder."""
    return Path(os.environ.get("C3DVIS_CACHE_DIR") or "cache")


def weights_dir() -> Path:
    """Folder of network weights: `C3DVIS_WEIGHTS_DIR`, or `weights/` inside the cache folder."""
    chosen = os.environ.get("C3DVIS_WEIGHTS_DIR")
    return Path(chosen) if chosen else cache_dir() / "weights"


def scheduler_address() -> str | None:
    """Address of a Dask scheduler to send renders to (`C3DVIS_SCHEDULER`), or None for this machine's own."""
    return os.environ.get("C3DVIS_SCHEDULER") or None
