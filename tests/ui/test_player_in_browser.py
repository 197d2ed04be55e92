"""The volume player in a real Chromium: enlargement, full screen, size, touch, what screen readers are told."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from bench.stand_in import Cluster
from c3dvis.spec import RenderSpec
from c3dvis.spec.text import query_text
from tests.ui.conftest import Server, dashboard, made_result
from tests.visit import DESKTOP, Visit, visiting

STORED = RenderSpec(layer="Mixed_3c", filter=12)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("player")
    with dashboard(folder, weights, [made_result(STORED)], workers=Cluster(1)) as running:
        yield running


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Visit]:
    with visiting(browser, server.url, viewport=DESKTOP) as visitor:
        yield visitor


def rendering(page: Page) -> str:
    return page.locator(".player .xy canvas").evaluate("(canvas) => getComputedStyle(canvas).imageRendering")


def width_of(page: Page, selector: str) -> float:
    box = page.locator(selector).bounding_box()
    assert box
    return box["width"]


def bottom_of(page: Page, selector: str) -> float:
    box = page.locator(selector).bounding_box()
    assert box
    return box["y"] + box["height"]


def test_the_picture_is_enlarged_smoothly_and_exactly_on_request(visit: Visit) -> None:
    visit.open(query_text(STORED))
    assert rendering(visit.page) == "auto"
    visit.press("Exact pixels")
    assert rendering(visit.page) == "pixelated"
    assert width_of(visit.page, ".player .xy canvas") % 112 == 0
    visit.press("Exact pixels")
    assert rendering(visit.page) == "auto"


def test_the_slices_can_be_put_away(visit: Visit) -> None:
    visit.open(query_text(STORED))
    expect(visit.page.locator(".player .xt")).to_be_visible()
    visit.press("Show slices")
    expect(visit.page.locator(".player .xt")).to_be_hidden()
    expect(visit.page.locator(".player .yt")).to_be_hidden()


def test_full_screen_fills_the_screen_and_ends(visit: Visit) -> None:
    visit.open(query_text(STORED))
    before = width_of(visit.page, ".player .xy canvas")
    visit.press("Full screen")
    visit.page.wait_for_function("() => document.fullscreenElement !== null")
    visit.page.wait_for_function(
        """(before) => [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')].some((host) => {
          const canvas = host.shadowRoot.querySelector('.player .xy canvas');
          return canvas && canvas.getBoundingClientRect().width > 1.2 * before;
        })""",
        arg=before,
    )
    assert bottom_of(visit.page, ".player .controls") <= DESKTOP["height"]
    visit.player.press("f")
    visit.page.wait_for_function("() => document.fullscreenElement === null")


@pytest.mark.parametrize(
    ("width", "height", "least"), [(375, 812, 290), (1280, 720, 300), (1400, 900, 380), (2560, 1440, 850)]
)
def test_the_volume_fills_the_room_it_has(
    browser: Browser, server: Server, width: int, height: int, least: int
) -> None:
    with visiting(browser, server.url, viewport={"width": width, "height": height}) as visit:
        visit.open(query_text(STORED))
        assert width_of(visit.page, ".player .xy canvas") >= least
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        assert width == 375 or bottom_of(visit.page, ".player .controls") <= height


def test_a_note_above_the_player_leaves_room_for_its_controls(browser: Browser, server: Server) -> None:
    with visiting(browser, server.url, viewport={"width": 1400, "height": 900}) as visit:
        visit.open(query_text(STORED))
        seed = visit.page.get_by_role("spinbutton", name="Seed")
        seed.fill("77")
        seed.press("Enter")
        expect(visit.page.get_by_text("The controls differ from this picture")).to_be_visible()
        assert bottom_of(visit.page, ".player .controls") <= 900


def test_an_embedded_player_fills_its_window(browser: Browser, server: Server) -> None:
    with visiting(browser, server.url, viewport={"width": 1400, "height": 900}) as visit:
        visit.open(query_text(STORED) + "&embed=true")
        assert width_of(visit.page, ".player .xy canvas") >= 600
        assert bottom_of(visit.page, ".player .controls") <= 900


def test_playing_tells_a_screen_reader_nothing_and_a_step_does(visit: Visit) -> None:
    player = visit.open(query_text(STORED))
    live = player.locator("output, [role=status], [role=alert], [role=log], [role=timer], [aria-live]")
    assert live.all_inner_texts() == [""]
    frame = visit.data("frame")
    expect(player).not_to_have_attribute("data-frame", frame)
    assert live.all_inner_texts() == [""]
    visit.press("Step forward")
    expect(live).to_have_text(f"Frame {int(visit.data('frame')) + 1} of 16")


def frames_said(visit: Visit) -> dict[str, int]:
    """The frame that each part of the player shows or says, counted from 1."""
    player = visit.player

    def cross_hair(view: str, axis: str) -> int:
        share = player.locator(f".{view}").evaluate(f"(view) => parseFloat(view.style.getPropertyValue('--{axis}'))")
        return round(share / 100 * STORED.frames + 0.5)

    shown = visit.canvas_pixels()
    (frame,) = [number for number, each in enumerate(made_result(STORED).clip, 1) if np.array_equal(each, shown)]
    return {
        "picture": frame,
        "counter": int(player.locator(".count").inner_text().split("/")[0]),
        "slider": int(player.get_by_role("slider", name="Frame").input_value()),
        "x–t": cross_hair("xt", "y"),
        "y–t": cross_hair("yt", "x"),
        "spoken": int(player.get_by_role("status").inner_text().split()[1]),
    }


def test_counter_slider_cross_hair_and_what_is_said_agree_on_the_frame(visit: Visit) -> None:
    player = visit.open(query_text(STORED))
    slider = player.get_by_role("slider", name="Frame")
    for key, frame in (("End", 16), (".", 1), ("ArrowRight", 2), (",", 1), ("ArrowLeft", 16)):
        player.press(key)
        assert set(frames_said(visit).values()) == {frame}, (key, frames_said(visit))
    slider.fill("5")
    assert set(frames_said(visit).values()) == {5}
    for view, along in (("xt", "height"), ("yt", "width")):
        box = player.locator(f".{view} canvas").bounding_box()
        assert box
        for frame in (1, 9, 16):
            at = box[along] * (frame - 0.5) / STORED.frames
            across, down = (box["width"] / 2, at) if view == "xt" else (at, box["height"] / 2)
            visit.page.mouse.click(box["x"] + across, box["y"] + down)
            assert set(frames_said(visit).values()) == {frame}, (view, frames_said(visit))


def swipe_up(page: Page, x: float, y: float, distance: int) -> None:
    """A finger on (x, y) that moves up, and leaves the screen."""
    session = page.context.new_cdp_session(page)
    for moved in range(0, distance + 1, 10):
        point = {"type": "touchMove" if moved else "touchStart", "touchPoints": [{"x": x, "y": y - moved}]}
        session.send("Input.dispatchTouchEvent", point)
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_finger_scrolls_the_page_and_a_tap_moves_the_cross_hair(browser: Browser, server: Server) -> None:
    with visiting(browser, server.url, viewport={"width": 375, "height": 700}, has_touch=True, is_mobile=True) as visit:
        visit.open(query_text(STORED))
        view = visit.page.locator(".player .xy")
        view.scroll_into_view_if_needed()
        expect(view.locator("figcaption")).to_have_css("opacity", "1")  # nothing has to hover
        before = view.evaluate("(view) => view.style.getPropertyValue('--x')")
        box = view.bounding_box()
        assert box
        main = visit.page.get_by_test_id("stMain")
        scrolled = main.evaluate("(main) => main.scrollTop")
        swipe_up(visit.page, box["x"] + 40, box["y"] + box["height"] - 30, 150)
        visit.page.wait_for_function(
            "(before) => document.querySelector('[data-testid=stMain]').scrollTop > before + 100", arg=scrolled
        )
        assert view.evaluate("(view) => view.style.getPropertyValue('--x')") == before
        box = view.bounding_box()
        assert box
        visit.page.touchscreen.tap(box["x"] + 40, box["y"] + box["height"] - 30)
        visit.page.wait_for_function(
            """(before) => [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')].some((host) => {
              const view = host.shadowRoot.querySelector('.player .xy');
              return view && view.style.getPropertyValue('--x') !== before;
            })""",
            arg=before,
        )


def test_on_a_phone_the_drawer_closes_after_render_and_after_the_choice_of_a_page(
    browser: Browser, server: Server
) -> None:
    with visiting(browser, server.url, viewport={"width": 375, "height": 812}, is_mobile=True) as visit:
        visit.open(query_text(STORED))
        sidebar = visit.page.get_by_test_id("stSidebar")
        for pressed in (
            visit.page.locator(".st-key-render button"),
            sidebar.get_by_role("link", name="Status"),
        ):
            expect(sidebar).to_have_attribute("data-collapsed", "true")
            visit.page.get_by_test_id("stExpandSidebarButton").click()
            expect(sidebar).to_have_attribute("data-collapsed", "false")
            pressed.click()
        expect(visit.page.get_by_role("heading", name="Workers")).to_be_visible()
