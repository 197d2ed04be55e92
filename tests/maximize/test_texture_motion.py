"""Texture and motion apart: known motion is found again, and a clip that a texture and a motion made is rebuilt."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c3dvis.errors import RenderFailed
from c3dvis.maximize.texture_motion import refinement
from c3dvis.maximize.texture_motion.reconstruction import reconstruct
from c3dvis.maximize.texture_motion.take_apart import grey_noise, likeness, packed, take_apart
from c3dvis.networks.compute.network import Network
from c3dvis.results import RenderResult
from c3dvis.results.texture_motion import LIKENESS, SHARES, TextureMotion
from c3dvis.spec import ALGORITHM_VERSION, RenderSpec
from tests.maximize.moving_patterns import SIZE, turning, waves
from tests.maximize.small_c3d import SIZE as SMALL_SIZE
from tests.maximize.small_c3d import small_c3d

VELOCITIES = [(0.0, 0.25), (0.5, 0.0), (1.0, -1.0), (-1.0, 2.0), (2.0, 2.0), (0.0, 3.0), (-3.0, 0.5)]


def found(clip: np.ndarray) -> TextureMotion:
    return packed(*reconstruct(clip))


def error(clip: np.ndarray, rebuilt: np.ndarray) -> float:
    """Root mean square difference, of 255."""
    return float(np.sqrt(np.square(clip.astype(float) - rebuilt).mean()))


@pytest.mark.parametrize("velocity", VELOCITIES)
def test_a_moving_plaid_gives_back_its_velocity(velocity: tuple[float, float]) -> None:
    clip = waves(velocity, (14, 0.3), (11, 1.9))
    apart = found(clip)
    within = 0.1 * np.hypot(*velocity)
    np.testing.assert_allclose(apart.velocity().mean((0, 1, 2)), velocity, atol=within)
    assert np.quantile(np.linalg.norm(apart.velocity() - velocity, axis=-1), 0.9) < within + 0.02
    assert error(clip, apart.rebuilt()) < 5


ACROSS = [
    (velocity, direction)
    for velocity in VELOCITIES
    for direction in (0.0, 0.7, 2.4)
    if abs(np.sin(direction) * velocity[0] + np.cos(direction) * velocity[1]) > 0.1
]
"""Velocities, and directions of gratings that do not move along their own bars, which nobody could see."""


@pytest.mark.parametrize(("velocity", "direction"), ACROSS)
def test_a_moving_grating_gives_back_its_velocity_across_the_bars(
    velocity: tuple[float, float], direction: float
) -> None:
    across = np.array([np.sin(direction), np.cos(direction)])
    speed = float(across @ velocity)
    measured = found(waves(velocity, (12, direction))).velocity() @ across
    assert measured.mean() == pytest.approx(speed, rel=0.1)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    speed=st.floats(0.3, 3), heading=st.floats(0, 6.28), lengths=st.tuples(st.floats(9, 24), st.floats(9, 24)),
    turn=st.floats(0, 3.1),
)  # fmt: skip
def test_any_plaid_within_a_third_of_its_wave_per_frame(
    speed: float, heading: float, lengths: tuple[float, float], turn: float
) -> None:
    velocity = speed * np.sin(heading), speed * np.cos(heading)
    clip = waves(velocity, (lengths[0], turn), (lengths[1], turn + 1.5))
    np.testing.assert_allclose(found(clip).velocity().mean((0, 1, 2)), velocity, atol=0.1 * speed)


@pytest.mark.parametrize(("turn", "growth"), [(0.03, 0.0), (0.0, 0.02), (-0.02, -0.015)])
def test_a_field_that_turns_and_grows_is_found(turn: float, growth: float) -> None:
    clip, velocity = turning(turn, growth)
    inner = (slice(2, -2), slice(12, -12), slice(12, -12))
    difference = (found(clip).velocity() - velocity)[inner]
    wanted = np.broadcast_to(velocity, (*SIZE, 2))[inner]
    assert np.sqrt(np.square(difference).mean() / np.square(wanted).mean()) < 0.1


def test_a_still_clip_has_no_motion_and_is_its_own_texture() -> None:
    clip = np.repeat(waves((1, 1), (14, 0.3), (11, 1.9))[:1], 8, axis=0)
    apart = found(clip)
    assert np.abs(apart.displacement).max() < 0.05
    assert error(clip, apart.still()) < 2


def test_one_frame_and_a_flat_clip_can_be_taken_apart() -> None:
    frame = waves((1, 1), (14, 0.3))[:1]
    assert error(frame, found(frame).rebuilt()) < 2
    assert not found(frame).velocity().any()
    flat = np.full((4, 20, 24, 3), 90, np.uint8)
    np.testing.assert_array_equal(found(flat).rebuilt(), flat)


def test_noise_and_cuts_give_finite_smooth_displacements() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 40, 56, 3), dtype=np.uint8)
    apart = found(noise)
    assert apart.margin <= 28
    assert np.abs(np.diff(apart.displacement.astype(float), axis=1)).max() < 4


def test_the_displacement_says_where_a_pixel_comes_from() -> None:
    texture = np.random.default_rng(1).integers(0, 256, (14, 16, 3), dtype=np.uint8)
    displacement = np.zeros((2, 10, 12, 2), np.float16)
    displacement[1] = (1, -2)
    apart = TextureMotion(texture, displacement)
    assert apart.margin == 2
    np.testing.assert_array_equal(apart.rebuilt()[0], texture[2:12, 2:14])
    np.testing.assert_array_equal(apart.rebuilt()[1], texture[3:13, 0:12])
    np.testing.assert_array_equal(apart.still()[1], texture[2:12, 2:14])
    np.testing.assert_allclose(apart.velocity()[0, 0, 0], (-1, 2))


def test_arrays_that_do_not_fit_together_are_refused() -> None:
    texture, displacement = np.zeros((12, 12, 3), np.uint8), np.zeros((2, 8, 8, 2), np.float16)
    for wrong in (texture[:, :10], texture[:11, :11], texture[:6, :6], texture.astype(float), texture[..., :1]):
        with pytest.raises(ValueError, match="Received"):
            TextureMotion(wrong, displacement)
    for wrong in (displacement[0], displacement.astype(np.float32), np.full_like(displacement, np.nan)):
        with pytest.raises(ValueError, match="Received"):
            TextureMotion(texture, wrong)


def test_splines_add_up_to_one_everywhere() -> None:
    for length in (1, 2, 8, 9, 16, 17, 112):
        np.testing.assert_allclose(refinement._splines(length, 8).sum(axis=1), 1, atol=1e-6)


def test_grey_noise_has_the_textures_mean_and_contrast() -> None:
    texture = waves((0, 0), (14, 0.3))[0] // 2 + 30
    noise = grey_noise(texture, 0)
    assert (noise == noise[..., :1]).all()
    assert (noise.mean(), noise.std()) == pytest.approx((texture.mean(), texture.std()), abs=2)
    assert not np.array_equal(noise, grey_noise(texture, 1))


def test_likeness_is_the_explained_variance() -> None:
    clip = waves((1, 1), (14, 0.3))
    assert likeness(clip, clip) == 1
    assert likeness(clip, np.full_like(clip, round(clip.mean()))) == pytest.approx(0, abs=1e-3)
    assert likeness(np.full_like(clip, 9), clip) is None


def small_result(clip: np.ndarray, **changes: object) -> RenderResult:
    frames, height, width = SMALL_SIZE
    spec = RenderSpec(layer="conv3b", filter=2, frames=frames, height=height, width=width, precision="float32")
    return RenderResult(spec.replace(**changes), clip, {"motion": 2.0}, [], "0" * 64, ALGORITHM_VERSION, {})


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    small = small_c3d()
    monkeypatch.setattr("c3dvis.maximize.texture_motion.take_apart.load_network", lambda _: small)
    return small


@pytest.mark.parametrize("changes", [{}, {"objective": "layer"}, {"objective": "neuron", "position": (1, 2, 3)}])
def test_the_rebuilt_clip_keeps_the_response_and_near_the_motion(network: Network, changes: dict) -> None:
    velocity = (1.0, -0.5)
    result = small_result(waves(velocity, (9, 0.3), (11, 1.9), size=SMALL_SIZE), **changes)
    steps = []
    apart = take_apart(result, lambda progress: steps.append((progress.step, progress.steps)))
    assert steps == [(step, refinement.STEPS) for step in range(refinement.STEPS + 1)]
    assert apart.texture_motion
    assert {*SHARES, LIKENESS, "motion"} == set(apart.metrics)
    assert (apart.metrics[LIKENESS] or 0) > 0.9
    share = apart.metrics["rebuilt_share"]
    assert share
    assert share > 0.9
    assert share < 1.2 or changes  # a single neuron that responds little to this clip may come to respond more
    np.testing.assert_allclose(apart.texture_motion.velocity().mean((0, 1, 2)), velocity, atol=0.12)
    assert dataclasses.replace(apart, texture_motion=None, metrics=result.metrics).to_bytes() == result.to_bytes()


def test_taking_apart_again_gives_the_same_bytes(network: Network) -> None:
    result = small_result(waves((1, 1), (9, 0.3), (11, 1.9), size=SMALL_SIZE))
    assert take_apart(result).to_bytes() == take_apart(result).to_bytes()


def test_a_clip_without_a_response_is_refused(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("c3dvis.maximize.quality.Quality.shown_activation", lambda *_: 0.0)
    with pytest.raises(RenderFailed, match="no response"):
        take_apart(small_result(waves((1, 1), (9, 0.3), size=SMALL_SIZE)))
