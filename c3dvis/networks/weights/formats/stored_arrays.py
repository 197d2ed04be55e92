"""The contents of a weights file as every reader returns them: arrays by name and shape, read on demand."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from c3dvis.errors import WeightsDamaged

BFLOAT16 = np.dtype("V2")
"""NumPy has no bfloat16: its two bytes."""


@dataclass(frozen=True)
class StoredArray:
    """One array of a file.

    Args:
        name: its path in the file, with parts divided by `/`; the last part is its role, such as `kernel`.
        shape: the shape that the file declares.
        dtype: the type in the file.
        read: reads the whole array; the declared shape has been compared with the size of the file before.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[], np.ndarray]

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=object)) if self.shape else 1


@dataclass(frozen=True)
class Contents:
    """The contents of a file.

    Args:
        form: the file format, as text for users.
        arrays: every array that can be a layer's weights.
        flipped: whether kernels are flipped on T, H and W, because the program that wrote the file convolves; False if
            it cross-correlates, None if the format does not tell.
        numbered: whether the arrays have no names of layers and are in the order of the layers.
        attributes: text attributes of a file in c3dvis's format; None for other formats.
        by_keras: whether Keras wrote the file.
    """

    form: str
    arrays: tuple[StoredArray, ...]
    flipped: bool | None
    numbered: bool = False
    attributes: dict[str, str] | None = None
    by_keras: bool = False


@contextmanager
def refuse_unreadable(path: Path) -> Iterator[None]:
    """Raises WeightsDamaged in place of an OSError, for a file that cannot be opened or read."""
    try:
        yield
    except OSError as error:
        raise WeightsDamaged(f"{path} cannot be read: {error.strerror or error}.") from None


def check_dtype(path: object, name: str, dtype: np.dtype) -> None:
    """Checks that a type is floating-point of at most 8 bytes.

    Raises:
        WeightsDamaged: it is not.
    """
    if dtype.kind != "f" or dtype.itemsize > 8 or dtype.hasobject:
        raise WeightsDamaged(f"{path} holds {dtype} at {name}; expected floating-point numbers.")


def from_bfloat16(read: Callable[[], np.ndarray]) -> np.ndarray:
    """An array of `BFLOAT16` as float32."""
    return (np.ascontiguousarray(read()).view(np.uint16).astype(np.uint32) << 16).view(np.float32)


def first_line(error: BaseException) -> str:
    """An error's first line, without a full stop."""
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".")[:300] if text else type(error).__name__
