"""Returns memory to the system: of workers after each render, of the dashboard every few seconds."""

import ctypes
import gc
import sys


def release_memory() -> None:
    """Collect garbage, and return what the process no longer uses to the system if the C library supports it."""
    gc.collect()  # sessions of visitors and compiled functions contain reference cycles
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)
