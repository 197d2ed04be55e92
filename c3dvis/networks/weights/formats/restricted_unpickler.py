"""Unpickles data of PyTorch without PyTorch, and without running anything that the file asks for.

A pickle is a program. Its instructions are looked through before it runs: only those that make plain data pass, with
lengths and places that its own size allows. Of what it calls, the few names that state dicts use get stand-ins made
for this one load; every other name is refused. https://docs.python.org/3/library/pickle.html#restricting-globals
"""

import io
import pickle
import pickletools
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from c3dvis.errors import WeightsDamaged

MAX_PICKLE = 8 << 20
"""Bytes of a pickle: it describes tensors, whose numbers stand outside it."""

_MAX_INSTRUCTIONS = 500_000
_MAX_TENSORS = 20_000
_ALLOWED = frozenset(
    re.findall(
        r"\w+",
        """PROTO FRAME STOP MARK POP POP_MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG1 BINFLOAT
        UNICODE BINUNICODE SHORT_BINUNICODE STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES
        EMPTY_LIST APPEND APPENDS LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT DICT SETITEM SETITEMS
        GET BINGET LONG_BINGET PUT BINPUT LONG_BINPUT MEMOIZE GLOBAL STACK_GLOBAL REDUCE BUILD BINPERSID""",
    )
)
_MEMO = frozenset(("PUT", "BINPUT", "LONG_BINPUT"))

STORAGES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "LongStorage": "<i8", "IntStorage": "<i4",
    "ShortStorage": "<i2", "CharStorage": "<i1", "ByteStorage": "<u1", "BoolStorage": "|b1",
}  # fmt: skip


@dataclass(frozen=True)
class Storage:
    """A run of numbers outside the pickle: its key, type and how many."""

    key: str
    dtype: np.dtype
    count: int


@dataclass
class Tensor:
    """A tensor as the pickle describes it; nothing of it is believed before `torch_file` has checked it."""

    storage: Any
    offset: Any
    shape: Any
    stride: Any


def extent(data: bytes, start: int = 0) -> int:
    """Where the pickle that begins at `start` ends, after its instructions were looked through.

    Raises:
        WeightsDamaged: an instruction that plain data has no use for, or one that reaches beyond the pickle.
    """
    stream = io.BytesIO(data)
    stream.seek(start)
    try:
        for count, (instruction, argument, _) in enumerate(pickletools.genops(stream)):
            if instruction.name not in _ALLOWED:
                raise WeightsDamaged(f"the pickle uses {instruction.name}, which plain data does not need")
            if instruction.name in _MEMO and int(argument or 0) > count:  # PUT fills places in order
                raise WeightsDamaged(f"the pickle asks for memory place {argument} after {count} instructions")
            if count > _MAX_INSTRUCTIONS:
                raise WeightsDamaged(f"the pickle has more than {_MAX_INSTRUCTIONS:,} instructions")
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, EOFError, Warning) as error:
        raise WeightsDamaged(f"the pickle is damaged: {error}") from None
    return stream.tell()


def load(data: bytes) -> Any:
    """The plain data of one pickle that `extent` has passed; tensors become `Tensor`.

    Raises:
        WeightsDamaged: it refers to something else, or is damaged.
    """
    try:
        return _Unpickler(data).load()
    except WeightsDamaged:
        raise
    except Exception as error:  # a damaged pickle raises whatever its wrong operands raise
        raise WeightsDamaged(f"the pickle is damaged: {type(error).__name__}: {error}") from None


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        self._tensors = 0
        self._names = self._stand_ins()

    def find_class(self, module: str, name: str) -> Any:
        if module in ("torch", "torch.storage") and name in STORAGES:
            return np.dtype(STORAGES[name])
        if (module, name) in self._names:
            return self._names[module, name]
        raise WeightsDamaged(f"it refers to {module[:60]}.{name[:60]}, which is no array; nothing of it was run")

    def persistent_load(self, pid: Any) -> Storage:
        """('storage', type, key, device, count), with a view's description behind it in old files."""
        if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage":
            raise WeightsDamaged("a tensor's numbers are described in a way that PyTorch does not use")
        dtype, key, count = pid[1], pid[2], pid[4]
        if not isinstance(dtype, np.dtype) or not isinstance(key, str) or type(count) is not int or count < 0:
            raise WeightsDamaged("a tensor's numbers are described by values of the wrong kind")
        if len(pid) == 6 and pid[5] is not None:
            raise WeightsDamaged("it shares storages between views, as no state dict does; save it again")
        return Storage(key, dtype, count)

    def _stand_ins(self) -> dict[tuple[str, str], Callable[..., Any]]:
        """Made anew for each load, so that a file which writes to them changes nothing that stays."""

        class Ordered(OrderedDict):
            """A dict that takes attributes, as a state dict's `_metadata`."""

        def tensor(storage: Any, offset: Any, shape: Any, stride: Any, *rest: Any) -> Tensor:
            self._tensors += 1
            if self._tensors > _MAX_TENSORS:
                raise WeightsDamaged(f"it describes more than {_MAX_TENSORS:,} tensors")
            return Tensor(storage, offset, shape, stride)

        def parameter(data: Any, *rest: Any) -> Any:
            return data

        def size(shape: Any = ()) -> tuple:
            return tuple(shape)

        return {
            ("collections", "OrderedDict"): Ordered,
            ("torch._utils", "_rebuild_tensor"): tensor,
            ("torch._utils", "_rebuild_tensor_v2"): tensor,
            ("torch._utils", "_rebuild_parameter"): parameter,
            ("torch", "Size"): size,
        }
