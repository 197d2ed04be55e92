"""Matches the arrays of a file to the kernels and biases of layers, by names, order and shapes.

No values are read here, and the layout is not known yet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.operations import Conv, Dense, PerChannel, Weighted
from c3dvis.networks.weights.formats.stored_arrays import Contents, StoredArray, check_dtype
from c3dvis.networks.weights.layout import stored_orders, stored_shape


def match_layers(
    path: Path, contents: Contents, architecture: Architecture, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[StoredArray, StoredArray]]:
    """Kernel and bias of every layer in the file.

    Args:
        path: the file, for error messages.
        contents: the arrays of the file.
        architecture: the network.
        shapes: output shape of every operation; the last number is its channels.

    A file may lack dense layers, and all layers from one on. A last layer of another number of classes is left out.

    Raises:
        WeightsDamaged: another layer is missing, or the arrays of a layer do not fit it.
    """
    ops = [op for op in architecture.operations if isinstance(op, Weighted)]
    arrays = _by_order(path, contents, ops) if contents.numbered else _by_name(contents, ops, architecture.aliases)
    found: dict[str, tuple[StoredArray, StoredArray]] = {}
    for op in ops:
        inputs = shapes[op.inputs[0]][-1]
        wanted = [stored_shape(op, inputs, order) for order in stored_orders(op)]
        if op is ops[-1] and op.name in arrays and _has_other_classes(op, inputs, arrays[op.name]):
            continue
        if op.name in arrays:
            found[op.name] = _kernel_and_bias(path, op, arrays[op.name], wanted)
        elif found and not any(other.name in arrays for other in ops[ops.index(op) :]):
            break  # it ends before this layer
        elif not isinstance(op, Dense):
            received = sorted({array.name.rpartition("/")[0] or array.name for array in contents.arrays})
            raise WeightsDamaged(
                f"{path} has no weights of layer {op.name}: expected a kernel {wanted[0]} and a bias ({op.filters},), "
                f"received {', '.join(name[:60] for name in received[:12]) or 'no arrays'}."
            )
    return found


def refuse_normalisations(path: Path, contents: Contents, used: Sequence[StoredArray]) -> None:
    """Refuse a file with normalisations that no layer takes: without them, its kernels compute something else.

    A normalisation is a group of vectors alone.

    Raises:
        WeightsDamaged: there is one.
    """
    names = {array.name for array in used}
    groups: dict[str, list[StoredArray]] = {}
    for array in contents.arrays:
        groups.setdefault(array.name.rpartition("/")[0], []).append(array)
    for group, arrays in groups.items():
        is_unused = not any(array.name in names for array in arrays) and "optim" not in group.lower()
        vectors = [array for array in arrays if len(array.shape) == 1 and array.shape[0] > 1]
        if is_unused and len(vectors) > 1 and all(len(array.shape) <= 1 for array in arrays):
            raise WeightsDamaged(
                f"{path} holds a normalisation at {group[:80]} ({len(vectors)} vectors), which is not a layer of the "
                "network. A model with normalisations of its own is added with `c3dvis networks add`."
            )


def _by_name(contents: Contents, ops: list[Weighted], aliases: Mapping[str, str]) -> dict[str, list[StoredArray]]:
    """The arrays of each layer: those whose path contains its name or one of its aliases.

    The path may have a prefix (a model, `module`, `backbone`), and `/conv` after the layer's name.
    """
    known = {op.name: op.name for op in ops} | dict(aliases)
    found: dict[str, list[StoredArray]] = {}
    for array in contents.arrays:
        parts = array.name.split("/")
        # the longest sequence of parts that is the name of a layer
        runs = ("/".join(parts[i:j]) for i in range(len(parts)) for j in range(len(parts), i, -1))
        named = max((run for run in runs if run in known), key=len, default=None)
        if named is None:  # conv1_W, conv1_b at the top of an .npz
            stem, _, role = parts[-1].rpartition("_")
            named = stem if stem in known and role else None
        if named is not None:
            found.setdefault(known[named], []).append(array)
    return found


def _by_order(path: Path, contents: Contents, ops: list[Weighted]) -> dict[str, list[StoredArray]]:
    """The arrays of each layer in a file without names: two for each layer, in order."""
    convolutions = [op for op in ops if isinstance(op, Conv)]
    pairs = [list(contents.arrays[i : i + 2]) for i in range(0, len(contents.arrays), 2)]
    for layers in (ops, convolutions):
        if len(pairs) == len(layers):
            return {op.name: pair for op, pair in zip(layers, pairs, strict=True)}
    raise WeightsDamaged(
        f"{path} names no layers and holds {len(contents.arrays)} arrays: expected two for each of {len(ops)} layers, "
        f"or of the {len(convolutions)} convolutions."
    )


def _has_other_classes(op: Weighted, inputs: int, arrays: list[StoredArray]) -> bool:
    """Whether a layer's arrays are those of the same layer with another number of filters."""
    counts = {array.shape[0] for array in arrays if len(array.shape) == 1}
    if len(counts) != 1 or counts == {op.filters}:
        return False
    other = replace(op, filters=counts.pop())
    return any(array.shape == stored_shape(other, inputs, order) for array in arrays for order in stored_orders(op))


def _kernel_and_bias(
    path: Path, op: Weighted, arrays: list[StoredArray], wanted: list[tuple[int, ...]]
) -> tuple[StoredArray, StoredArray]:
    """The kernel and the bias among the arrays of a layer, by shape; of an operation with equal shapes, by name."""
    kernels = [array for array in arrays if array.shape in wanted]
    biases = [array for array in arrays if array.shape == (op.filters,) and array not in kernels]
    if isinstance(op, PerChannel):
        kernels = [array for array in arrays if array.name.endswith("/kernel")]
        biases = [array for array in arrays if array.name.endswith("/bias") and array.shape == (op.filters,)]
    if len(kernels) != 1 or len(biases) != 1:
        raise WeightsDamaged(
            f"{path} does not fit layer {op.name}: expected one kernel {' or '.join(map(str, dict.fromkeys(wanted)))} "
            f"and one bias ({op.filters},), received {', '.join(str(array.shape) for array in arrays[:8])}."
        )
    for array in (kernels[0], biases[0]):
        check_dtype(path, array.name, array.dtype)
    return kernels[0], biases[0]
