"""What a search does when: steps add up, small canvases fit their layers, heavy networks sketch longer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import c3dvis
from c3dvis.maximize.schedule import (
    MOST_RIVALRY,
    SKETCH_STEPS,
    Schedule,
    full_views,
    has_levelled,
    longest_wave,
    next_rivalry,
    settling_rates,
    sketch_views,
    work,
)
from c3dvis.networks.registry import describe

I3D, C3D = describe("i3d-kinetics400"), describe("c3d-sports1m")


def spec(**changes) -> c3dvis.RenderSpec:
    return c3dvis.RenderSpec(**changes)


@pytest.mark.parametrize(
    ("layer", "canvas"),
    [
        ("Conv3d_2c_3x3", (16, 32, 32)),
        ("Mixed_3c", (16, 32, 32)),
        ("Mixed_4d", (16, 64, 64)),
        ("Mixed_5b", (16, 64, 64)),
    ],
)
def test_the_small_canvas_fits_the_layer(layer, canvas):
    assert Schedule.of(spec(layer=layer), I3D).canvas == canvas


@pytest.mark.parametrize(
    "changes",
    [
        {"objective": "neuron"},
        {"parametrization": "pixel"},
        {"height": 64, "width": 64},  # the canvas would be as large
        {"iterations": 3},  # a quarter of three steps is none
    ],
)
def test_where_a_small_canvas_saves_nothing_or_shows_something_else_there_is_none(changes):
    schedule = Schedule.of(spec(**changes), I3D)
    assert schedule.canvas is None
    assert schedule.sketch == 0


@given(st.integers(0, 600), st.sampled_from([("i3d-kinetics400", "Mixed_3c"), ("c3d-sports1m", "conv5b")]))
def test_the_steps_add_up(iterations, target):
    network, layer = target
    schedule = Schedule.of(spec(network=network, layer=layer, iterations=iterations), describe(network))
    assert schedule.sketch + schedule.climb + schedule.settle == iterations
    assert min(schedule.sketch, schedule.climb, schedule.settle) >= 0


def test_a_heavy_network_takes_more_steps_on_the_small_canvas():
    light = Schedule.of(spec(layer="Mixed_4d"), I3D)
    heavy = Schedule.of(spec(network="c3d-sports1m", layer="conv5b"), C3D)
    assert heavy.sketch > 2 * light.sketch
    assert heavy.climb + heavy.settle >= 60
    # 27.7 million weights, each used at every position: 38.5 thousand million products (Tran et al. 2015)
    assert work(spec(network="c3d-sports1m", layer="conv5b"), C3D) == pytest.approx(38.5e9, rel=0.01)


def test_a_sketch_is_seen_as_it_is_and_only_a_long_one_by_chance():
    views = sketch_views(spec(), 60)
    assert not views[:SKETCH_STEPS].any()
    np.testing.assert_array_equal(views[SKETCH_STEPS:], full_views(spec(), 60)[SKETCH_STEPS:])
    assert views[SKETCH_STEPS:].any()


def test_the_rate_falls_to_nothing():
    rates = settling_rates(0.08, 40)
    assert rates[0] == pytest.approx(0.08)
    assert np.all(np.diff(rates) < 0)
    assert 0 < rates[-1] <= 0.08 / 40 + 1e-9


def test_a_search_has_levelled_when_two_looks_bring_less_than_a_hundredth():
    assert not has_levelled([1.0, 2.0])
    assert not has_levelled([1.0, 2.0, 2.01, 2.03])
    assert has_levelled([1.0, 2.0, 2.005, 2.01])
    assert has_levelled([3.0, 2.0, 2.0])


@pytest.mark.parametrize(("layer", "cost"), [("Mixed_3c", (32 / 112) ** 2), ("Mixed_4d", (64 / 112) ** 2)])
def test_a_step_on_the_small_canvas_costs_its_share_of_the_pixels(layer, cost):
    schedule = Schedule.of(spec(layer=layer), I3D)
    assert schedule.cost(10) == pytest.approx(10 * cost)
    assert schedule.cost(144) == pytest.approx(SKETCH_STEPS * cost + 144 - SKETCH_STEPS)
    assert Schedule.of(spec(parametrization="pixel"), I3D).cost(10) == 10


@pytest.mark.parametrize(
    ("layer", "wave"),
    [("Conv3d_1a_7x7", 12), ("Mixed_3c", 12), ("Mixed_4d/Branch_1/Conv3d_0b_3x3", 24), ("Mixed_5b", 48)],
)
def test_the_longest_wave_grows_with_the_layers_stride(layer, wave):
    assert longest_wave(spec(layer=layer), I3D) == wave


@given(st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=8), max_size=40))
def test_rivalry_weighs_more_while_a_rival_leads_and_as_before_once_none_does(steps):
    factor = 1.0
    for rivalry in steps:
        after = next_rivalry(factor, np.array(rivalry, np.float32))
        assert 1 <= after <= MOST_RIVALRY
        assert after >= factor if np.mean(np.float32(rivalry) > 0) > 0.5 else after <= factor
        factor = after
    for _ in range(10):
        factor = next_rivalry(factor, np.zeros(8, np.float32))
    assert factor == 1
    for _ in range(10):
        factor = next_rivalry(factor, np.ones(8, np.float32))
    assert factor == MOST_RIVALRY
