"""`Architecture`: a network as data. Its operations in order, their shapes, parameters and receptive fields.

`c3d.py`, `i3d.py` and `importers/` make architectures, `compute/` runs them. This module does not import TensorFlow, so
that the dashboard can show a layer table and check a spec before TensorFlow is loaded.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from c3dvis.errors import InvalidSpec, UnknownLayer
from c3dvis.networks.graph.base_operation import Operation, ReceptiveField, Shape, Triple
from c3dvis.networks.graph.operations import Constant, Conv, Join, Rearrange

_LARGEST_SIZE = (512, 1024, 1024)
"""Frames, rows and columns up to which `smallest_size` searches."""

_KNOWN_SIZES = 64


@dataclass(frozen=True)
class LayerRow:
    """One line of the layer table.

    Attributes:
        name, kind: of the operation.
        output_shape: (t, h, w, filters), or (units,).
        parameters: number of weights.
        targetable: whether the layer can be maximised.
        receptive_field: extent (t, h, w) of what one output position depends on, in input frames and pixels.
    """

    name: str
    kind: str
    output_shape: Shape
    parameters: int
    targetable: bool
    receptive_field: Triple


@dataclass(frozen=True)
class Architecture:
    """The operations of one network.

    Args:
        name: registry name.
        operations: in order of computation; the last one is the network's output.
        channels: number of channels of the input clip.
        aliases: other names that weights files give to layers.
    """

    name: str
    operations: tuple[Operation, ...]
    channels: int = 3
    aliases: Mapping[str, str] = field(default_factory=dict, hash=False)

    @cached_property
    def by_name(self) -> dict[str, Operation]:
        """The operations by their names."""
        return {op.name: op for op in self.operations}

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """Names that can be targeted, in order: convolutions, dense layers and blocks that join branches.

        What depends on constants alone is left out.
        """
        varying = {"input"}
        for op in self.operations:
            if not isinstance(op, Constant) and not varying.isdisjoint(op.inputs):
                varying.add(op.name)
        return tuple(op.name for op in self.operations if op.is_targetable and op.name in varying)

    def check_layer(self, layer: str) -> None:
        """Checks that a layer can be targeted.

        Raises:
            UnknownLayer: no such layer; the message has the nearest names.
        """
        if layer not in self.layers:
            import difflib

            near = difflib.get_close_matches(layer, self.layers, n=3, cutoff=0.4)
            hint = f"; did you mean {' or '.join(near)}?" if near else f": {', '.join(self.layers[:6])}, …"
            raise UnknownLayer(
                f"{self.name} has no layer {layer[:60]!r} that can be targeted{hint}",
                f"`c3dvis layers {self.name}` lists all {len(self.layers)}.",
            )

    def ancestry(self, layer: str) -> tuple[Operation, ...]:
        """The operations needed to compute `layer`, in order, `layer` last."""
        needed = {layer}
        for op in reversed(self.operations):
            if op.name in needed:
                needed.update(op.inputs)
        return tuple(op for op in self.operations if op.name in needed)

    def beyond_keras_vis(self, layer: str) -> str | None:
        """The first operation needed for `layer` that the original library's models do not have, or None."""
        beyond = (op.name for op in self.ancestry(layer) if not op.is_in_keras_vis)
        return next(beyond, "its input" if self.channels != 3 else None)

    def shapes(self, frames: int, height: int, width: int) -> Mapping[str, Shape]:
        """Output shape of every operation, without the batch axis; a clip that is too small gives sizes of 0."""
        size = frames, height, width
        if (known := self._known_shapes.get(size)) is None:
            if len(self._known_shapes) >= _KNOWN_SIZES:
                self._known_shapes.clear()
            known = self._known_shapes[size] = self._shapes(size)
        return known

    @cached_property
    def _known_shapes(self) -> dict[Triple, Mapping[str, Shape]]:
        """The shapes of the sizes that were asked for: a page asks for the same ones many times a run."""
        return {}

    def _shapes(self, size: Triple) -> dict[str, Shape]:
        shapes: dict[str, Shape] = {"input": (*size, self.channels)}
        for op in self.operations:
            shapes[op.name] = op.output_shape([shapes[name] for name in op.inputs])
        return shapes

    def output_shape(self, layer: str, frames: int, height: int, width: int) -> Shape:
        """Shape (t, h, w, filters) of a layer's output; a dense layer's is (1, 1, 1, units).

        Raises:
            UnknownLayer: no such layer.
            InvalidSpec: the clip is too small for this layer.
        """
        self.check_layer(layer)
        shapes = self.shapes(frames, height, width)
        for op in self.ancestry(layer):
            inputs = [shapes[name] for name in op.inputs]
            if isinstance(op, Join) and not op.fits(inputs):
                sizes = " and ".join("×".join(map(str, shape[:-1])) for shape in inputs)
                raise InvalidSpec(
                    f"A clip of {frames}×{height}×{width} (frames×height×width) does not go through {self.name}: "
                    f"{op.name} joins {sizes}. Take a size that every stride on the way divides."
                )
            if isinstance(op, Rearrange) and min(inputs[0]) > 0 and op.factors(inputs[0]) is None:
                raise InvalidSpec(
                    f"A clip of {frames}×{height}×{width} (frames×height×width) does not go through {self.name}: "
                    f"{op.name} reshapes volumes of one size, and not {'×'.join(map(str, inputs[0]))}. Take the size "
                    "that the network was added with."
                )
            if min(shapes[op.name]) < 1:
                before = "×".join(map(str, inputs[0][:3]))
                least = self.smallest_size(layer)
                raise InvalidSpec(
                    f"A clip of {frames}×{height}×{width} (frames×height×width) is too small for {layer} of "
                    f"{self.name}: at {op.name} {before} are left. Expected at least {least[0]}×{least[1]}×{least[2]}."
                )
        shape = shapes[layer]
        return shape if len(shape) == 4 else (1, 1, 1, *shape)

    def smallest_size(self, layer: str) -> Triple:
        """The least frames, height and width for which `layer` has an output."""
        needed = [op.name for op in self.ancestry(layer)]

        def is_enough(axis: int, size: int) -> bool:
            frames, height, width = (size if n == axis else most for n, most in enumerate(_LARGEST_SIZE))
            shapes = self._shapes((frames, height, width))
            return all(len(shapes[name]) < 4 or shapes[name][axis] >= 1 for name in needed)

        # a network that reshapes takes few sizes, or one: it is not searched for
        t, h, w = (
            next((size for size in range(1, most + 1) if is_enough(axis, size)), 1)
            for axis, most in enumerate(_LARGEST_SIZE)
        )
        return t, h, w

    def parameters(self, frames: int, height: int, width: int) -> dict[str, int]:
        """Number of weights of every operation; a dense layer's depends on the clip's size."""
        shapes = self.shapes(frames, height, width)
        return {op.name: op.parameters(shapes[op.inputs[0]][-1]) for op in self.operations}

    def multiplications(self, layer: str, frames: int, height: int, width: int) -> int:
        """Multiplications in the convolutions of one forward pass up to a layer; 0 where there are none."""
        shapes = self.shapes(frames, height, width)
        convolutions = [op for op in self.ancestry(layer) if isinstance(op, Conv)]
        return sum(math.prod(shapes[op.name]) * math.prod(op.kernel) * shapes[op.inputs[0]][-1] for op in convolutions)

    def table(self, frames: int, height: int, width: int) -> list[LayerRow]:
        """The layer table for a clip's size, one row for each operation."""
        shapes, parameters = self.shapes(frames, height, width), self.parameters(frames, height, width)
        fields = self._receptive_fields(shapes)
        return [
            LayerRow(op.name, op.kind, shapes[op.name], parameters[op.name], op.name in self.layers, fields[op.name][0])
            for op in self.operations
        ]

    def receptive_field(self, layer: str) -> tuple[Triple, Triple]:
        """(size, stride) of one output position's receptive field, in input frames and pixels, rounded up."""
        return self._usual_receptive_fields[layer]

    @cached_property
    def _usual_receptive_fields(self) -> dict[str, tuple[Triple, Triple]]:
        return self._receptive_fields()

    def to_dict(self) -> dict[str, Any]:
        """The canonical JSON form, without default values."""
        described: dict[str, Any] = {"name": self.name, "operations": [op.to_dict() for op in self.operations]}
        if self.channels != 3:
            described["channels"] = self.channels
        return described | ({"aliases": dict(self.aliases)} if self.aliases else {})

    @classmethod
    def from_dict(cls, described: Mapping[str, Any]) -> "Architecture":
        """The architecture that `to_dict` described, also after JSON; checked in full.

        Raises:
            ValueError, TypeError, KeyError: it does not describe a network.
        """
        names = {"input"}
        operations = tuple(map(Operation.from_dict, described["operations"]))
        for op in operations:
            if op.name in names or not set(op.inputs) <= names:
                raise ValueError(f"the operation {op.name!r} ({op.kind!r}) does not follow from those before it")
            names.add(op.name)
        if foreign := next((op for op in operations if not op.is_computed_here), None):
            raise ValueError(f"the operation {foreign.name!r} ({foreign.kind!r}) is computed by code, and it has none")
        if not any(isinstance(op, Conv) for op in operations):
            raise ValueError("it has no 3D convolution")
        return cls(described["name"], operations, described.get("channels", 3), described.get("aliases", {}))

    def _receptive_fields(self, shapes: Mapping[str, Shape] | None = None) -> dict[str, tuple[Triple, Triple]]:
        """(size, stride) of every operation; without shapes, volumes that are read as a whole count as one position."""
        fields = {"input": ReceptiveField((1, 1, 1), (1, 1, 1))}
        for op in self.operations:
            input_shape = shapes[op.inputs[0]] if shapes else None
            fields[op.name] = op.receptive_field([fields[name] for name in op.inputs], input_shape)
        return {  # type: ignore[return-value]
            name: tuple(tuple(map(math.ceil, numbers)) for numbers in each) for name, each in fields.items()
        }
