"""Every page in a real Chromium: no rule of axe-core is broken, nothing moves while it loads, it has a title."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, expect

from bench.stand_in import Cluster
from tests.page_checks import PLACES, STORED, WIDTHS, measure, open_place, violations, without_visible_focus
from tests.processes import PATIENCE_MS
from tests.ui.conftest import Server, dashboard, made_result

MOST_SHIFT = 0.05


IN_THIS_ORDER = (
    "Skip to main content", "Next filter", "Render", "Gallery", "Volume player", "Step forward", "Pin to compare",
)  # fmt: skip
"""Parts of the names of controls of the Explore page, as the Tab key should reach them."""
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


@pytest.mark.parametrize(
    ("name", "scheme"),
    [("explore", "light"), ("explore", "dark"), ("gallery", "dark"), ("sweep", "light"), ("probe", "dark"),
     ("network", "light")],
)  # fmt: skip
def test_the_focus_of_the_keyboard_is_seen_wherever_it_is(
    browser: Browser, server: Server, name: str, scheme: Literal["light", "dark"]
) -> None:
    with browser.new_context(
        viewport={"width": 1400, "height": 1000}, color_scheme=scheme, reduced_motion="reduce"
    ) as context:
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        open_place(page, server.url, PLACES[name]._replace(panels=()))
        stops, invisible = without_visible_focus(page)
        assert len(stops) > 5
        assert invisible == []
        if name == "explore":  # the target, its render, the menu, the picture
            places = [next(at for at, one in enumerate(stops) if part in one) for part in IN_THIS_ORDER]
            assert places == sorted(places), stops


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
