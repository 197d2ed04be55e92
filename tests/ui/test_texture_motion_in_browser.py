"""The view *Texture and motion* in a real Chromium: its pixels, its controls, its files, on any screen."""

import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, expect

from c3dvis.results import RenderResult, ResultStore
from c3dvis.results.texture_motion import TextureMotion
from c3dvis.spec import RenderSpec
from c3dvis.spec.text import query_text
from tests.processes import PATIENCE_MS
from tests.ui.conftest import Server, made_result
from tests.visit import DESKTOP, READ_CANVAS, Visit, visiting

STORED = RenderSpec(layer="Mixed_3c", filter=12)
SMALL = RenderSpec(layer="Conv3d_2b_1x1", filter=3, frames=8, height=32, width=48)
SHARES = {"rebuilt_share": 0.97, "texture_share": 0.12, "motion_share": 0.03}


@pytest.fixture(scope="module")
def stored() -> RenderResult:
    """A result whose content moves two pixels to the right with each frame."""
    result = made_result(STORED, **SHARES)
    texture = np.random.default_rng(0).integers(0, 256, (176, 176, 3), dtype=np.uint8)
    displacement = np.zeros((*STORED.size, 2), np.float16)
    displacement[..., 1] = -2 * (np.arange(16)[:, None, None] - 8)
    return dataclasses.replace(result, texture_motion=TextureMotion(texture, displacement))


@pytest.fixture(scope="module")
def server(working: Server, stored: RenderResult) -> Server:
    with ResultStore(working.cache) as store:
        for result in (stored, made_result(SMALL)):
            store.put(result)
    return working


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Visit]:
    with visiting(browser, server.url, viewport=DESKTOP, accept_downloads=True) as visitor:
        yield visitor


def open_view(visit: Visit, spec: RenderSpec = STORED) -> Locator:
    visit.open(query_text(spec))
    visit.page.get_by_text("Texture and motion", exact=True).click()
    return visit.page.locator(".apart")


def pixels(view: Locator, name: str) -> np.ndarray:
    canvas = view.locator(f".{name} .frame canvas").evaluate(READ_CANVAS)
    return np.array(canvas["data"], np.uint8).reshape(canvas["height"], canvas["width"], 4)[..., :3]


def test_texture_motion_and_rebuilt_clip_play_in_step(visit: Visit, stored: RenderResult) -> None:
    apart = stored.texture_motion
    assert apart
    view = open_view(visit)
    expect(view).to_have_attribute("data-playing", "true")
    frame = view.get_attribute("data-frame") or ""
    expect(view).not_to_have_attribute("data-frame", frame)
    visit.press("Pause")
    expect(view).to_have_attribute("data-playing", "false")
    np.testing.assert_array_equal(pixels(view, "texture"), apart.texture)
    rebuilt = apart.rebuilt()
    for frame in (0, 11, 15):
        view.locator("input").fill(str(frame + 1))
        expect(view).to_have_attribute("data-frame", str(frame))
        np.testing.assert_array_equal(pixels(view, "rebuilt"), rebuilt[frame])
    red, green, blue = np.median(pixels(view, "motion").reshape(-1, 3), axis=0)
    assert red > 200 > 100 > max(green, blue)  # the colour of motion to the right
    for text in ("12 %", "3 %", "97 %", "2.0 px per frame"):
        expect(view).to_contain_text(text)
    assert visit.errors == []


def test_the_view_goes_back_to_the_picture(visit: Visit, stored: RenderResult) -> None:
    open_view(visit)
    visit.page.get_by_text("Clip", exact=True).click()
    expect(visit.player).to_be_visible()
    assert visit.data("clip") == stored.key


def test_the_displacement_can_be_saved(visit: Visit, stored: RenderResult) -> None:
    assert stored.texture_motion
    expect(open_view(visit)).to_be_visible()
    idle = visit.page.locator("[data-test-script-state=notRunning]")
    expect(idle).to_be_attached()  # until then, the buttons are those of the run before, and their files are gone
    with visit.page.expect_download() as download:
        visit.page.get_by_role("button", name="Displacement", exact=True).click()
    assert download.value.suggested_filename.endswith("_displacement.npy")
    found = np.load(io.BytesIO(Path(download.value.path()).read_bytes()))
    np.testing.assert_array_equal(found, stored.texture_motion.displacement)


def test_a_press_takes_a_picture_apart(visit: Visit) -> None:
    open_view(visit, SMALL)
    visit.press("Take apart")
    expect(visit.page.locator(".apart")).to_be_visible(timeout=PATIENCE_MS)
    expect(visit.page.get_by_role("button", name="Texture", exact=True)).to_be_visible()
    assert visit.errors == []


@pytest.mark.parametrize("width", [375, 1400, 2560])
def test_it_fits_every_screen(browser: Browser, server: Server, width: int) -> None:
    with visiting(browser, server.url, viewport={"width": width, "height": 900}, reduced_motion="reduce") as visit:
        view = open_view(visit)
        expect(view).to_have_attribute("data-playing", "false")
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        for name in ("texture", "motion", "rebuilt"):
            box = view.locator(f".{name} .frame canvas").bounding_box()
            assert box
            assert box["width"] >= 150
            assert box["x"] + box["width"] <= width
