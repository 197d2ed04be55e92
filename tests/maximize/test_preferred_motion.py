"""A search goes on with the motion that its target prefers, and a filter is shown at the speed that it looks for."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import c3dvis
from bench.speeds import shown_speed
from c3dvis.maximize.preferred_motion import ENOUGH, OTHER_SPEEDS, SPEED, STILL, Velocity, preferred_motion
from c3dvis.maximize.schedule import FIRST_SHAPES, first_shapes
from c3dvis.maximize.texture_motion.flow import flow

SIZE = (8, 32, 32)
SPEEDS = (SPEED, *OTHER_SPEEDS)


def tuned(velocity: Velocity, width: float = 0.5) -> Any:
    """A response that is highest at one velocity."""
    return lambda other: float(np.exp(-np.sum(np.square(np.subtract(velocity, other))) / (2 * width**2)))


@given(st.sampled_from(SPEEDS), st.integers(0, 7))
def test_the_velocity_of_the_highest_response_is_found(speed, eighth):
    wanted = (float(speed * np.sin(eighth * np.pi / 4)), float(speed * np.cos(eighth * np.pi / 4)))
    np.testing.assert_allclose(preferred_motion(tuned(wanted, width=1.0)), wanted, atol=1e-9)


@given(st.tuples(*[st.floats(0, 2)] * 4))
def test_the_slowest_speed_that_is_good_enough_is_preferred(of_speed):
    speeds = (0.0, *sorted(SPEEDS))
    reached = dict(zip(speeds, of_speed, strict=True))
    found = preferred_motion(lambda velocity: reached[round(float(np.hypot(*velocity)))])
    slowest = min((speed for speed in speeds if reached[speed] >= ENOUGH * max(of_speed)), default=0.0)
    assert round(float(np.hypot(*found))) == (slowest if max(of_speed) > 0 else 0)


@pytest.mark.parametrize("response", [0.0, -3.0, np.nan])
def test_a_target_that_responds_to_no_motion_is_left_as_it_is(response):
    assert preferred_motion(lambda _: response) == STILL


def test_a_short_search_is_not_interrupted():
    assert first_shapes(4 * FIRST_SHAPES) == first_shapes(1000) == FIRST_SHAPES
    assert first_shapes(4 * FIRST_SHAPES - 1) == 0


def detectors(*speeds: float) -> Any:
    """A model whose filters look for bars that move to the right, each at its own speed in pixels per frame.

    A filter is the energy of a pair of kernels: cosine and sine of a wave that moves at the speed, in a window.
    """
    import keras

    wave, t, x = 8.0, np.arange(5) - 2.0, np.arange(9) - 4.0
    kernel = np.zeros((5, 1, 9, 3, 2 * len(speeds)), np.float32)
    for i, speed in enumerate(speeds):
        phase = 2 * np.pi / wave * (x - speed * t[:, np.newaxis])
        window = np.cos(np.pi * x / 10) * np.cos(np.pi * t / 6)[:, np.newaxis]
        for j, part in enumerate((np.cos(phase), np.sin(phase))):
            part = window * part
            kernel[:, 0, :, :, 2 * i + j] = (part - window * part.sum() / window.sum())[..., np.newaxis]
    pairs = np.zeros((1, 1, 1, 2 * len(speeds), len(speeds)), np.float32)
    for i in range(len(speeds)):
        pairs[..., 2 * i : 2 * i + 2, i] = 0.01
    layers = [
        keras.Input((*SIZE, 3)),
        keras.layers.Conv3D(2 * len(speeds), (5, 1, 9), use_bias=False, name="wave"),
        keras.layers.Lambda(lambda value: value * value, name="energy"),
        keras.layers.Conv3D(len(speeds), 1, use_bias=False, activation="relu", name="speed"),
    ]
    model = keras.Sequential(layers)
    model.get_layer("wave").set_weights([kernel])
    model.get_layer("speed").set_weights([pairs])
    return model


@pytest.fixture(scope="module")
def network() -> Any:
    return c3dvis.from_keras(detectors(0.0, 1.0, 2.0), range=(-1, 1), name="detectors")


@pytest.mark.parametrize(("index", "speed"), [(0, 0.0), (1, 1.0), (2, 2.0)])
@pytest.mark.parametrize(
    "changes", [{}, {"parametrization": "texture"}, {"parametrization": "texture", "lp_weight": 100.0}], ids=str
)
def test_a_filter_is_shown_at_the_speed_that_it_looks_for(network, index, speed, changes):
    """Whatever the terms of the energy that motion does not change."""
    frames, height, width = SIZE
    spec = c3dvis.RenderSpec(
        network="detectors", layer="speed", filter=index, frames=frames, height=height, width=width, iterations=80,
        **changes,
    )  # fmt: skip
    clip = c3dvis.render(spec, network=network).clip.astype(np.float32) / 255
    towards = -np.median(flow(clip[:-1], clip[1:])[:, 4:-4, 6:-6], axis=(0, 1, 2))
    assert towards[1] == pytest.approx(speed, abs=0.4)


def test_a_weight_of_the_variation_in_time_keeps_it_still(network):
    frames, height, width = SIZE
    spec = c3dvis.RenderSpec(
        network="detectors", layer="speed", filter=2, frames=frames, height=height, width=width, iterations=80,
        tv_time_weight=600.0,
    )  # fmt: skip
    clip = c3dvis.render(spec, network=network).clip.astype(np.float32) / 255
    assert np.median(np.abs(flow(clip[:-1], clip[1:]))) < 0.2


@pytest.mark.parametrize("index", [152, 157])
def test_filters_of_i3d_that_look_for_two_pixels_per_frame_are_not_shown_at_half_of_one(weights, index):
    """`bench/speeds.py` tells what they look for; a clip of 64 pixels shows about half of that."""
    spec = c3dvis.RenderSpec(layer="Mixed_3b", filter=index, frames=8, height=64, width=64, iterations=80)
    assert shown_speed(c3dvis.render(spec).clip) > 0.8
