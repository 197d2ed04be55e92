"""The introduction at the head of the Explore page, the Method page, and help behind each term."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from streamlit.testing.v1 import AppTest

from c3dvis.networks.registry import describe
from c3dvis.results.interpretation import MEANINGS, TITLES
from c3dvis.ui.method.page import TEXT
from tests.ui.conftest import Server, dashboard
from tests.visit import DESKTOP, Visit, visiting

QUESTION = "What am I looking at?"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("introduction")
    with dashboard(folder, weights) as running:
        yield running


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Visit]:
    with visiting(browser, server.url, viewport=DESKTOP) as visit:
        yield visit


def sentences(text: str) -> int:
    """Number of sentences; the ellipsis of an enumeration ends none."""
    return len(re.findall(r"[^.…]\.(?=\s|$)", text))


def test_who_knows_none_of_this_gets_five_sentences_with_a_drawing_each(visit: Visit) -> None:
    visit.open()
    expect(visit.page.locator(".introduction .name")).to_have_text("c3dvis")
    sentence = visit.page.locator(".introduction .sentence")
    expect(sentence).to_be_visible()
    assert sentences(sentence.inner_text()) == 1
    panel = visit.page.get_by_role("region", name=QUESTION)
    expect(panel).to_be_hidden()
    visit.press(QUESTION)
    parts = panel.locator(".part").all()
    assert len(parts) == 5
    for part in parts:
        text = part.locator("p").inner_text()
        assert sentences(text) == 1, text
        box = part.locator("svg").bounding_box()
        assert box
        assert 40 < box["width"] < 160
        assert part.locator("svg").evaluate("svg => svg.getBBox().width") > 60  # something is drawn
    words = panel.inner_text()
    for term in ("filter", "layer", "branch", "Mixed_4d", "conv3a", "x–t", "y–t"):
        assert term in words
    for name in MEANINGS.keys() - {"strength", "gain", "repetition"}:
        assert TITLES[name].lower() in words.lower()
    visit.press("Close the explanation")
    expect(panel).to_be_hidden()


def test_put_away_it_stays_away_and_a_question_mark_brings_it_back(visit: Visit) -> None:
    visit.open()
    visit.press("Put away")

    def is_away(page: Page) -> None:
        expect(page.locator(".introduction[data-away=true]")).to_be_visible()
        expect(page.locator(".introduction .sentence")).to_be_hidden()
        expect(page.get_by_role("button", name="Put away")).to_be_hidden()

    is_away(visit.page)
    visit.page.reload()
    is_away(visit.page)
    other = visit.page.context.new_page()
    other.goto(f"{visit.home}/?layer=Mixed_3b")
    is_away(other)
    other.get_by_role("button", name=QUESTION).click()
    expect(other.locator(".introduction .part").first).to_be_visible()


def test_the_introduction_moves_nothing_when_it_arrives(visit: Visit) -> None:
    visit.open()
    place = visit.page.locator(".st-key-introduction")
    expect(place.locator(".introduction")).to_be_visible()
    box, head = place.bounding_box(), visit.page.locator(".introduction").bounding_box()
    assert box
    assert head
    assert head["height"] <= 36  # what page.css keeps free
    assert box["height"] <= 36


def test_the_method_is_one_link_away(visit: Visit) -> None:
    visit.open()
    visit.press(QUESTION)
    visit.page.get_by_role("link", name="How it works").click()
    expect(visit.page.get_by_role("heading", name="Method", level=1)).to_be_visible()
    headings = re.findall(r"^## (.*)$", TEXT.read_text(encoding="utf-8"), re.M)
    assert len(headings) > 8
    for heading in headings:
        expect(visit.page.get_by_role("heading", name=heading.replace("`", ""), exact=True)).to_be_attached()
    expect(visit.page.locator("td").first).to_be_visible()


def test_every_measure_has_a_meaning_and_every_control_a_help(open_page: Callable[..., AppTest]) -> None:
    assert MEANINGS.keys() == TITLES.keys()
    page = open_page()
    meanings = "\n".join(part.value for part in page.markdown)
    for name, meaning in MEANINGS.items():
        assert f"**{TITLES[name]}**: {meaning}" in meanings
    for box in (*page.selectbox, *page.number_input, *page.button_group):
        if not str(box.key).startswith("figure") and box.key != "view":
            assert box.proto.help, box.key


def test_a_field_larger_than_the_clip_is_explained(open_page: Callable[..., AppTest]) -> None:
    def help_of(layer: str) -> str:
        page = open_page(layer=layer)
        (caption,) = (caption for caption in page.caption if (caption.value or "").startswith("Output"))
        return caption.proto.help

    info = describe("i3d-kinetics400")
    for layer, is_larger in (("Conv3d_2c_3x3", False), ("Mixed_4d", True)):
        t, h, w = info.architecture.receptive_field(layer)[0]
        assert f"sees {t} frames of {w} × {h} pixels" in help_of(layer)
        assert ("larger than the clip" in help_of(layer)) == is_larger
