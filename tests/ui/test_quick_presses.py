"""Presses in quick succession: a browser sends the second before it has the answer to the first.

Such a message has the values that all controls had before the first press.
"""

import secrets
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.testing.v1 import AppTest

from c3dvis.results import RenderResult
from c3dvis.spec import RenderSpec
from c3dvis.spec.text import query_text
from tests.ui.conftest import go_to, labelled
from tests.ui.test_one_state import opened

OpenPage = Callable[..., AppTest]
Press = Callable[[AppTest], object]

SPEC = RenderSpec(filter=6)
LINK = {"filter": "6", "controls": "tv_space_weight=100&contrast=30"}


def button(label: str) -> Press:
    return lambda page: labelled(page.button, label).click()


def choice(label: str, value: object) -> Press:
    return lambda page: labelled([*page.segmented_control, *page.selectbox, *page.toggle], label).set_value(value)


def number(label: str, value: float) -> Press:
    return lambda page: labelled([*page.number_input, *page.slider, *page.select_slider], label).set_value(value)


def press(page: AppTest, first: Press, *others: Press | None) -> list[Callable[[], None]]:
    """Has a visitor press something.

    Returns:
        For each other press a function that sends it as if it left the browser before the answer to the first; for None
        it sends what a refresh of the page sends.
    """
    messages = [_message(page, first, other) for other in others]
    address = dict(page.query_params)
    first(page)
    page.run()
    assert not page.exception

    def send(message: WidgetStates) -> None:
        page.query_params.clear()
        page.query_params.update(address)
        page._run(message)
        assert not page.exception

    return [partial(send, message) for message in messages]


def _message(page: AppTest, first: Press, other: Press | None) -> WidgetStates:
    """The values of all controls after two presses, and the second as what was pressed."""
    widgets: list[Any] = [node for node in page._tree if hasattr(node, "_value")]
    untouched = [node._value for node in widgets]
    first(page)
    for each in page.button:
        each._value = False
    if other:
        other(page)
    values = page._tree.get_widget_states().widgets
    sent = [one for one in values if one.WhichOneof("value") != "trigger_value" or one.trigger_value]
    message = WidgetStates(widgets=sent)  # of buttons a browser sends the one that is pressed alone
    for node, value in zip(widgets, untouched, strict=True):
        node._value = value
    return message


def controls(page: AppTest) -> tuple[RenderSpec, dict[str, Any]]:
    """The spec of the controls, and what each shows."""
    widgets = [
        *page.sidebar.number_input, *page.sidebar.slider, *page.sidebar.select_slider, *page.sidebar.selectbox,
        *page.sidebar.segmented_control, *page.sidebar.toggle, page.main.selectbox[0],
    ]  # fmt: skip
    return page.session_state["explore"].controls_spec, {widget.label: widget.value for widget in widgets}


OF_EXPLORE: dict[str, Press] = {
    "next": button("Next filter"), "random": button("Random filter"), "undo": button("Undo"),
    "preset": choice("Preset", "raw"), "another engine": choice("Preset", "keras-vis"),
    "motion": choice("Motion", "slow"), "engine": choice("Engine", "keras-vis"),
    "network": choice("Network", "c3d-sports1m"), "layer": choice("Layer", "Conv3d_1a_7x7"),
    "class": choice("What does a class look like to the network?", 169),
    "objective": choice("Maximise", "neuron"), "slider": number("Temporal TV", 30.0),
}  # fmt: skip


def test_a_message_of_before_the_answer_undoes_no_press_on_explore(
    open_page: OpenPage, stored: Callable[..., RenderResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "randbelow", lambda limit: limit // 2)
    stored(SPEC)
    page = open_page(**LINK)
    begun = controls(page)
    for name, act in OF_EXPLORE.items():
        refresh, next_filter = press(page, act, None, button("Next filter"))
        pressed = controls(page)
        assert pressed != begun, name
        refresh()
        assert controls(page) == pressed, name
        next_filter()
        spec, moved = controls(page)
        assert spec == pressed[0].replace(filter=pressed[0].filters[0][0] + 1), name
        assert moved != pressed[1]
        go_to(page, LINK)
        assert controls(page) == begun


@pytest.mark.parametrize("link", [{"filter": "0", "seed": "77"}, {"layer": "Logits/Conv3d_0c_1x1", "frames": "1"}])
def test_the_ways_out_of_a_page_without_a_picture_are_not_undone(
    open_page: OpenPage, stored: Callable[..., RenderResult], link: dict[str, str]
) -> None:
    stored(RenderSpec(filter=0, seed=77), dead=True, twin_gain=None)
    if "layer" in link:
        link = {"filter": "6", "controls": "layer=Logits/Conv3d_0c_1x1&frames=1"}
    page = open_page(**link)
    act = button("Filter 2") if "seed" in link else lambda page: page.button(key="remedy").click()
    (refresh,) = press(page, act, None)
    pressed = controls(page)
    refresh()
    assert controls(page) == pressed


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (button("Next filter"), number("Temporal TV", 30.0)),
        (choice("Preset", "raw"), number("Spatial TV", 0.3)),
        (choice("Preset", "raw"), choice("Motion", "slow")),
        (choice("Motion", "slow"), choice("Preset", "strongest")),
        (button("Undo"), number("Filter", 11)),
        (number("Temporal TV", 30.0), choice("Preset", "raw")),
        (button("Next filter"), choice("What does a class look like to the network?", 169)),
    ],
)
def test_what_is_moved_before_the_answer_is_heard(open_page: OpenPage, first: Press, second: Press) -> None:
    """As if the visitor had waited for the answer, also where the first press changed the same control."""
    patient = open_page(**LINK)
    for act in (first, second):
        act(patient)
        patient.run()
    hasty = open_page(**LINK)
    (send,) = press(hasty, first, second)
    send()
    assert controls(hasty) == controls(patient)


PINS = [query_text(RenderSpec(filter=number)) for number in range(4)]
SWEEP = {"pin": PINS, "sweep": "seed", "values": "0,1,2", "of": PINS[0]}
OTHER_PAGES: list[tuple[str, dict[str, Any], list[Press], Press]] = [
    (
        "Gallery", {"layer": "Mixed_4b", "page": "2", "sort": "gain", "contrast": "30"}, [
            choice("Layer", "Conv3d_1a_7x7"), choice("Network", "c3d-sports1m"), choice("Sort by", "motion"),
            button("Next ›"), button("Use the default settings"),
        ], choice("Show", "missing"),
    ),
    (
        "Compare", SWEEP, [
            choice("Setting", "contrast"), lambda page: labelled(page.text_input, "Values").set_value("3, 4"),
        ], button("Remove 2"),
    ),
    (
        "Probe", {"size": "small", "file": "none.mp4"}, [choice("Network", "c3d-sports1m"), choice("Frames", "large")],
        button("Show the sample clip"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("title", "query", "acts", "second"), OTHER_PAGES, ids=["Gallery", "Compare", "Probe"])
def test_a_message_of_before_the_answer_undoes_no_press_on_other_pages(
    weights: object, title: str, query: dict[str, Any], acts: list[Press], second: Press
) -> None:
    for number_of_act, act in enumerate(acts):
        page = opened((title, query))
        begun = dict(page.query_params)
        refresh, send = press(page, act, None, second)
        pressed = dict(page.query_params)
        assert pressed != begun, number_of_act
        refresh()
        assert page.query_params == pressed, number_of_act
        send()
        patient = opened((title, pressed))
        second(patient)
        patient.run()
        assert page.query_params == patient.query_params, number_of_act
        assert page.query_params != pressed


def test_a_second_press_on_remove_takes_the_pin_that_was_there(weights: object) -> None:
    page = opened(("Compare", {"pin": PINS}))
    again, third = press(page, button("Remove 2"), button("Remove 2"), button("Remove 3"))
    again()
    assert page.query_params["pin"] == [PINS[0], PINS[2], PINS[3]]
    third()
    assert page.query_params["pin"] == [PINS[0], PINS[3]]
