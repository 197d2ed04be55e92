"""The part of a clip that one position of a layer sees, cut so that the network answers on it as on the whole."""

from dataclasses import dataclass

from c3dvis.networks.graph.architecture import Architecture, Op, Triple

_PLAIN = ("conv", "max_pool", "avg_pool", "concat", "dropout", "activation", "scale")


@dataclass(frozen=True)
class Window:
    """A box of a clip, and where a layer's position lies in the response to it.

    Attributes:
        start, size: of the box, in frames and pixels.
        position: (t, h, w) in the layer's response to the box alone.
    """

    start: Triple
    size: Triple
    position: Triple


def window(architecture: Architecture, layer: str, position: Triple, size: Triple) -> Window:
    """The least box of a clip on which `layer` responds at a position exactly as on the whole clip.

    Its edges lie on multiples of the layer's stride, where padding falls as it does at the clip's own edges. Along an
    axis that the stride does not divide it is as long as the clip, and so it is along all of them where something on
    the way looks beyond its neighbourhood.

    Args:
        position: (t, h, w) in the layer's output.
        size: (frames, height, width) of the clip.
    """
    ops = architecture.ancestry(layer)
    _, stride = architecture.receptive_field(layer)
    if not all(op.kind in _PLAIN and _keeps_phase(op) for op in ops):
        return Window((0, 0, 0), size, position)
    shapes = architecture.shapes(*size)
    names = ["input", *(op.name for op in ops)]
    start, length, inside = [0, 0, 0], list(size), list(position)
    for axis, step in enumerate(stride):
        if size[axis] % step:
            continue
        low, high = _seen(ops, layer, position[axis], axis, {name: shapes[name][axis] for name in names})
        start[axis] = low // step * step
        length[axis] = min(-(-(high + 1) // step) * step, size[axis]) - start[axis]
        inside[axis] = position[axis] - start[axis] // step
    return Window((start[0], start[1], start[2]), (length[0], length[1], length[2]), (inside[0], inside[1], inside[2]))


def _keeps_phase(op: Op) -> bool:
    """Whether an operation's output lies on its input alike at every offset that its stride divides."""
    return op.kind not in ("conv", "max_pool", "avg_pool") or op.padding == "same" or op.kernel == op.strides


def _seen(ops: tuple[Op, ...], layer: str, position: int, axis: int, sizes: dict[str, int]) -> tuple[int, int]:
    """First and last index of the clip along an axis that the layer's position depends on."""
    needed = {layer: (position, position)}
    for op in reversed(ops):
        low, high = needed[op.name]
        if op.kind in ("conv", "max_pool", "avg_pool"):
            kernel, stride, size = op.kernel[axis], op.strides[axis], sizes[op.inputs[0]]
            padded = max((sizes[op.name] - 1) * stride + kernel - size, 0) if op.padding == "same" else 0
            low, high = low * stride - padded // 2, high * stride - padded // 2 + kernel - 1
            low, high = max(low, 0), min(high, size - 1)
        for name in op.inputs:
            before = needed.get(name, (low, high))
            needed[name] = min(low, before[0]), max(high, before[1])
    return needed["input"]
