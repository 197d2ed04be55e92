"""Settings of this machine, from environment variables."""

import os
from contextlib import suppress
from pathlib import Path

from c3dvis.errors import StoreError


def cache_dir() -> Path:
    """Folder of the stored results: `C3DVIS_CACHE_DIR`, or `cache/` in the current folder."""
    return Path(os.environ.get("C3DVIS_CACHE_DIR") or "cache")


def weights_dir() -> Path:
    """Folder of network weights: `C3DVIS_WEIGHTS_DIR`, or `weights/` in the cache folder."""
    chosen = os.environ.get("C3DVIS_WEIGHTS_DIR")
    return Path(chosen) if chosen else cache_dir() / "weights"


def scheduler_address() -> str | None:
    """Address of a Dask scheduler for renders (`C3DVIS_SCHEDULER`); None: the program starts its own."""
    return os.environ.get("C3DVIS_SCHEDULER") or None


def cache_limit() -> int:
    """Bytes of results to keep: `C3DVIS_CACHE_LIMIT`, in GB (10⁹ bytes), or 8 GiB.

    Raises:
        StoreError: it is not a positive number.
    """
    text = os.environ.get("C3DVIS_CACHE_LIMIT", "").strip()
    if not text:
        return 8 * 2**30
    with suppress(ValueError, OverflowError):
        if (limit := int(float(text) * 1e9)) > 0:
            return limit
    raise StoreError(f"C3DVIS_CACHE_LIMIT must be a number of GB above 0, such as 50; received {text[:40]!r}.")
