"""What every reader gives of a file: its arrays by name and shape, none of them read yet."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from c3dvis.errors import WeightsDamaged


@dataclass(frozen=True)
class Stored:
    """One array of a file.

    Args:
        name: where it stands in the file, parts divided by `/`; the last part says what it is.
        shape: as the file declares it.
        dtype: of the file.
        read: reads it whole; what is declared has been held against the file's size before.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[], np.ndarray]

    @property
    def size(self) -> int:
        """Number of its values."""
        return int(np.prod(self.shape, dtype=object)) if self.shape else 1


@dataclass(frozen=True)
class Contents:
    """What a file holds.

    Args:
        form: the format, in words.
        arrays: every array that can be a layer's weights.
        flipped: whether the program that wrote the file convolves (kernels are flipped), correlates (they are
            not), or None where the form does not say.
        numbered: the arrays carry no layer's name, and stand in the order of the layers.
        attributes: what c3dvis noted in a file of its own.
    """

    form: str
    arrays: tuple[Stored, ...]
    flipped: bool | None
    numbered: bool = False
    attributes: dict[str, str] | None = None


def check_dtype(path: object, name: str, dtype: np.dtype) -> None:
    """Refuses what is not a floating-point number of at most 8 bytes.

    Raises:
        WeightsDamaged: it is another type.
    """
    if dtype.kind != "f" or dtype.itemsize > 8 or dtype.hasobject:
        raise WeightsDamaged(f"{path} holds {dtype} at {name}; expected floating-point numbers.")


def first_line(error: BaseException) -> str:
    """An error's first line, without a full stop."""
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".")[:300] if text else type(error).__name__
