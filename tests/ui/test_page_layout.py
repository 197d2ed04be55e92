"""The layout of the pages in a real Chromium, on a small laptop and on a phone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from bench.stand_in import Cluster
from c3dvis.spec import RenderSpec
from tests.processes import PATIENCE_MS
from tests.ui.conftest import Server, dashboard, made_result

SEEDS = [RenderSpec(layer="Mixed_3c", filter=3, seed=seed) for seed in range(6)]
SWEEP = "compare?of=layer%3DMixed_3c%26filter%3D3&sweep=seed&values=0,1,2,3,4,5"
ALL = {
    "": ".player[data-frame]", "gallery?layer=Mixed_3c": ".wall[data-cells='24']", SWEEP: ".wall[data-drawn='6']",
    "probe?size=small&layer=Mixed_3c": ".wall[data-drawn='6']", "network": "td", "status": "td", "method": "td",
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("layout")
    with dashboard(folder, weights, [made_result(spec) for spec in SEEDS], workers=Cluster(1)) as running:
        yield running


@pytest.mark.parametrize("path", ALL)
def test_no_page_and_no_table_is_wider_than_a_phone(browser: Browser, server: Server, path: str) -> None:
    with browser.new_context(viewport={"width": 375, "height": 812}, is_mobile=True) as context:
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.goto(f"{server.url}/{path}")
        expect(page.locator(ALL[path]).first).to_be_attached()
        main = page.get_by_test_id("stMain").element_handle()
        page.wait_for_function("(main) => main.scrollWidth <= main.clientWidth", arg=main)  # waits for the style sheet
        tables = page.locator(".c3d-table table").evaluate_all(
            "(all) => all.map((table) => [table.scrollWidth, table.parentElement.clientWidth])"
        )
        assert all(table <= room for table, room in tables), tables
        expect(page.locator(".c3d-table").get_by_role("table")).to_have_count(
            len(tables)
        )  # also where its rows are laid out as blocks


def test_six_volumes_stand_in_one_row_on_a_laptop_and_two_by_two_on_a_phone(browser: Browser, server: Server) -> None:
    for width, columns in ((1280, 6), (390, 2)):
        with browser.new_context(viewport={"width": width, "height": 800}) as context:
            context.set_default_timeout(PATIENCE_MS)
            page = context.new_page()
            page.goto(f"{server.url}/{SWEEP}")
            expect(page.locator(".wall[data-drawn='6']")).to_be_visible()
            tops = [box["y"] for cell in page.locator(".wall li").all() if (box := cell.bounding_box())]
            assert tops.count(tops[0]) == columns


def test_on_a_phone_the_weights_come_before_the_long_table(browser: Browser, server: Server) -> None:
    with browser.new_context(viewport={"width": 390, "height": 844}) as context:
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.goto(f"{server.url}/network")
        expect(page.get_by_role("heading", name="Layers")).to_be_attached()
        page.wait_for_function("""() => {
          const heads = Object.fromEntries([...document.querySelectorAll("h2")].map((h) => [h.textContent, h]));
          return heads.Weights.getBoundingClientRect().top < heads.Layers.getBoundingClientRect().top;
        }""")


def share_of_room(page: Page, selector: str) -> float:
    """Width of an element, as a share of what its parent has."""
    return (
        page.locator(selector)
        .first.evaluate_handle("(one) => [one, one.parentElement].map((each) => each.getBoundingClientRect().width)")
        .evaluate("([own, room]) => own / room")
    )


def test_a_wide_screen_gets_large_tiles_and_short_lines(browser: Browser, server: Server) -> None:
    with browser.new_context(viewport={"width": 2560, "height": 1300}) as context:
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.goto(f"{server.url}/gallery?layer=Mixed_3c")
        expect(page.locator(".wall[data-cells='24']")).to_be_visible()
        tile = page.locator(".wall li").first.bounding_box()
        assert tile
        assert tile["width"] > 220
        page.goto(f"{server.url}/{SWEEP}")
        expect(page.locator(".wall[data-drawn='6']")).to_be_visible()
        assert share_of_room(page, ".wall li a") > 0.95
        page.goto(f"{server.url}/?layer=Mixed_3c&filter=3")
        expect(page.locator(".curve .axis")).to_be_attached()
        assert share_of_room(page, ".curve .axis") > 0.95
        page.goto(f"{server.url}/method")
        text = page.get_by_text("This page describes what is computed").bounding_box()
        assert text
        assert text["width"] < 800


def test_the_controls_of_the_filter_stand_in_one_row(browser: Browser, server: Server) -> None:
    with browser.new_context(viewport={"width": 1400, "height": 900}) as context:
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.goto(server.url)
        names = ("Previous filter", "Next filter", "Random filter")
        boxes = [page.get_by_role("button", name=name).bounding_box() for name in names]
        assert len({box["y"] for box in boxes if box}) == 1


def test_on_a_phone_a_missing_picture_is_rendered_without_scrolling(browser: Browser, server: Server) -> None:
    with browser.new_context(viewport={"width": 375, "height": 812}, is_mobile=True) as context:
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.goto(f"{server.url}/?layer=Mixed_4d&filter=77")
        button = page.get_by_role("button", name="Render now", exact=True)
        button.wait_for()
        box = button.bounding_box()
        assert box
        assert box["y"] + box["height"] <= 812
