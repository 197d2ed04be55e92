"""Render results and the store. Independent of how a result was rendered."""

from c3dvis.results.render_result import RenderResult
from c3dvis.results.store import ResultStore, StoreStats, result_key
from c3dvis.results.thumbnails import Thumbnail

__all__ = ["RenderResult", "ResultStore", "StoreStats", "Thumbnail", "result_key"]
