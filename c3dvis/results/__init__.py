"""What a render gives, and the folder that keeps it.

Knows nothing of how a result was made.
"""

from c3dvis.results.result import RenderResult
from c3dvis.results.store import ResultStore, StoreStats
from c3dvis.results.thumbnails import Summary

__all__ = ["RenderResult", "ResultStore", "StoreStats", "Summary"]
