"""What both ends of the sandbox know: its limits, and arrays as JSON values."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from c3dvis.errors import ClipUnreadable
from c3dvis.networks.weights.child_process import Limits

LIMITS = Limits(ClipUnreadable, "a clip", memory=3 << 30, per_byte=0)
"""3 GiB, whatever the length of the file: a decoder keeps up to sixteen frames, and one of 8K takes 100 MB."""


def packed(array: np.ndarray) -> list[Any]:
    """An array of uint8 as JSON values."""
    return [array.shape, base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")]


def unpacked(values: Sequence[Any]) -> np.ndarray:
    """The array that `packed` described."""
    return np.frombuffer(base64.b64decode(values[1]), np.uint8).reshape(values[0])
