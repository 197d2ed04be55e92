"""`Imported`: what an importer reads from a model of another program."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from c3dvis.networks.graph.base_operation import Operation

Pair = tuple[np.ndarray, np.ndarray]
"""(kernel, bias) of an operation."""

Address = Hashable
"""Where a framework's model has a value; only the importer and the reference of that framework know what it means."""


@dataclass(frozen=True)
class Imported:
    """A model as data, translated to operations.

    Attributes:
        framework: which of the frameworks in `proof/references.py` runs the model itself.
        form: the file format, for people: `Keras 3.15.1 .keras`.
        operations: in order of computation; the network's output comes last.
        size: (frames, height, width) of the input, None where the model takes any.
        channels: of the input.
        weights: for each operation with weights, a function that reads and makes its (kernel, bias).
        addresses: for each operation that can be targeted, where the framework's model has the same value (after what
            was folded into the operation: its normalisation and its activation function).
        is_float16: whether weights are stored in half precision.
        left_out: what of the model could not be translated, and why: a sentence; empty where all of it was.
        held: which inputs beside the clip hold what: a sentence; empty where there is none.
    """

    framework: str
    form: str
    operations: Sequence[Operation]
    size: tuple[int | None, int | None, int | None]
    channels: int
    weights: Mapping[str, Callable[[], Pair]]
    addresses: Mapping[str, Address]
    is_float16: bool = False
    left_out: str = ""
    held: str = ""
