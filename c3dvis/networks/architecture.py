"""A network as data: its operations in order, their shapes, parameters and receptive fields.

Made by `c3d.py` and `i3d.py`, built into Keras by `network.py`. Knows nothing of TensorFlow, so the dashboard can
print a layer table and check a spec without loading it.
"""

import math
from dataclasses import dataclass
from functools import cached_property

from c3dvis.errors import InvalidSpec, UnknownLayer

Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Op:
    """One operation.

    Args:
        name: the published layer name.
        kind: `conv`, `max_pool`, `avg_pool`, `pad`, `concat`, `flatten`, `dense` or `dropout`.
        inputs: names of the operations it reads; `input` is the clip.
        filters: output channels of a `conv`, units of a `dense`.
        kernel, strides: in (frames, height, width).
        padding: `same` or `valid`, as TensorFlow defines them.
        pads: for `pad`: zeros (before, after) on frames, height, width.
        relu: whether a ReLU follows.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    filters: int = 0
    kernel: Triple = (1, 1, 1)
    strides: Triple = (1, 1, 1)
    padding: str = "same"
    pads: tuple[tuple[int, int], ...] = ((0, 0), (0, 0), (0, 0))
    relu: bool = True


@dataclass(frozen=True)
class LayerRow:
    """One line of the published layer table. `output_shape` is (t, h, w, filters), or (units,)."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    targetable: bool


class Architecture:
    """The operations of one network.

    Args:
        name: registry name.
        ops: in order of computation; the last one is the network's output.
        channels: of the input clip.
    """

    def __init__(self, name: str, ops: tuple[Op, ...], channels: int = 3) -> None:
        self.name = name
        self.ops = ops
        self.channels = channels
        self.by_name = {op.name: op for op in ops}

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """Names that can be targeted, in order: convolutions, dense layers and blocks that join branches."""
        return tuple(op.name for op in self.ops if op.kind in ("conv", "dense", "concat"))

    def op(self, layer: str) -> Op:
        """The operation of a targetable layer.

        Raises:
            UnknownLayer: no such layer, with the nearest names.
        """
        if layer not in self.layers:
            import difflib

            near = difflib.get_close_matches(layer, self.layers, n=3, cutoff=0.4)
            hint = f"; did you mean {' or '.join(near)}?" if near else f": {', '.join(self.layers[:6])}, …"
            raise UnknownLayer(
                f"{self.name} has no layer {layer[:60]!r} that can be targeted{hint} "
                f"`c3dvis layers {self.name}` lists all {len(self.layers)}."
            )
        return self.by_name[layer]

    def ancestry(self, layer: str) -> tuple[Op, ...]:
        """The operations needed to compute `layer`, in order, `layer` last."""
        needed = {layer}
        for op in reversed(self.ops):
            if op.name in needed:
                needed.update(op.inputs)
        return tuple(op for op in self.ops if op.name in needed)

    def shapes(self, frames: int, height: int, width: int) -> dict[str, tuple[int, ...]]:
        """Output shape of every operation, without the batch axis; a size that is too small gives zeros."""
        shapes: dict[str, tuple[int, ...]] = {"input": (frames, height, width, self.channels)}
        for op in self.ops:
            shapes[op.name] = _output_shape(op, [shapes[name] for name in op.inputs])
        return shapes

    def output_shape(self, layer: str, frames: int, height: int, width: int) -> Triple | tuple[int, ...]:
        """Shape (t, h, w, filters) of a layer's output; a dense layer's is (1, 1, 1, units).

        Raises:
            UnknownLayer: no such layer.
            InvalidSpec: the clip is too small for this layer.
        """
        self.op(layer)
        shapes = self.shapes(frames, height, width)
        for op in self.ancestry(layer):
            if op.kind != "concat" and min(shapes[op.name]) < 1:
                before = "×".join(map(str, shapes[op.inputs[0]][:3]))
                least = self.smallest_size(layer)
                raise InvalidSpec(
                    f"A clip of {frames}×{height}×{width} (frames×height×width) is too small for {layer} of "
                    f"{self.name}: at {op.name} {before} are left. Expected at least {least[0]}×{least[1]}×{least[2]}."
                )
        shape = shapes[layer]
        return shape if len(shape) == 4 else (1, 1, 1, *shape)

    def smallest_size(self, layer: str) -> Triple:
        """The least frames, height and width for which `layer` has an output."""
        ops = [op for op in self.ancestry(layer) if op.kind != "concat"]

        def enough(axis: int, size: int) -> bool:
            full = [512, 512, 512]
            full[axis] = size
            shapes = self.shapes(*full)
            return all(len(shapes[op.name]) < 4 or shapes[op.name][axis] >= 1 for op in ops)

        return tuple(next(size for size in range(1, 513) if enough(axis, size)) for axis in range(3))  # type: ignore

    def parameters(self, frames: int, height: int, width: int) -> dict[str, int]:
        """Number of weights of every operation; a dense layer's depends on the clip's size."""
        shapes = self.shapes(frames, height, width)
        count = {}
        for op in self.ops:
            inputs = shapes[op.inputs[0]][-1]
            if op.kind == "conv":
                count[op.name] = math.prod(op.kernel) * inputs * op.filters + op.filters
            else:
                count[op.name] = inputs * op.filters + op.filters if op.kind == "dense" else 0
        return count

    def table(self, frames: int, height: int, width: int) -> list[LayerRow]:
        """The layer table at a clip's size."""
        shapes, parameters = self.shapes(frames, height, width), self.parameters(frames, height, width)
        return [
            LayerRow(op.name, op.kind, shapes[op.name], parameters[op.name], op.name in self.layers) for op in self.ops
        ]

    def receptive_field(self, layer: str) -> tuple[Triple, Triple]:
        """(size, stride) of one output position in input frames and pixels.

        Araujo, Norris, Sim: Computing Receptive Fields of Convolutional Neural Networks, Distill 2019.
        """
        fields: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {"input": ((1, 1, 1), (1, 1, 1))}
        for op in self.ancestry(layer):
            sizes = [fields[name][0] for name in op.inputs]
            jump = fields[op.inputs[0]][1]
            size = tuple(max(column) for column in zip(*sizes, strict=True))
            if op.kind in ("conv", "max_pool", "avg_pool"):
                size = tuple(s + (k - 1) * j for s, k, j in zip(size, op.kernel, jump, strict=True))
                jump = tuple(j * s for j, s in zip(jump, op.strides, strict=True))
            fields[op.name] = (size, jump)
        return fields[layer]  # type: ignore[return-value]


def _output_shape(op: Op, inputs: list[tuple[int, ...]]) -> tuple[int, ...]:
    first = inputs[0]
    if op.kind == "concat":
        return (*first[:-1], sum(shape[-1] for shape in inputs))
    if op.kind == "flatten":
        return (math.prod(first),)
    if op.kind == "dense":
        return (op.filters,)
    if op.kind == "dropout":
        return first
    if op.kind == "pad":
        return (*(size + sum(pad) for size, pad in zip(first[:3], op.pads, strict=True)), first[3])
    windows = zip(first[:3], op.kernel, op.strides, strict=True)
    if op.padding == "same":
        sizes = [-(-size // stride) for size, _, stride in windows]
    else:
        sizes = [max(0, (size - kernel) // stride + 1) if size >= kernel else 0 for size, kernel, stride in windows]
    return (*sizes, op.filters if op.kind == "conv" else first[3])
