"""Unpickles a PyTorch state dict without PyTorch, and without running any code that the file names.

A pickle is a program. Before it runs, its instructions are checked: only those that make data are allowed, with lengths
and memo indexes that its size permits. Names that the pickle refers to are not imported: stand-ins that are made for
each load take their places. Those of tensors describe them; what else a checkpoint holds (settings, dates, the state of
a trainer) becomes an object that keeps nothing. https://docs.python.org/3/library/pickle.html#restricting-globals
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
"""The most bytes of a pickle; it describes tensors, whose values are outside it."""

_MAX_INSTRUCTIONS = 500_000
_MAX_TENSORS = 20_000
_MAX_NAMES = 100
_ALLOWED = frozenset(
    re.findall(
        r"\w+",
        """PROTO FRAME STOP MARK POP POP_MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 FLOAT BINFLOAT
        UNICODE BINUNICODE SHORT_BINUNICODE STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES EMPTY_SET ADDITEMS
        EMPTY_LIST APPEND APPENDS LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT DICT SETITEM SETITEMS FROZENSET
        GET BINGET LONG_BINGET PUT BINPUT LONG_BINPUT MEMOIZE GLOBAL STACK_GLOBAL REDUCE NEWOBJ NEWOBJ_EX BUILD
        BINPERSID""",
    )
)
_MEMO = frozenset(("PUT", "BINPUT", "LONG_BINPUT"))

STORAGES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "LongStorage": "<i8", "IntStorage": "<i4",
    "ShortStorage": "<i2", "CharStorage": "<i1", "ByteStorage": "<u1", "BoolStorage": "|b1",
    "BFloat16Storage": "|V2", "ComplexFloatStorage": "<c8", "ComplexDoubleStorage": "<c16",
}  # fmt: skip
"""Types of values in a block; NumPy has no bfloat16: its two bytes."""


@dataclass(frozen=True)
class Storage:
    """A block of values outside the pickle: its key, type and number of values."""

    key: str
    dtype: np.dtype
    count: int


@dataclass
class Tensor:
    """A tensor as the pickle describes it; `torch_state_dict` checks every attribute before it is used."""

    storage: Any
    offset: Any
    shape: Any
    stride: Any


@dataclass(frozen=True)
class Loaded:
    """The data of one pickle.

    Attributes:
        tree: plain data and `Tensor`.
        storages: all blocks of values that it describes, by key.
        skipped: names of what it refers to beside them, `argparse.Namespace` for example, in order.
    """

    tree: Any
    storages: dict[str, Storage]
    skipped: list[str]


def extent(data: bytes, start: int = 0) -> int:
    """Where the pickle that begins at `start` ends, after its instructions were checked.

    Raises:
        WeightsDamaged: an instruction is one that plain data does not need, or reaches beyond the pickle.
    """
    stream = io.BytesIO(data)
    stream.seek(start)
    try:
        for count, (instruction, argument, _) in enumerate(pickletools.genops(stream)):
            if instruction.name not in _ALLOWED:
                raise WeightsDamaged(f"the pickle uses {instruction.name}, which plain data does not need")
            if instruction.name in _MEMO and int(argument or 0) > count:  # PUT uses the indexes in order
                raise WeightsDamaged(f"the pickle asks for memo index {argument} after {count} instructions")
            if count > _MAX_INSTRUCTIONS:
                raise WeightsDamaged(f"the pickle has more than {_MAX_INSTRUCTIONS:,} instructions")
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, EOFError, Warning) as error:
        raise WeightsDamaged(f"the pickle is damaged: {error}") from None
    return stream.tell()


def load(data: bytes) -> Loaded:
    """The data of one pickle that `extent` has checked.

    Raises:
        WeightsDamaged: the pickle is damaged.
    """
    unpickler = _Unpickler(data)
    try:
        return Loaded(unpickler.load(), unpickler.storages, list(unpickler.skipped))
    except WeightsDamaged:
        raise
    except Exception as error:  # wrong operands in a damaged pickle can raise anything
        raise WeightsDamaged(f"the pickle is damaged: {type(error).__name__}: {error}") from None


def _skipped_class() -> type:
    """A class in place of any other: its objects take what they are made of, and keep none of it."""

    class Skipped:
        def __new__(cls, *arguments: Any, **named: Any) -> "Skipped":
            return super().__new__(cls)

        def __init__(self, *arguments: Any, **named: Any) -> None: ...

        def __call__(self, *arguments: Any) -> "Skipped":
            return self

        def ignore(self, *arguments: Any) -> None: ...

        __setstate__ = __setitem__ = append = extend = add = update = ignore

    return Skipped


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        self._tensors = 0
        self._names = self._stand_ins()
        self._skip = _skipped_class()
        self.storages: dict[str, Storage] = {}
        self.skipped: dict[str, None] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module in ("torch", "torch.storage") and name in STORAGES:
            return np.dtype(STORAGES[name])
        if (module, name) in self._names:
            return self._names[module, name]
        if len(self.skipped) < _MAX_NAMES:
            self.skipped[f"{module[:60]}.{name[:60]}"] = None
        return self._skip

    def persistent_load(self, pid: Any) -> Storage:
        """The storage of ('storage', type, key, device, count); in old files the description of a view follows."""
        if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage":
            raise WeightsDamaged("a tensor's values are described in a way that PyTorch does not use")
        dtype, key, count = pid[1], pid[2], pid[4]
        if not isinstance(dtype, np.dtype) or not isinstance(key, str) or type(count) is not int or count < 0:
            raise WeightsDamaged("a tensor's values are described by objects of the wrong type")
        if len(pid) == 6 and pid[5] is not None:
            raise WeightsDamaged("it shares storages between views, as no state dict does; save it again")
        return self.storages.setdefault(key, Storage(key, dtype, count))

    def _stand_ins(self) -> dict[tuple[str, str], Callable[..., Any]]:
        """The stand-ins, made for each load, so that a file that assigns to them changes nothing permanent."""

        class Ordered(OrderedDict):
            """A dict with attributes, such as the `_metadata` of a state dict."""

        def tensor(storage: Any, offset: Any, shape: Any, stride: Any, *rest: Any) -> Tensor:
            self._tensors += 1
            if self._tensors > _MAX_TENSORS:
                raise WeightsDamaged(f"it describes more than {_MAX_TENSORS:,} tensors")
            return Tensor(storage, offset, shape, stride)

        return {
            ("collections", "OrderedDict"): Ordered,
            ("torch._utils", "_rebuild_tensor"): tensor,
            ("torch._utils", "_rebuild_tensor_v2"): tensor,
            ("torch._utils", "_rebuild_parameter"): lambda data, *rest: data,
            ("torch", "Size"): lambda shape=(): tuple(shape),
        }
