"""Folds normalisations and activation functions into the layer before them, where nothing else reads that."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from c3dvis.networks.graph.operations import ActivationLayer, Conv, ConvTranspose, Dense, Merge, Scale, Weighted
from c3dvis.networks.importers.imported import Pair
from c3dvis.networks.importers.keras_model import KerasModel, ReadArrays


def fold(model: KerasModel) -> None:
    """Fold what can be folded; the operation that stays takes the address of the last one."""
    index = 0
    while index < len(model.operations):
        op = model.operations[index]
        readers = [other for other in model.operations if op.name in other.inputs]
        follower = readers[0] if len(readers) == 1 and op.activation is None else None
        if isinstance(op, Conv | ConvTranspose | Dense) and isinstance(follower, Scale):
            is_transposed = isinstance(op, ConvTranspose)
            model.weights[op.name] = _scaled(model.weights[op.name], model.weights.pop(follower.name), is_transposed)
        elif not (isinstance(op, Weighted | Merge) and isinstance(follower, ActivationLayer)):
            index += 1
            continue
        folded = follower.name
        model.operations[index] = replace(op, activation=follower.activation)
        model.operations = [
            replace(each, inputs=tuple(op.name if name == folded else name for name in each.inputs))
            for each in model.operations
            if each.name != folded
        ]
        model.addresses.pop(op.name, None)
        if folded in model.addresses:
            model.addresses[op.name] = model.addresses.pop(folded)


def _scaled(
    pair: Callable[[ReadArrays], Pair], scale: Callable[[ReadArrays], Pair], is_transposed: bool
) -> Callable[[ReadArrays], Pair]:
    def folded(arrays: ReadArrays) -> Pair:
        (kernel, bias), (factor, offset) = pair(arrays), scale(arrays)
        along = factor[:, np.newaxis] if is_transposed else factor
        return (kernel * along).astype(np.float32), (bias * factor + offset).astype(np.float32)

    return folded
