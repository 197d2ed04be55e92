"""What the page says: measures, progress, the layer strip, the player's message."""

import json
import struct

import numpy as np
import pytest

from c3dvis.networks import registry
from c3dvis.queue import JobSnapshot
from c3dvis.results.interpretation import Interpretation, interpret
from c3dvis.ui.components.layer_strip import stages
from c3dvis.ui.components.player import MAGIC, frame_message
from c3dvis.ui.shared import render_progress


def read(**metrics: float | int | bool | None) -> dict[str, Interpretation]:
    return {reading.name: reading for reading in interpret(metrics, filters=512)}


def test_a_good_picture_is_called_good() -> None:
    said = read(gain=20.0, selectivity=1, robustness=0.95, coherence=0.9, repetition=0.05)
    assert {reading.tone for reading in said.values()} == {"good"}
    assert said["gain"].value == "×20.0"
    assert said["selectivity"].value == "1 of 512"
    assert said["robustness"].value == "95 %"


def test_a_picture_that_lives_on_noise_is_called_poor() -> None:
    said = read(gain=1.0, selectivity=300, robustness=0.2, coherence=0.05, repetition=0.9)
    assert {reading.tone for reading in said.values()} == {"poor"}
    assert "299 other filters" in said["selectivity"].sentence


def test_one_filter_ahead_is_said_in_the_singular() -> None:
    assert read(selectivity=2)["selectivity"].sentence.startswith("One other filter of the layer is")


def test_undefined_measures_are_left_out_but_silence_to_noise_is_said() -> None:
    assert read(gain=None, noise_activation=0.3) == {}
    assert read(gain=None, noise_activation=0)["gain"].value == "∞"


@pytest.mark.parametrize(("motion", "word"), [(1.8, "needs the movement"), (1.0, "adds little"), (0.5, "stillness")])
def test_motion_is_told_from_stillness(motion: float, word: str) -> None:
    assert word in read(motion=motion)["motion"].sentence


def snapshot(**changes: object) -> JobSnapshot:
    values: dict[str, object] = {
        "state": "running", "position": None, "step": 0, "steps": 0, "seconds": 1.0,
        "seconds_left": None, "objective": None, "shown_activation": None, "curve": [], "preview": None,
        "error": None, "warning": None,
        "attempt": 1, "batch_size": 1,
    }  # fmt: skip
    return JobSnapshot(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "worker", "expected"),
    [
        ({"state": "queued", "position": 1}, "warming", "The worker is warming up; your render is next."),
        ({"state": "queued", "position": 3}, "warming", "The worker is warming up; 3rd in the queue."),
        ({"state": "queued", "position": None}, "ready", "Starting."),
        ({"state": "queued", "position": 1}, "ready", "Next in the queue."),
        ({"state": "queued", "position": 3}, "ready", "3rd in the queue."),
        ({"state": "queued", "position": 12}, "ready", "12th in the queue."),
        ({"step": 16, "steps": 64, "seconds_left": 12.2}, "ready", "Step 16 of 64, about 12 s left."),
        ({"step": 64, "steps": 64, "seconds_left": 0.0}, "ready", "Measuring the result."),
        ({"step": 1, "steps": 640, "seconds_left": 200.0}, "ready", "Step 1 of 640, about 3 min left."),
    ],
)
def test_one_line_says_where_a_job_stands(changes: dict[str, object], worker: str, expected: str) -> None:
    assert render_progress.headline(snapshot(**changes), worker) == expected


@pytest.mark.parametrize("name", registry.NAMES)
def test_the_strip_reaches_every_layer_once(name: str) -> None:
    info = registry.describe(name)
    drawn = stages(info, info.default_size)
    inside = [layer["name"] for stage in drawn for branch in stage["inside"] for layer in branch["layers"]]
    assert sorted([*inside, *(stage["layer"] for stage in drawn)]) == sorted(info.layers)


def test_the_strip_shrinks_with_the_feature_maps() -> None:
    drawn = {stage["layer"]: stage for stage in stages(registry.describe("c3d-sports1m"), (16, 112, 112))}
    assert drawn["conv1"]["tall"] > drawn["conv3a"]["tall"] > drawn["conv5b"]["tall"]
    assert (drawn["conv3a"]["label"], drawn["fc6"]["label"]) == ("3a", "fc6")
    assert drawn["conv3a"]["shape"] == "8 × 28 × 28, 256 filters"


def unpack(message: bytes) -> tuple[dict[str, object], bytes]:
    length = struct.unpack_from("<I", message, 4)[0]
    return json.loads(message[8 : 8 + length]), message[8 + length :]


def test_a_clip_travels_as_its_own_bytes() -> None:
    clip = np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3)
    message = frame_message(clip[:, ::-1], clip_key="k", label="é", shape=(4, 8, 12), live=True)
    header, pixels = unpack(message)
    assert message.startswith(MAGIC)
    assert (header["shape"], header["display"], header["label"]) == ([2, 4, 6], [4, 8, 12], "é")
    assert pixels == clip[:, ::-1].tobytes()


def test_an_empty_player_says_why() -> None:
    header, pixels = unpack(frame_message(None, clip_key="e", label="x", shape=(16, 112, 112), note="soon"))
    assert (header["note"], header["shape"], pixels) == ("soon", [16, 112, 112], b"")


@pytest.mark.parametrize("clip", [np.zeros((2, 4, 4), np.uint8), np.zeros((2, 4, 4, 3), np.float32), None])
def test_what_is_no_clip_is_refused(clip: np.ndarray | None) -> None:
    with pytest.raises(ValueError, match="received"):
        frame_message(clip, clip_key="k", label="x")
