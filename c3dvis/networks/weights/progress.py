"""The type of a callback that receives the progress of reading, writing or downloading."""

from collections.abc import Callable

OnProgress = Callable[[int, int], None]
"""Receives (done, total) in bytes or layers; total is 0 while it is unknown. An exception it raises ends the work."""
