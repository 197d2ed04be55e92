"""Which arrays of a file are the kernel and the bias of which layer, told from names, order and shapes.

Nothing is read here: the values are not known yet, nor is the layout.
"""

from collections.abc import Mapping
from pathlib import Path

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.operations import Conv, Dense, Scale, Weighted
from c3dvis.networks.weights.formats.stored_arrays import Contents, Stored, check_dtype
from c3dvis.networks.weights.layout import stored_orders, stored_shape


def match_layers(
    path: Path, contents: Contents, architecture: Architecture, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[Stored, Stored]]:
    """Kernel and bias of every layer that the file holds.

    Args:
        path: of the file, for what is said of it.
        contents: its arrays.
        architecture: whose layers they are.
        shapes: of every operation's output; the last number is its channels.

    Raises:
        WeightsDamaged: a layer other than a dense one is missing, or what there is of a layer does not fit it.
    """
    ops = [op for op in architecture.operations if isinstance(op, Weighted)]
    mine = _by_order(path, contents, ops) if contents.numbered else _by_name(contents, ops, architecture.aliases)
    found: dict[str, tuple[Stored, Stored]] = {}
    for op in ops:
        inputs = shapes[op.inputs[0]][-1]
        wanted = [stored_shape(op, inputs, order) for order in stored_orders(op)]
        if op.name in mine:
            found[op.name] = _pair(path, op, mine[op.name], wanted)
        elif not isinstance(op, Dense):
            received = sorted({array.name.rpartition("/")[0] or array.name for array in contents.arrays})
            raise WeightsDamaged(
                f"{path} has no weights of layer {op.name}: expected a kernel {wanted[0]} and a bias ({op.filters},), "
                f"received {', '.join(name[:60] for name in received[:12]) or 'no arrays'}."
            )
    return found


def _by_name(contents: Contents, ops: list[Weighted], aliases: Mapping[str, str]) -> dict[str, list[Stored]]:
    """A layer's arrays: those under its name, or under another that it goes by.

    Array names may carry anything before the layer's (a model, `module`, `backbone`), and `/conv` after it.
    """
    known = {op.name: op.name for op in ops} | dict(aliases)
    found: dict[str, list[Stored]] = {}
    for array in contents.arrays:
        parts = array.name.split("/")
        # the longest run of parts that is a layer's name
        runs = ("/".join(parts[i:j]) for i in range(len(parts)) for j in range(len(parts), i, -1))
        named = max((run for run in runs if run in known), key=len, default=None)
        if named is None:  # conv1_W, conv1_b at the top of an .npz
            stem, _, role = parts[-1].rpartition("_")
            named = stem if stem in known and role else None
        if named is not None:
            found.setdefault(known[named], []).append(array)
    return found


def _by_order(path: Path, contents: Contents, ops: list[Weighted]) -> dict[str, list[Stored]]:
    """The arrays of a file without names: two for each layer, in order."""
    convolutions = [op for op in ops if isinstance(op, Conv)]
    pairs = [list(contents.arrays[i : i + 2]) for i in range(0, len(contents.arrays), 2)]
    for layers in (ops, convolutions):
        if len(pairs) == len(layers):
            return {op.name: pair for op, pair in zip(layers, pairs, strict=True)}
    raise WeightsDamaged(
        f"{path} names no layers and holds {len(contents.arrays)} arrays: expected two for each of {len(ops)} layers, "
        f"or of the {len(convolutions)} convolutions."
    )


def _pair(path: Path, op: Weighted, mine: list[Stored], wanted: list[tuple[int, ...]]) -> tuple[Stored, Stored]:
    """A layer's kernel and bias, by shape and, where shapes are alike, by name."""
    kernels = [array for array in mine if array.shape in wanted]
    biases = [array for array in mine if array.shape == (op.filters,) and array not in kernels]
    if isinstance(op, Scale):
        kernels = [array for array in mine if array.name.endswith("/kernel")]
        biases = [array for array in mine if array.name.endswith("/bias") and array.shape == (op.filters,)]
    if len(kernels) != 1 or len(biases) != 1:
        raise WeightsDamaged(
            f"{path} does not fit layer {op.name}: expected one kernel {' or '.join(map(str, dict.fromkeys(wanted)))} "
            f"and one bias ({op.filters},), received {', '.join(str(array.shape) for array in mine[:8])}."
        )
    for array in (kernels[0], biases[0]):
        check_dtype(path, array.name, array.dtype)
    return kernels[0], biases[0]
