"""Gallery and Compare in a real Chromium: playing, opening a filter, background renders, pins, sweeps."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from bench.stand_in import Cluster
from c3dvis.spec import RenderSpec
from c3dvis.spec.text import query_text
from tests.ui.conftest import Server, dashboard, made_result
from tests.visit import DESKTOP, READ_CANVAS, visiting

LAYER = "Mixed_3c"


@pytest.fixture(scope="module")
def hold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """While a test keeps this file, only the filters in it are rendered to their end."""
    return tmp_path_factory.mktemp("hold") / "hold"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, weights: Path, hold: Path) -> Iterator[Server]:
    """A dashboard with 48 filters of a layer stored, whose renders are stand-ins."""
    folder = tmp_path_factory.mktemp("walls")
    with dashboard(
        folder,
        weights,
        [made_result(RenderSpec(layer=LAYER, filter=number), twin_gain=float(number)) for number in range(48)],
        workers=Cluster(1, seconds=0.1, hold=hold),
    ) as running:
        yield running


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    with visiting(browser, server.url, viewport=DESKTOP) as visit:
        yield visit.page


def test_a_stored_page_plays_and_a_press_opens_the_filter(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/gallery?layer={LAYER}")
    wall = page.locator(".wall[data-drawn='24']")
    expect(wall).to_be_visible()
    frame = wall.get_attribute("data-frame") or ""
    expect(wall).not_to_have_attribute("data-frame", frame)
    page.get_by_role("button", name="Play or pause all").click()
    expect(wall).to_have_attribute("data-playing", "false")
    wall.get_by_role("link", name="Filter 7,").click()
    expect(page.locator(".player[data-frame]")).to_be_visible()
    expect(page.get_by_role("heading", name=f"{LAYER} · filter 7")).to_be_visible()
    expect(page).to_have_url(f"{server.url}/?layer={LAYER}&filter=7")


def test_another_stored_page_shows_sooner_than_the_first_one(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/gallery?layer={LAYER}")
    expect(page.locator(".wall[data-drawn='24']")).to_be_visible()
    page.evaluate("""() => {
      window.first = performance.now();
      window.taken = [];
      const root = () => [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')]
        .map((host) => host.shadowRoot?.querySelector('.wall')).find(Boolean);
      window.order = () => [...root().querySelectorAll('a')].map((a) => a.dataset.name).join();
      window.drawn = () => root().dataset.drawn === '24';
    }""")
    for name, first in (("Next ›", "24"), ("‹ Previous", "0"), ("Next ›", "24")):
        button = page.get_by_role("button", name=name)
        expect(button).to_be_enabled()
        button.evaluate("(button) => { window.began = performance.now(); button.click(); }")
        page.wait_for_function("(first) => order().startsWith(first + ',') && drawn()", arg=first)
        page.evaluate("() => { taken.push(performance.now() - began); }")
    assert min(page.evaluate("taken")) < page.evaluate("first")


def test_renders_run_in_the_background_and_stop(page: Page, server: Server, hold: Path) -> None:
    hold.write_text("48,49,50")  # the fourth filter of the page is under way until it is stopped
    page.goto(f"{server.url}/gallery?layer={LAYER}&page=3")
    expect(page.locator(".wall[data-cells='24']")).to_be_visible()
    page.get_by_role("button", name="Render this page (24)").click()
    expect(page.locator(".wall li.is-running")).to_have_count(1)
    expect(page.get_by_text("under way, about")).to_be_visible()
    page.reload()  # the renders belong to nobody's tab
    expect(page.locator(".wall li.is-stored").nth(1)).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    hold.unlink()
    expect(page.locator(".wall li.is-queued")).to_have_count(0)
    stored = page.locator(".wall li.is-stored").count()
    assert 2 <= stored < 24
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Contact sheet").click()
    assert waiting.value.suggested_filename == f"{LAYER}-page-3.png"


def test_pinned_filters_play_in_step_and_a_sweep_renders(page: Page, server: Server) -> None:
    for number in (3, 4):
        page.goto(f"{server.url}/?{query_text(RenderSpec(layer=LAYER, filter=number))}")
        expect(page.get_by_role("button", name="Pin to compare")).to_be_visible()
    page.goto(f"{server.url}/compare?pin=layer%3D{LAYER}%26filter%3D3&pin=layer%3D{LAYER}%26filter%3D4")
    wall = page.locator(".wall[data-drawn='2']")
    expect(wall).to_be_visible()
    page.get_by_role("slider", name="Frame of all").fill("10")
    expect(wall).to_have_attribute("data-frame", "9")
    expect(wall.locator(".count")).to_have_text("10 / 16")
    expect(page.get_by_text("differs from 1 in filter 3 → 4")).to_be_visible()
    clip = made_result(RenderSpec(layer=LAYER, filter=3)).clip
    for name, part in (("Row of the x–t slices", "xt"), ("Column of the y–t slices", "yt")):
        page.get_by_role("slider", name=name).fill("20")
        slices = wall.locator(f".slices .{part}")
        expect(slices).to_have_count(2)
        image = slices.first.evaluate(READ_CANVAS)
        shown = np.array(image["data"], np.uint8).reshape(image["height"], image["width"], 4)[..., :3]
        expected = clip[:, 22] if part == "xt" else clip[:, :, 22].transpose(1, 0, 2)
        np.testing.assert_array_equal(shown, expected)
    page.goto(f"{server.url}/?layer={LAYER}&filter=3")
    page.get_by_role("link", name="Other seeds").click()
    expect(page.locator(".wall[data-cells='5']")).to_be_visible()
    page.get_by_role("button", name="Render what is missing (4)").click()
    expect(page.locator(".wall[data-drawn='5'] li.is-stored")).to_have_count(5)
    assert page.url.split("/compare?")[1] == f"sweep=seed&values=0%2C1%2C2%2C3%2C4&of=layer%3D{LAYER}%26filter%3D3"


def test_a_pin_is_there_when_compare_is_opened(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/?layer={LAYER}&filter=5")
    page.get_by_role("button", name="Pin to compare").click()
    expect(page.get_by_role("link", name="See the pinned (1)")).to_be_visible()
    page.get_by_role("link", name="Compare").click()
    expect(page.locator(".wall[data-drawn='1']")).to_be_visible()
    page.get_by_role("link", name="Gallery").click()
    expect(page.locator(".wall[data-cells='24']")).to_be_visible()
    page.get_by_role("link", name="Explore").click()
    expect(page.get_by_role("heading", name=f"{LAYER} · filter 5")).to_be_visible()
