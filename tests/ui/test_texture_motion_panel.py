"""The view *Texture and motion* under AppTest: the offer, the parts once they are stored, and their downloads."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from c3dvis.results import RenderResult
from c3dvis.results.texture_motion import TextureMotion
from c3dvis.spec import RenderSpec
from c3dvis.ui.components.texture_motion import MAGIC, STEP, texture_motion_message
from c3dvis.ui.explore.texture_motion_panel import TEXTURE_AND_MOTION
from c3dvis.ui.shared.server_resources import server_resources

OpenPage = Callable[..., AppTest]
Stored = Callable[..., RenderResult]


def components(page: AppTest) -> set[str]:
    return {element.proto.component_name for element in page.get("bidi_component")}


def choose(page: AppTest, view: str) -> AppTest:
    return page.segmented_control(key="view").set_value(view).run()


def drifting(frames: int = 4, height: int = 24, width: int = 32) -> TextureMotion:
    """Noise that moves half a pixel down and one and a half to the right with each frame."""
    texture = np.random.default_rng(0).integers(0, 256, (height + 16, width + 16, 3), dtype=np.uint8)
    displacement = np.zeros((frames, height, width, 2), np.float16)
    displacement += -np.arange(frames, dtype=np.float16)[:, None, None, None] * np.array([0.5, 1.5], np.float16)
    return TextureMotion(texture, displacement)


def test_the_message_has_texture_clip_and_velocity() -> None:
    apart = drifting()
    message = texture_motion_message(apart, key="k", label="é", sentences={"texture_share": ("12 %", "of it")})
    assert message.startswith(MAGIC)
    length = int.from_bytes(message[4:8], "little")
    header, payload = json.loads(message[8 : 8 + length]), message[8 + length :]
    assert (header["shape"], header["texture"]) == ([4, 24, 32], [40, 48])
    assert header["velocity"] == [24 // STEP, 32 // STEP]
    assert header["speed"] == pytest.approx(np.hypot(0.5, 1.5), rel=0.01)
    texture, rebuilt = apart.texture.tobytes(), apart.rebuilt().tobytes()
    assert payload.startswith(texture + rebuilt)
    velocity = np.frombuffer(payload[len(texture) + len(rebuilt) :], np.int8).reshape(4, 6, 8, 2)
    np.testing.assert_allclose(velocity[1, 2, 3] / 127 * header["speed"], (0.5, 1.5), atol=0.02)


def test_a_still_clip_has_no_colours() -> None:
    still = TextureMotion(np.zeros((24, 24, 3), np.uint8), np.zeros((2, 24, 24, 2), np.float16))
    message = texture_motion_message(still, key="k", label="", sentences={})
    assert json.loads(message[8 : 8 + int.from_bytes(message[4:8], "little")])["speed"] == pytest.approx(0.1)


def test_a_picture_can_be_taken_apart_and_the_parts_shown_and_saved(open_page: OpenPage, stored: Stored) -> None:
    spec = RenderSpec(layer="Conv3d_2b_1x1", filter=9, seed=4, frames=8, height=32, width=48)
    stored(spec)
    address = {"layer": "Conv3d_2b_1x1", "filter": "9", "seed": "4", "frames": "8", "height": "32", "width": "48"}
    page = open_page(**address)
    assert "c3dvis.player" in components(page)
    choose(page, TEXTURE_AND_MOTION)
    assert "c3dvis.player" not in components(page)
    assert any("one still texture" in markdown.value for markdown in page.markdown)
    assert not any(button.proto.label == "Texture" for button in page.get("download_button"))
    page.button(key="take apart").click().run()
    job = server_resources().texture_motion_job(spec)
    assert job
    assert job.wait(300), job.snapshot()
    page.run()
    assert not page.exception
    assert "c3dvis.texture_motion" in components(page)
    assert {"Texture", "Rebuilt", "Displacement"} <= {button.proto.label for button in page.get("download_button")}
    result = server_resources().result(spec)
    assert result
    assert result.texture_motion


def test_a_dead_filter_has_nothing_to_take_apart(open_page: OpenPage, stored: Stored) -> None:
    stored(RenderSpec(layer="Mixed_3b", filter=6, seed=3), dead=True)
    page = open_page(layer="Mixed_3b", filter="6", seed="3")
    assert all(control.key != "view" for control in page.segmented_control)


def test_a_failure_is_told_with_the_button_to_try_again(
    open_page: OpenPage, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(RenderSpec(layer="Mixed_3b", filter=7, seed=3))
    monkeypatch.setattr(server_resources(), "take_apart", lambda _: "The queue is closed.")
    page = choose(open_page(layer="Mixed_3b", filter="7", seed="3"), TEXTURE_AND_MOTION)
    page.button(key="take apart").click().run()
    assert any("The queue is closed." in error.value for error in page.error)
    assert page.button(key="take apart")
