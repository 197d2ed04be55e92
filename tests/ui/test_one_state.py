"""Random acts of a visitor under AppTest: whatever was pressed, a reload shows the same, and Back undoes one act.

The oracle is the page that a new visitor gets at the same address: everything on it is drawn from the address at once.
"""

import json
import os
import re
from collections.abc import Callable, Iterable
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from c3dvis.results import ResultStore
from c3dvis.spec import RenderSpec
from c3dvis.spec.text import query_text
from tests.ui.conftest import DASHBOARD, go_to, made_result

Address = tuple[str, dict[str, list[str]]]  # title of the page, query

SMALL = RenderSpec(layer="Mixed_4b", filter=0, frames=8, height=32, width=32, iterations=2)
LINKS: list[tuple[str, str]] = [
    ("Explore", query_text(SMALL.replace(filter=3))),
    ("Explore", "filter=nonsense&seed=4&tab=wiring"),
    ("Gallery", f"{query_text(SMALL)}&page=2"),
    ("Gallery", "sort=gain&show=beauty&page=99"),
    ("Compare", urlencode({"pin": [query_text(SMALL.replace(filter=number)) for number in range(3)]}, doseq=True)),
    ("Compare", urlencode({"spec": query_text(SMALL), "sweep": "seed", "values": "0,1,many"})),
    ("Network", "network=c3d-sports1m"),
    ("Status", ""),
]
PAGES = ("Explore", "Gallery", "Compare", "Network", "Status", "Method")
NOT_PRESSED = re.compile("render|fetch|check|take apart|accept|cancel")
"""Keys of controls that start work; a page that is at work is walked through in Chromium."""
OF_THE_VISITOR = re.compile(r"(^|\.)figure\.")
"""Keys of controls that say how a file is made, and not what the page shows: they are not in the address."""


@pytest.fixture(scope="module")
def _filled(weights: Path) -> None:
    """Stores thirty small filters of a layer, three of them dead."""
    with ResultStore(os.environ["C3DVIS_CACHE_DIR"]) as store:
        for number in range(30):
            store.put(made_result(SMALL.replace(filter=number), twin_gain=float(number), dead=number % 10 == 7))


class Visitor(RuleBasedStateMachine):
    """A visitor who presses what is there, and goes back."""

    @initialize(link=st.sampled_from(LINKS))
    def open_link(self, link: tuple[str, str]) -> None:
        self.page = opened((link[0], parse_qs(link[1], keep_blank_values=True)))
        self.visited: list[tuple[Address, dict[str, Any]]] = []
        self.note()

    @rule(data=st.data())
    def press(self, data: st.DataObject) -> None:
        acts = controls(self.page)
        if acts:
            name = data.draw(st.sampled_from(sorted(acts)))
            acts[name](data)
            self.page.run()
            self.note()

    @rule(data=st.data())
    def follow_link(self, data: st.DataObject) -> None:
        addresses = links(self.page)
        if addresses:
            title, query = data.draw(st.sampled_from(addresses))
            shown_page(self.page, title)
            go_to(self.page, {"pin": self.page.query_params.get("pin", [])} | query)
            self.note()

    @rule(title=st.sampled_from(PAGES))
    def use_menu(self, title: str) -> None:
        if title != address(self.page)[0]:
            shown_page(self.page, title)
            self.page.query_params.clear()
            self.page.run()
            self.note()

    @precondition(lambda self: len(self.visited) > 1)
    @rule()
    def go_back(self) -> None:
        self.visited.pop()
        (title, query), before = self.visited[-1]
        shown_page(self.page, title)
        go_to(self.page, query)
        assert difference(view(self.page), before) == {}

    def note(self) -> None:
        """Puts the address into the history, as a browser does."""
        here = address(self.page)
        if not self.visited or self.visited[-1][0] != here:
            self.visited.append((here, view(self.page)))

    @invariant()
    def is_whole(self) -> None:
        assert not self.page.exception
        assert not [error.value for error in self.page.error if "unexpected" in error.value]

    @invariant()
    def a_reload_shows_the_same(self) -> None:
        assert difference(view(self.page), view(opened(address(self.page)))) == {}


def opened(link: Address) -> AppTest:
    """The page that a new visitor gets at an address."""
    page = AppTest.from_file(str(DASHBOARD), default_timeout=600)
    shown_page(page, link[0])
    page.query_params.update(link[1])
    return page.run()


def shown_page(page: AppTest, title: str) -> None:
    """Has the next run draw a page."""
    page._page_hash = calc_hash(title.lower())


def address(page: AppTest) -> Address:
    """The page that is shown, and the query that the browser's address bar shows."""
    names = {calc_hash(title.lower()): title for title in PAGES}
    wanted = next(json.loads(message) for name, message in messages(page) if name == "address")
    if wanted["wanted"] != wanted["shown"]:
        page.query_params.clear()
        page.query_params.update(parse_qs(wanted["wanted"], keep_blank_values=True))
    query = {name: [each] if isinstance(each, str) else each for name, each in page.query_params.items()}
    return names[page._finished_page_script_hash], query


def messages(page: AppTest) -> list[tuple[str, bytes]]:
    """Name of each component on the page, and the message that it received."""
    protos = [element.proto for element in page.get("bidi_component")]
    return [(proto.component_name.removeprefix("c3dvis."), proto.bytes) for proto in protos]


def header(message: bytes) -> Any:
    """The JSON in a message."""
    return json.loads(message if message[:1] == b"{" else message[8 : 8 + int.from_bytes(message[4:8], "little")])


def view(page: AppTest) -> dict[str, Any]:
    """What follows from the address. The notices to one visitor are left out."""
    if address(page)[0] == "Status":  # shows what the server is doing
        return {"texts": [page.title[0].value]}
    texts = [text.value for text in [*page.title, *page.markdown, *page.caption] if "Worker" not in text.value]
    return {
        "texts": texts,
        "tables": [html.proto.body for html in page.get("html")],
        "components": [(name, header(message)) for name, message in messages(page) if name != "address"],
        "widgets": {str(widget.label): widget.value for widget in widgets(page)},
        "buttons": {button.label: button.disabled for button in page.button if button.label != "Put back"},
        "errors": [error.value for error in page.error],
    }


def difference(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The parts in which two views differ."""
    return {name: (one[name], other[name]) for name in one if one[name] != other[name]}


def widgets(page: AppTest) -> list[Any]:
    """The controls that have a value, but those of the visitor."""
    found: list[Any] = [
        *page.selectbox, *page.number_input, *page.slider, *page.select_slider, *page.segmented_control, *page.toggle,
        *page.text_input,
    ]  # fmt: skip
    return [widget for widget in found if not OF_THE_VISITOR.search(str(widget.key))]


def controls(page: AppTest) -> dict[str, Callable[[st.DataObject], object]]:
    """What can be pressed or set, by key: a function that does so with a value drawn from those it allows."""
    acts: dict[str, Callable[[st.DataObject], object]] = {}
    for button in enabled(page.button):
        acts[str(button.key)] = lambda data, button=button: button.click()
    choices = enabled([*page.selectbox, *page.select_slider, *page.segmented_control])
    for choice in choices:
        if choice.options:
            options = st.sampled_from(list(choice.options))
            kind = float if choice.type == "select_slider" else str
            acts[str(choice.key)] = lambda data, choice=choice, options=options, kind=kind: choice.set_value(
                kind(data.draw(options))
            )
    for number in enabled([*page.number_input, *page.slider]):
        values = st.integers(int(number.min), min(int(number.max), 40))
        acts[str(number.key)] = lambda data, number=number, values=values: number.set_value(
            type(number.value)(data.draw(values))
        )
    for toggle in enabled(page.toggle):
        acts[str(toggle.key)] = lambda data, toggle=toggle: toggle.set_value(not toggle.value)
    for text in enabled(page.text_input):
        values = st.sampled_from(["0, 7", "1, 2, 3", "many", "", "5"])
        acts[str(text.key)] = lambda data, text=text, values=values: text.set_value(data.draw(values))
    return {key: act for key, act in acts.items() if not NOT_PRESSED.search(key) and not OF_THE_VISITOR.search(key)}


def enabled(widgets: Iterable[Any]) -> list[Any]:
    """Those of the widgets that a visitor can press or set."""
    return [widget for widget in widgets if not widget.disabled]


def links(page: AppTest) -> list[Address]:
    """The links within the dashboard that the page has, and where each leads."""
    anchors = [
        unescape(link)
        for html in page.get("html")
        for link in re.findall(r'data-visit href="([^"]+)"', html.proto.body)
    ]
    anchors += [
        cell["link"]
        for name, message in messages(page)
        if name == "wall"
        for cell in header(message)["cells"]
        if cell["link"]
    ]
    found = []
    for anchor in anchors:
        path, _, query = anchor.removeprefix("./").partition("?")
        found.append((path.capitalize() or "Explore", parse_qs(query, keep_blank_values=True)))
    return found


@pytest.mark.usefixtures("_filled")
def test_a_reload_shows_the_same_and_back_undoes_one_act() -> None:
    # A run of a page takes a second on a busy machine.
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    walks = settings(max_examples=3, stateful_step_count=6, deadline=None, suppress_health_check=slow)
    run_state_machine_as_test(Visitor, settings=walks)
