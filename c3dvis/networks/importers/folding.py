"""Folds normalisations and activation functions into the operation before them, where nothing else reads that."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from c3dvis.networks.graph.base_operation import Operation
from c3dvis.networks.graph.operations import (
    ActivationLayer,
    Conv,
    ConvTranspose,
    Dense,
    GroupNorm,
    LayerNorm,
    Merge,
    Scale,
    Weighted,
)
from c3dvis.networks.importers.imported import Pair

_AFFINE = Conv | ConvTranspose | Dense | GroupNorm | LayerNorm | Scale
"""Operations that end with a factor and an offset for each channel."""


def fold(
    operations: Sequence[Operation],
    combine: Callable[[Weighted, Scale], None],
    may_end: Callable[[str], bool] = lambda name: True,
) -> tuple[list[Operation], dict[str, str]]:
    """Fold what can be folded.

    Args:
        operations: in order of computation.
        combine: multiplies the weights of an operation by those of the `Scale` that follows it.
        may_end: whether the value of an operation of that name may be that of the one it is folded into.

    Returns:
        The operations that remain, and for each one that was folded the name of the one that computes it now.
    """
    readers: dict[str, list[Operation]] = {}
    for op in operations:
        for name in dict.fromkeys(op.inputs):
            readers.setdefault(name, []).append(op)
    folded: dict[str, str] = {}
    kept = []
    for op in operations:
        if op.name in folded:
            continue
        chain = _followers(op, readers)
        while chain and not may_end(chain[-1].name):
            chain.pop()
        for follower in chain:
            if isinstance(op, Weighted) and isinstance(follower, Scale):
                combine(op, follower)
            op = replace(op, activation=follower.activation)
            folded[follower.name] = op.name
        kept.append(replace(op, inputs=tuple(folded.get(each, each) for each in op.inputs)))
    return kept, folded


def _followers(op: Operation, readers: Mapping[str, Sequence[Operation]]) -> list[Operation]:
    """The operations behind an operation that can be folded into it, one after the other."""
    chain: list[Operation] = []
    while len(following := readers.get((chain or [op])[-1].name, [])) == 1 and (chain or [op])[-1].activation is None:
        follower = following[0]
        is_scale = isinstance(op, _AFFINE) and isinstance(follower, Scale)
        if not is_scale and not (isinstance(op, Weighted | Merge) and isinstance(follower, ActivationLayer)):
            break
        chain.append(follower)
    return chain


def scaled(op: Weighted, pair: Pair, scale: Pair) -> Pair:
    """Weights of an operation that does what it did and a `Scale` after it."""
    (kernel, bias), (factor, offset) = pair, scale
    behind = len(op.kernel_axes) - 1 - op.kernel_axes.index("O")
    kernel = kernel * factor.reshape(-1, *[1] * behind)
    return kernel.astype(np.float32), (bias * factor + offset).astype(np.float32)
