"""`KerasAddress`: where a Keras model has a value, and what the model is given."""

from dataclasses import dataclass

import numpy as np

from c3dvis.networks.graph.shape_operations import AXES

Path = tuple[tuple[str, int], ...]
"""(layer, number of its call) from the outermost model on."""


@dataclass(frozen=True)
class Held:
    """An input beside the clip, which always holds the same.

    Attributes:
        name: of its layer.
        shape: of its tensor behind the batch.
        numbers: that it holds: one, or one for each position of the last axis.
    """

    name: str
    shape: tuple[int, ...]
    numbers: tuple[float, ...]


@dataclass(frozen=True)
class Entry:
    """What a model is given.

    Attributes:
        order: the axes of the clip's tensor, behind the batch.
        inputs: what each input holds, in order; None is the clip.
    """

    order: str
    inputs: tuple[Held | None, ...]

    def tensors(self, clip: np.ndarray) -> list[np.ndarray]:
        """The inputs (1, …) of a clip (t, h, w, c)."""
        ordered = clip.transpose([AXES.index(axis) for axis in self.order + ("" if "c" in self.order else "c")])
        ordered = ordered if "c" in self.order else ordered[..., 0]
        return [
            (ordered if held is None else np.broadcast_to(np.asarray(held.numbers, np.float32), held.shape))[np.newaxis]
            for held in self.inputs
        ]


@dataclass(frozen=True)
class KerasAddress:
    """Where a Keras model has the value of an operation.

    Attributes:
        path: to the layer.
        output: number of the layer's output.
        order: the axes of that tensor, behind the batch.
        entry: what the model is given.
    """

    path: Path
    output: int
    order: str
    entry: Entry

    def arranged(self, tensor: np.ndarray) -> np.ndarray:
        """A tensor without the batch, its axes in the order t, h, w, c."""
        if "c" not in self.order:
            tensor = tensor[..., np.newaxis]
        order = self.order if "c" in self.order else f"{self.order}c"
        return tensor.transpose([order.index(axis) for axis in AXES if axis in order])
