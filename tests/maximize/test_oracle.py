"""keras-vis as the oracle: with its parametrisation, update and energy, our engine does what the library does.

keras-vis divides its Lp norm by N and works in the network's units, ours takes the mean and works in units of the
shown range; `Case.energy` converts the weights. With a range of 256 the conversion is exact in float32, so what is left
between the two is rounding: our volume stands in units of the shown range, where float32 rounds by up to 2⁻¹⁷ of
these network units.

Two statements hold. *Each step*: from keras-vis's own volume and memory, our step is keras-vis's, up to a gradient
that differs by float32's rounding. *The way*: ten steps by ourselves end where keras-vis ends. The steps are not smooth
(the first is ±4.5 whatever the gradient's size, and a rounding can turn a ReLU or the winner of a pool over), so now
and then one bit sends both, or two runs of keras-vis itself, elsewhere: a single step of ten may, and the way is
held over three networks by the one in the middle.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from c3dvis.maximize.energy.energy import Energy
from c3dvis.maximize.keras_vis.engine import visualize
from c3dvis.maximize.loop import CompiledSteps
from c3dvis.maximize.optimizers import KerasVisRMSProp
from c3dvis.maximize.volume.pixel_volume import PixelVolume
from c3dvis.maximize.volume.random_views import random_views
from tests.maximize.small_c3d import PLAIN, SIZE, small_c3d

STEPS = 10
LAYER, FILTER = "conv3b", 2
RANGE = 256.0
ROUNDING = 2.0**-17
"""Largest rounding of a float32 up to 1 (half of 2⁻²⁴), in network units."""

# (lp_norm_weight, tv_weight). keras-vis's own Lp weight of 10 does nothing on a clip: its term is divided by N.
ALIKE = {"none": (0.0, 0.0), "Lp": (1e4, 0.0), "TV": (0.0, 0.03), "Lp and TV": (1e4, 0.03)}
STRONG = {"keras-vis's defaults": (10.0, 10.0), "strong Lp and TV": (1e5, 10.0)}


class Recorder:
    """keras-vis's callback: volume, normalised gradient and loss before each step."""

    def __init__(self) -> None:
        self.volumes: list[np.ndarray] = []
        self.gradients: list[np.ndarray] = []
        self.losses: list[float] = []

    def callback(
        self, i: int, named_losses: Any, overall_loss: float, grads: np.ndarray, wrt_value: np.ndarray
    ) -> None:
        self.volumes.append(wrt_value[0].copy())
        self.gradients.append(grads[0].copy())
        self.losses.append(float(overall_loss))

    def on_end(self) -> None: ...


class Case:
    """An optimisation by keras-vis on a small network, and ours of the same."""

    def __init__(self, weights: tuple[float, float], seed: int = 0) -> None:
        self.weights = weights
        self._compiled: dict[Any, CompiledSteps] = {}
        self.network = small_c3d(seed)
        self.start = np.random.default_rng(seed + 100).normal(0, 0.05 * RANGE, (*SIZE, 3)).astype(np.float32)
        self.theirs = Recorder()
        visualize(
            self.network, LAYER, FILTER, SIZE, seed_input=self.start[np.newaxis].copy(), callbacks=[self.theirs],
            lp_norm_weight=weights[0], tv_weight=weights[1], max_iter=STEPS + 1,
        )  # fmt: skip
        assert np.abs(self.theirs.volumes).max() < 127  # our bounds, which keras-vis has not, are not reached

    def steps(self, energy: Energy, optimizer: Any = None) -> CompiledSteps:
        """Our steps, compiled once for each set of terms."""
        kind = energy.terms(), type(optimizer)
        if kind not in self._compiled:
            forward = partial(self.network.forward, layer=LAYER)
            self._compiled[kind] = CompiledSteps(
                forward, PLAIN, PixelVolume(SIZE, PLAIN), optimizer or KerasVisRMSProp(), "float32", energy.terms()
            )
        return self._compiled[kind]

    def energy(self, **changes: float) -> Energy:
        t, h, w, filters = self.network.info.output_shape(LAYER, *SIZE)
        lp, tv = self.weights
        values = {
            "activation_weight": 1.0, "lp_p": 6.0, "tv_beta": 2.0, "leak": 0.0,
            "lp_weight": lp * RANGE * self.start.size ** (1 / 6 - 1),
            "tv_space_weight": tv * RANGE**2, "tv_time_weight": tv * RANGE**2,
        }  # fmt: skip
        positions = np.full((t, h, w), 1 / (t * h * w), np.float32)
        one, noise = np.eye(filters, dtype=np.float32)[[FILTER]], np.zeros((2, filters), np.float32)
        return Energy(positions, one, noise, np.zeros(1, np.float32), **{**values, **changes})

    def end(self, optimizer: Any = None, **changes: float) -> float:
        """Root mean square between our volume and keras-vis's after all steps, in network units."""
        energy = self.energy(**changes)
        steps = self.steps(energy, optimizer)
        ours, _, _ = steps.advance(
            tf.constant(self.start[np.newaxis]),
            steps.slots(),
            energy.tensors(),
            tf.constant(0),
            _still(STEPS),
            tf.ones((STEPS, 1)),
        )
        return float(np.sqrt(np.square(ours.numpy()[0] - self.theirs.volumes[STEPS]).mean()))

    def steps_apart(self, slack: float, optimizer: Any = None, **changes: float) -> int:
        """At how many steps any voxel of ours leaves what keras-vis's gradient ± `slack` allows (its RMS is 1)."""
        energy = self.energy(**changes)
        steps = self.steps(energy, optimizer)
        memory, apart = np.zeros(self.start.shape), 0
        for i in range(STEPS):
            before, gradient = self.theirs.volumes[i], self.theirs.gradients[i].astype(np.float64)
            ours, _, log = steps.advance(
                tf.constant(before[np.newaxis]),
                (tf.constant(memory[np.newaxis], tf.float32),),
                energy.tensors(),
                tf.constant(i),
                _still(1),
                tf.ones((1, 1)),
            )
            low, high = (before - _their_step(gradient + sign * slack, memory) for sign in (1, -1))
            inside = (ours[0].numpy() >= low - ROUNDING) & (ours[0].numpy() <= high + ROUNDING)
            same_loss = abs(float(log[0, 1, 0]) - self.theirs.losses[i]) <= 1e-5 * max(1, abs(self.theirs.losses[i]))
            apart += not (inside.all() and same_loss)
            memory = 0.95 * memory + 0.05 * gradient**2
        return apart


def _their_step(gradient: np.ndarray, memory: np.ndarray) -> np.ndarray:
    """vis/optimizer.py, `_rmsprop`; it rises with the gradient."""
    return gradient / np.sqrt(0.95 * memory + 0.05 * gradient**2 + 1e-7)


def _still(steps: int) -> tuple[tf.Tensor, ...]:
    return tuple(map(tf.constant, PixelVolume(SIZE, PLAIN).prepare(random_views(steps, 0, 0, seed=0))))


class OtherDecay(KerasVisRMSProp):
    """keras-vis's update with a decay of 0.9 in place of 0.95."""

    def step(self, parameters, gradient, slots, index, rate):
        gradient = gradient / (tf.sqrt(tf.reduce_mean(tf.square(gradient))) + 1e-7)  # one volume
        square = 0.9 * slots[0] + 0.1 * tf.square(gradient)
        return parameters - rate * gradient / tf.sqrt(square + 1e-7), (square,)


@pytest.fixture(scope="module")
def case() -> Callable[..., Case]:
    """Cases, each run through keras-vis once."""
    made: dict[Any, Case] = {}

    def get(name: str, seed: int = 0) -> Case:
        if (name, seed) not in made:
            made[name, seed] = Case({**ALIKE, **STRONG}[name], seed)
        return made[name, seed]

    return get


@pytest.mark.parametrize("name", {**ALIKE, **STRONG})
def test_each_step_is_keras_viss(case, name):
    assert case(name).steps_apart(slack=5e-5) <= 1


@pytest.mark.parametrize("name", ALIKE)
def test_ten_steps_end_where_keras_vis_ends(case, name):
    # over ten steps each voxel moves by 12 units or so; four roundings are 3e-5
    assert sorted(case(name, seed).end() for seed in range(3))[1] < 4 * ROUNDING


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("TV", {"tv_beta": 1.98}),
        ("TV", {"tv_time_weight": 0.0}),
        ("Lp", {"lp_p": 5.9}),
        ("Lp and TV", {"lp_weight": 0.0}),
        ("none", {"optimizer": OtherDecay()}),
        ("none", {"leak": 0.1}),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_another_energy_or_update_is_told_apart(case, name, change):
    assert case(name).steps_apart(slack=5e-5, **change) >= 8
    assert case(name).end(**change) > 1e3 * ROUNDING
