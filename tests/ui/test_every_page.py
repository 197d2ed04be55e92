"""Every page in a real Chromium: no rule of axe-core is broken, nothing moves while it loads, it has a title."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from bench.stand_in import Cluster
from tests.page_checks import PLACES, STORED, WIDTHS, measure, open_place, violations, without_visible_focus
from tests.processes import PATIENCE_MS
from tests.ui.conftest import Server, dashboard, made_result

MOST_SHIFT = 0.05


MEASURED = ("explore", "wiring", "embedded", "gallery", "sweep", "probe", "network", "status")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("pages")
    with dashboard(folder, weights, [made_result(spec) for spec in STORED], workers=Cluster(1)) as running:
        yield running


@pytest.mark.parametrize("name", PLACES)
def test_no_rule_of_accessibility_is_broken_in_either_colour_scheme(
    browser: Browser, server: Server, name: str
) -> None:
    place = PLACES[name]
    for scheme in ("light", "dark"):
        with browser.new_context(
            viewport={"width": 1400, "height": 1000}, color_scheme=scheme, reduced_motion="reduce"
        ) as context:
            context.set_default_timeout(PATIENCE_MS)
            page = context.new_page()
            open_place(page, server.url, place)
            assert violations(page) == []
            expect(page).to_have_title(f"{place.title} · c3dvis")
            assert page.get_by_role("heading", level=1).all_inner_texts() == [place.title]


@pytest.mark.parametrize("name", ["explore", "gallery", "sweep", "probe", "network"])
def test_the_focus_of_the_keyboard_is_seen_wherever_it_is(browser: Browser, server: Server, name: str) -> None:
    with browser.new_context(viewport={"width": 1400, "height": 1000}, reduced_motion="reduce") as context:
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        open_place(page, server.url, PLACES[name]._replace(panels=()))
        stops, invisible = without_visible_focus(page)
        assert stops > 5
        assert invisible == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", MEASURED)
def test_nothing_moves_while_a_page_loads(browser: Browser, server: Server, name: str, width: int) -> None:
    place = PLACES[name]
    found = measure(browser, server.url, place, width)
    assert found.shift < MOST_SHIFT, found.shifts


def test_a_name_is_plain_text_for_every_control(browser: Browser, server: Server) -> None:
    """Icons have names, and no name has Streamlit's directives or the text of an icon in it."""
    with browser.new_context(viewport={"width": 1400, "height": 1000}) as context:
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        open_place(page, server.url, PLACES["explore"])
        for name in (
            "Previous filter",
            "Next filter",
            "Random filter",
            "Render",
            "Pause",
            "Exact pixels",
            "Full screen",
        ):
            expect(page.get_by_role("button", name=name, exact=True)).to_be_visible()
        for name in ("Activation", "Spatial TV", "Contrast"):
            expect(page.get_by_role("slider", name=name).first).to_be_attached()
        said = page.locator("body").aria_snapshot()
        assert ":gray[" not in said
        assert "icon" not in said
