"""The energy and its gradient, against its terms one by one, differentiated through a network of Keras layers."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from c3dvis.maximize.energy.energy import Energy
from c3dvis.maximize.energy.regularizers import lp_norm, total_variation
from c3dvis.maximize.loop import CompiledSteps
from c3dvis.maximize.optimizers import Adam
from c3dvis.maximize.volume.pixel_volume import PixelVolume
from tests.maximize.small_c3d import PLAIN, SIZE, small_c3d

LAYER = "conv3b"
NETWORK = small_c3d()
SHAPE = NETWORK.info.output_shape(LAYER, *SIZE)
LEAK = 0.1
MEAN, INVERSE_DEVIATION = 0.1, 4.0  # of each filter's response over noise
REGULARISERS = {"lp_weight": 1000.0, "tv_space_weight": 2000.0, "tv_time_weight": 3000.0}


def energy_of(filters: Sequence[int], selectivity_weight: float = 0.0, **changes: float) -> Energy:
    weights = {
        "activation_weight": 1.0, "lp_weight": 0.0, "lp_p": 6.0, "tv_space_weight": 0.0,
        "tv_time_weight": 0.0, "tv_beta": 1.5, "leak": LEAK,
    }  # fmt: skip
    return Energy(
        positions=np.full(SHAPE[:3], 1 / np.prod(SHAPE[:3]), np.float32),
        filters=np.eye(SHAPE[3], dtype=np.float32)[list(filters)],
        noise=np.stack([np.full(SHAPE[3], MEAN), np.full(SHAPE[3], INVERSE_DEVIATION)]).astype(np.float32),
        selectivity_weight=selectivity_weight * np.arange(1, len(filters) + 1, dtype=np.float32),  # each its own
        **{**weights, **changes},
    )


def ours(energy: Energy, start: np.ndarray, diversity: bool = False) -> tuple[np.ndarray, ...]:
    """(gradient, objective, energy, rivalry) as the engine computes them, of voxels (count, *SIZE, 3)."""
    volume, terms = PixelVolume(SIZE, PLAIN), energy.terms(diversity=diversity)
    forward = partial(NETWORK.forward, layer=LAYER)
    steps = CompiledSteps(forward, PLAIN, volume, Adam(), "float32", terms, len(start))
    view = [tf.constant(part[0]) for part in volume.prepare(np.zeros((1, 6), np.float32))]
    compiled: Any = tf.function(steps.gradient, autograph=False)
    gradient, objective, value, rivalry = compiled(tf.constant(start), energy.tensors(), view)
    return gradient.numpy(), objective.numpy(), value.numpy(), rivalry.numpy()


def terms_of(filters: Sequence[int], start: np.ndarray) -> tuple[dict[str, tf.Tensor], tf.Tensor, Any]:
    """Every term (count,) written out, the voxels, and the tape that differentiates them."""
    voxels, count = tf.constant(start), len(start)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(voxels)
        before, after = NETWORK.model(LAYER, SIZE)(voxels)
        leaky = tf.reduce_mean(tf.where(before > 0, before, LEAK * before), [1, 2, 3])
        standardised = (tf.reduce_mean(after, [1, 2, 3]) - MEAN) * INVERSE_DEVIATION
        behind = []
        for volume, target in enumerate(filters):
            rivals = [standardised[volume, i] for i in range(SHAPE[3]) if i != target]
            strongest = 0.05 * tf.reduce_logsumexp([20 * tf.math.log(tf.maximum(rival, 0.05)) for rival in rivals])
            behind.append(strongest - tf.math.log(standardised[volume, target]) + 0.05)
        grams = [tf.einsum("thwi,thwj->ij", one, one) for one in tf.unstack(after)]
        cosines = [[tf.reduce_sum(a * b) / (tf.norm(a) * tf.norm(b)) for b in grams] for a in grams]
        unit = voxels / 256 + 0.5
        space, time = total_variation(unit, tf.constant(1.5))
        terms = {
            "A": tf.stack([leaky[volume, target] for volume, target in enumerate(filters)]),
            "R": tf.stack(behind),
            "D": tf.stack([(tf.add_n(row) - row[i]) / max(count - 1, 1) for i, row in enumerate(cosines)]),
            "Lp": lp_norm(unit - 0.5, tf.constant(6.0)),
            "TV_space": space,
            "TV_time": time,
        }
    return terms, voxels, tape


@pytest.mark.parametrize(
    ("filters", "weights", "diversity"),
    [
        ((6,), {"activation_weight": 2.5}, False),
        ((6,), {"activation_weight": 1.0, "selectivity_weight": 0.7}, False),
        ((6,), {"activation_weight": 2.5, "selectivity_weight": 0.7}, False),
        ((6, 5), {"activation_weight": 0.4, "selectivity_weight": 2.0}, False),
        ((6, 6, 6), {"activation_weight": 1.0}, True),
        ((6, 6, 6), {"activation_weight": 2.5}, True),
        ((6, 6), {"activation_weight": 2.5, "selectivity_weight": 0.7, **REGULARISERS}, True),
        ((5,), {"activation_weight": 2.5, "selectivity_weight": 0.7, **REGULARISERS}, False),
    ],
    ids=str,
)
def test_the_energy_is_the_sum_of_its_terms_and_so_is_its_gradient(filters, weights, diversity):
    """energy = −w_a·A + w_a·|sg(A)|·(w_s·R + D) + w_lp·Lp + w_space·TV_space + w_time·TV_time."""
    start = np.random.default_rng(3).normal(0, 40, (len(filters), *SIZE, 3)).astype(np.float32)
    energy = energy_of(filters, **weights)
    gradient, objective, value, rivalry = ours(energy, start, diversity)

    terms, voxels, tape = terms_of(filters, start)
    assert np.all(terms["R"].numpy() > 0)
    activation = terms["A"].numpy()
    factors = {  # constants to differentiation, also |A|
        "A": np.full(len(filters), -energy.activation_weight),
        "R": energy.activation_weight * energy.selectivity_weight * np.abs(activation),
        "D": diversity * energy.activation_weight * np.abs(activation),
        "Lp": np.full(len(filters), energy.lp_weight),
        "TV_space": np.full(len(filters), energy.tv_space_weight),
        "TV_time": np.full(len(filters), energy.tv_time_weight),
    }
    np.testing.assert_allclose(objective, activation, rtol=1e-4)
    np.testing.assert_allclose(rivalry, terms["R"] if np.any(energy.selectivity_weight) else 0, rtol=1e-4)
    expected = sum(factor * terms[name].numpy() for name, factor in factors.items())
    np.testing.assert_allclose(value, expected, rtol=1e-4)
    gradients = [
        tape.gradient(terms[name], voxels, tf.constant(factor, tf.float32)).numpy()
        for name, factor in factors.items()
        if np.any(factor)
    ]
    scale = np.abs(sum(gradients)).max()
    np.testing.assert_allclose(gradient, sum(gradients), rtol=1e-3, atol=1e-4 * scale)
    for one in gradients:  # each term shows in the gradient
        assert np.abs(one).max() > 1e-2 * scale
