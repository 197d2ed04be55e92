"""The window of a clip that one position of a layer depends on; on the window alone, its response is the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.base_operation import Operation, Triple


@dataclass(frozen=True)
class Window:
    """A box of a clip, and the index of a layer's position in the response to that box.

    Attributes:
        start, size: of the box, in frames and pixels.
        position: (t, h, w) in the layer's response to the box alone.
    """

    start: Triple
    size: Triple
    position: Triple


def window(architecture: Architecture, layer: str, position: Triple, size: Triple) -> Window:
    """The smallest box of a clip on which `layer` has the same response at a position as on the whole clip.

    The edges of the box lie on multiples of the layer's stride, so that strides and padding are aligned as on the
    whole clip. An axis that the stride does not divide is not cut, and no axis is where an operation on the way is not
    shift-equivariant.

    Args:
        position: (t, h, w) in the layer's output.
        size: (frames, height, width) of the clip.
    """
    operations = architecture.ancestry(layer)
    _, stride = architecture.receptive_field(layer)
    if not all(op.is_shift_equivariant for op in operations):
        return Window((0, 0, 0), size, position)
    shapes = architecture.shapes(*size)
    start, length, inside = [0, 0, 0], list(size), list(position)
    for axis, step in enumerate(stride):
        if size[axis] % step:
            continue
        sizes = {name: shapes[name][axis] for name in ("input", *(op.name for op in operations))}
        first, last = _input_interval(operations, position[axis], axis, sizes)
        start[axis] = first // step * step
        length[axis] = min(-(-(last + 1) // step) * step, size[axis]) - start[axis]
        inside[axis] = position[axis] - start[axis] // step
    return Window((start[0], start[1], start[2]), (length[0], length[1], length[2]), (inside[0], inside[1], inside[2]))


def _input_interval(
    operations: Sequence[Operation], position: int, axis: int, sizes: Mapping[str, int]
) -> tuple[int, int]:
    """First and last index of the clip along an axis that a position of the last operation depends on."""
    needed = {operations[-1].name: (position, position)}
    for op in reversed(operations):
        first, last = op.input_interval(*needed[op.name], axis, sizes[op.inputs[0]], sizes[op.name])
        for name in op.inputs:
            others = needed.get(name, (first, last))
            needed[name] = min(first, others[0]), max(last, others[1])
    return needed["input"]
