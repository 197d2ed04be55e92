"""Real videos of packages: read at their rate, size and rotation; what I3D sees in them; its responses to them."""

import shutil
from pathlib import Path

import av
import numpy as np
import pytest

import c3dvis
from c3dvis.clips import Window, describe_clip, read_window
from c3dvis.clips.fitting import fit
from c3dvis.probe import Target
from c3dvis.probe.responses import feature_map, layer_means, probe_clip, responses
from tests.clips.real_clips import real_clip
from tests.clips.videos import turn

DESCRIBED = {
    "bikes.mp4": (25, 10, 272, 640),
    "carphone_pristine.mp4": (30000 / 1001, 4.004, 144, 193),
    "vtest.avi": (10, 79.5, 576, 768),
    "box.mp4": (29.966, 15.184, 480, 640),
    "cup.mp4": (26.777, 8.104, 480, 640),
}
"""Frames per second, seconds, height and width as ffprobe has them; carphone's pixels are 12/11 as wide as high."""


def nth_frames(path: Path, numbers: list[int], height: int, width: int) -> list[np.ndarray]:
    """Frames of a video by their number, (height, width, 3) uint8, decoded from its start without looking at times."""
    with av.open(str(path)) as file:
        found = {n: frame for n, frame in enumerate(file.decode(video=0)) if n in numbers}
    return [found[n].to_ndarray(format="rgb24", width=width, height=height) for n in numbers]


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_window_of_a_real_video_has_the_frames_of_its_times(name: str) -> None:
    """Also of box.mp4, whose frames have the times at which they are decoded, in another order than they are shown."""
    path, (rate, seconds, height, width) = real_clip(name), DESCRIBED[name]
    info = describe_clip(path)
    assert (info.kind, info.height, info.width) == ("video", height, width)
    assert (info.frames_per_second, info.seconds) == pytest.approx((rate, seconds), abs=2e-3)
    number = int(0.8 * seconds * rate)
    windows = [Window(0, 1, 5), Window(number / rate, 2, 4)]
    numbers = [0, 1, 2, 3, 4, number, number + 2, number + 4, number + 6]
    expected = [fit(frame, (96, 96)) for frame in nth_frames(path, numbers, height, width)]
    for window, frames in zip(windows, (expected[:5], expected[5:]), strict=True):
        found = read_window(path, window, (96, 96))
        assert found.seconds[0] == pytest.approx(window.start_seconds, abs=0.5 / rate)
        assert np.array_equal(found.clip, frames)
    assert np.diff(expected[5:], axis=0).any((1, 2, 3)).all(), "each is another frame"


def test_a_real_video_that_was_filmed_upright_is_shown_upright(tmp_path: Path) -> None:
    turned = tmp_path / "turned.mp4"
    shutil.copy(real_clip("bikes.mp4"), turned)
    turn(turned, 90)
    info = describe_clip(turned)
    assert (info.height, info.width) == (640, 272)
    assert "turned by" in info.notes[0]
    (frame,) = nth_frames(turned, [50], 272, 640)
    assert np.array_equal(read_window(turned, Window(2, 1, 1), (64, 64)).clip[0], fit(np.rot90(frame, -1), (64, 64)))


@pytest.fixture(scope="module")
def network(weights: Path):
    return c3dvis.load_network("i3d-kinetics400")


@pytest.mark.parametrize(
    ("name", "start", "expected"),
    [("cup.mp4", 0.0, "using remote controller (not gaming)"), ("box.mp4", 12.0, "wrapping present")],
)
def test_i3d_sees_what_hands_do(network, name: str, start: float, expected: str) -> None:
    """A hand holds a black thing before a wall; a hand turns a printed box on a table."""
    clip = read_window(real_clip(name), Window(start, 1, 24), (224, 224)).clip
    best = probe_clip(network, clip, top=1).classes[0]
    assert best.name == expected
    assert best.probability > 0.4


def test_responses_to_a_real_video_are_those_of_the_network(network) -> None:
    clip = read_window(real_clip("bikes.mp4"), Window(4, 1, 16), (112, 112)).clip
    found = responses(network, clip)
    for layer in ("Conv3d_1a_7x7", "Conv3d_2c_3x3", "Mixed_3c", "Mixed_4f", "Mixed_5c"):
        expected = network.respond(clip, layer)
        closeness = 1e-5 * float(np.abs(expected).max())
        assert np.allclose(found[layer], expected, rtol=1e-5, atol=closeness)
        strongest = int(expected.mean((0, 1, 2)).argmax())
        assert np.allclose(
            feature_map(network, Target(layer, strongest), clip), expected[..., strongest], rtol=1e-5, atol=closeness
        )
        assert np.allclose(found.means[layer], expected.mean((0, 1, 2)), rtol=1e-5, atol=closeness)
    assert np.allclose(layer_means(network, "Mixed_3c", clip), found.means["Mixed_3c"], rtol=1e-4, atol=1e-5)
