"""A network as data: its operations in order, their shapes, parameters and receptive fields.

Made by `c3d.py`, `i3d.py` and `keras_model.py`, built into Keras by `network.py`. Knows nothing of TensorFlow, so
the dashboard can print a layer table and check a spec without loading it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

from c3dvis.errors import InvalidSpec, UnknownLayer

Triple = tuple[int, int, int]

WEIGHTED = ("conv", "transposed", "scale", "dense")
"""Kinds of operations that have a kernel and a bias; of a `scale`, a factor and an offset for each channel."""

_JOINS = ("add", "average", "concat", "maximum", "multiply", "subtract")
_WINDOWS = ("conv", "max_pool", "avg_pool")
KINDS = (
    *WEIGHTED, *_JOINS, "max_pool", "avg_pool", "global_avg_pool", "global_max_pool", "pad", "crop", "upsample",
    "flatten", "dropout", "activation", "spread",
)  # fmt: skip
"""Every kind of operation."""


@dataclass(frozen=True)
class Op:
    """One operation.

    Args:
        name: the published layer name.
        kind: `conv`, `max_pool`, `avg_pool`, `pad`, `concat`, `flatten`, `dense` or `dropout`; in networks of
            users also `transposed` (convolution), `scale`, `activation`, `add`, `average`, `maximum`, `multiply`,
            `subtract`, `crop`, `upsample`, `global_avg_pool`, `global_max_pool` and `spread` (channels alone to a
            volume of one position).
        inputs: names of the operations it reads; `input` is the clip.
        filters: output channels of a `conv`, units of a `dense`.
        kernel, strides: in (frames, height, width).
        padding: `same` or `valid`, as TensorFlow defines them.
        pads: for `pad`: zeros (before, after) on frames, height, width; for `crop`: what is cut there.
        relu: whether a ReLU follows.
        groups: of a `conv`.
        dilation: of a `conv`'s taps, in frames and pixels.
        activation: another activation function that follows, by its Keras name; empty for none or a ReLU.
        alpha: slope below zero of a `leaky_relu` that follows.
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
    # left out of the text form, which fingerprints of networks without them are made from
    groups: int = field(default=1, repr=False)
    dilation: Triple = field(default=(1, 1, 1), repr=False)
    activation: str = field(default="", repr=False)
    alpha: float = field(default=0.0, repr=False)

    @property
    def described(self) -> str:
        """The whole operation in words that change whenever what it computes does."""
        more = [self.groups, self.dilation, self.activation, self.alpha]
        plain = [1, (1, 1, 1), "", 0.0]
        return repr(self) if more == plain else f"{self!r}{more}"

    @property
    def span(self) -> Triple:
        """What its kernel covers: (frames, height, width), with the gaps of a dilation."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))  # type: ignore[return-value]


@dataclass(frozen=True)
class LayerRow:
    """One line of the published layer table.

    Attributes:
        output_shape: (t, h, w, filters), or (units,).
        receptive_field: what one output position sees, in input frames and pixels (t, h, w).
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    targetable: bool
    receptive_field: Triple


class Architecture:
    """The operations of one network.

    Args:
        name: registry name.
        ops: in order of computation; the last one is the network's output.
        channels: of the input clip.
        aliases: other names that weights files give to layers.
    """

    def __init__(
        self, name: str, ops: tuple[Op, ...], channels: int = 3, aliases: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.ops = ops
        self.channels = channels
        self.aliases = aliases or {}
        self.by_name = {op.name: op for op in ops}

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """Names that can be targeted, in order: convolutions, dense layers and blocks that join branches."""
        return tuple(op.name for op in self.ops if op.kind in ("conv", "transposed", "dense", *_JOINS))

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

    def beyond_keras_vis(self, layer: str) -> str | None:
        """The first operation on the way to `layer` that the original library's models do not have, or None."""
        plain = ("conv", "max_pool", "avg_pool", "pad", "concat", "flatten", "dense", "dropout")
        for op in self.ancestry(layer):
            if op.kind not in plain or op.activation or op.groups != 1 or op.dilation != (1, 1, 1):
                return op.name
        return "its input" if self.channels != 3 else None

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
            joined = [shapes[name][:-1] for name in op.inputs] if op.kind in _JOINS else []
            if any(
                other != joined[0] and min(joined[0], default=1) > 1 and min(other, default=1) > 1 for other in joined
            ):
                sizes = " and ".join("×".join(map(str, shape)) for shape in joined)
                raise InvalidSpec(
                    f"A clip of {frames}×{height}×{width} (frames×height×width) does not go through {self.name}: "
                    f"{op.name} joins {sizes}. Take a size that every stride on the way divides."
                )
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
            if op.kind in ("conv", "transposed"):
                count[op.name] = math.prod(op.kernel) * (inputs // op.groups) * op.filters + op.filters
            elif op.kind == "scale":
                count[op.name] = 2 * op.filters
            else:
                count[op.name] = inputs * op.filters + op.filters if op.kind == "dense" else 0
        return count

    def table(self, frames: int, height: int, width: int) -> list[LayerRow]:
        """The layer table at a clip's size."""
        shapes, parameters = self.shapes(frames, height, width), self.parameters(frames, height, width)
        fields = self._fields(frames, height, width)
        return [
            LayerRow(op.name, op.kind, shapes[op.name], parameters[op.name], op.name in self.layers, fields[op.name][0])
            for op in self.ops
        ]

    def receptive_field(self, layer: str) -> tuple[Triple, Triple]:
        """(size, stride) of one output position in input frames and pixels.

        Araujo, Norris, Sim: Computing Receptive Fields of Convolutional Neural Networks, Distill 2019.
        """
        return self._fields()[layer]

    def _fields(self, *clip: int) -> dict[str, tuple[Triple, Triple]]:
        """(receptive field, stride) of every operation; of what sees the whole clip, the clip's size if given."""
        fields: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {"input": ((1, 1, 1), (1, 1, 1))}
        shapes = self.shapes(*clip) if clip else None
        for op in self.ops:
            sizes = [fields[name][0] for name in op.inputs]
            jump = fields[op.inputs[0]][1]
            size = tuple(max(column) for column in zip(*sizes, strict=True))
            if op.kind in _WINDOWS:
                size = tuple(s + (k - 1) * j for s, k, j in zip(size, op.span, jump, strict=True))
                jump = tuple(j * s for j, s in zip(jump, op.strides, strict=True))
            elif op.kind == "transposed":
                reach = (
                    -(-k // s) for k, s in zip(op.kernel, op.strides, strict=True)
                )  # inputs that meet in one output
                size = tuple(s + (k - 1) * j for s, k, j in zip(size, reach, jump, strict=True))
                jump = tuple(j / s for j, s in zip(jump, op.strides, strict=True))
            elif op.kind == "upsample":
                jump = tuple(j / s for j, s in zip(jump, op.strides, strict=True))
            elif op.kind in ("flatten", "global_avg_pool", "global_max_pool") and shapes:
                whole = shapes[op.inputs[0]][:3]  # one output sees every position of what it reads
                size = tuple(s + (n - 1) * j for s, n, j in zip(size, whole, jump, strict=True))
            fields[op.name] = (size, jump)
        return {  # type: ignore[return-value]
            name: tuple(tuple(math.ceil(n) for n in pair) for pair in each) for name, each in fields.items()
        }


def _output_shape(op: Op, inputs: list[tuple[int, ...]]) -> tuple[int, ...]:
    first = inputs[0]
    match op.kind:
        case "concat":
            return (*first[:-1], sum(shape[-1] for shape in inputs))
        case "flatten":
            return (math.prod(first),)
        case "dense":
            return (op.filters,)
        case "global_avg_pool" | "global_max_pool":
            return first[3:]
        case "spread":
            return (1, 1, 1, *first)
        case "dropout" | "scale" | "activation":
            return first
        case "add" | "average" | "maximum" | "multiply" | "subtract":  # a size of 1 stands for all
            return tuple(max(column) for column in zip(*inputs, strict=True)) if min(map(min, inputs)) else first
        case "pad":
            return (*(size + sum(pad) for size, pad in zip(first[:3], op.pads, strict=True)), first[3])
        case "crop":
            return (*(max(0, size - sum(cut)) for size, cut in zip(first[:3], op.pads, strict=True)), first[3])
        case "upsample":
            return (*(size * factor for size, factor in zip(first[:3], op.strides, strict=True)), first[3])
        case "transposed":
            longer = zip(first[:3], op.kernel, op.strides, strict=True)
            more = [0 if op.padding == "same" else max(kernel - stride, 0) for _, kernel, stride in longer]
            scaled = (size * stride for size, stride in zip(first[:3], op.strides, strict=True))
            return (*(size + extra if size else 0 for size, extra in zip(scaled, more, strict=True)), op.filters)
    windows = zip(first[:3], op.span, op.strides, strict=True)
    if op.padding == "same":
        sizes = [-(-size // stride) for size, _, stride in windows]
    else:
        sizes = [max(0, (size - kernel) // stride + 1) if size >= kernel else 0 for size, kernel, stride in windows]
    return (*sizes, op.filters if op.kind == "conv" else first[3])


def ops_from(described: list[dict[str, Any]]) -> tuple[Op, ...]:
    """The operations that `dataclasses.asdict` took apart, also after JSON.

    Raises:
        ValueError, TypeError: they do not make a network.
    """
    known = {field.name for field in fields(Op)}
    seen = {"input"}
    ops = []
    for values in described:
        if set(values) - known:
            raise ValueError(f"an operation has {', '.join(sorted(set(values) - known))}")
        op = Op(**{name: _frozen(value) for name, value in values.items()})
        if op.kind not in KINDS or op.name in seen or not op.inputs or not set(op.inputs) <= seen:
            raise ValueError(f"the operation {op.name!r} ({op.kind!r}) does not follow from those before it")
        if min(*op.kernel, *op.strides, *op.dilation, op.groups) < 1:
            raise ValueError(f"the operation {op.name!r} has a size below 1")
        seen.add(op.name)
        ops.append(op)
    if not any(op.kind == "conv" for op in ops):
        raise ValueError("it has no 3D convolution")
    return tuple(ops)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value
