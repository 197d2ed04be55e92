"""Folds normalisations and activation functions of a Keras model into the layer before them."""

from collections.abc import Callable

from c3dvis.networks.graph.operations import Scale, Weighted
from c3dvis.networks.importers import folding
from c3dvis.networks.importers.from_keras.model import KerasModel, ReadArrays
from c3dvis.networks.importers.imported import Pair


def fold(model: KerasModel) -> None:
    """Fold what can be folded; the operation that stays takes the address of the last one."""

    def combine(op: Weighted, scale: Scale) -> None:
        model.weights[op.name] = _scaled(op, model.weights[op.name], model.weights.pop(scale.name))

    model.operations, folded = folding.fold(model.operations, combine)
    for last, first in folded.items():  # in order: the last one that was folded wins
        model.addresses.pop(first, None)
        if last in model.addresses:
            model.addresses[first] = model.addresses.pop(last)
    model.output = folded.get(model.output, model.output)
    if not any(model.output in op.inputs for op in model.operations):
        model.operations.sort(key=lambda op: op.name == model.output)  # the network's output comes last


def _scaled(
    op: Weighted, pair: Callable[[ReadArrays], Pair], scale: Callable[[ReadArrays], Pair]
) -> Callable[[ReadArrays], Pair]:
    return lambda arrays: folding.scaled(op, pair(arrays), scale(arrays))
