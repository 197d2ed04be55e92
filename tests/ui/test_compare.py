"""The Compare page under AppTest: specs and sweeps of the address, their differences and measures."""

import json
import re
from collections.abc import Callable
from html import unescape
from typing import Any
from urllib.parse import parse_qs

import pytest
from streamlit.testing.v1 import AppTest

from c3dvis.errors import InvalidSpec
from c3dvis.results import RenderResult
from c3dvis.spec import RenderSpec
from c3dvis.spec.text import query_text
from c3dvis.ui.shared.sweep import SWEEP_VALUES, parse_values, with_value
from tests.ui.conftest import labelled, table_rows

Stored = Callable[..., RenderResult]
BASE = RenderSpec(layer="Mixed_4c", filter=1, frames=8, height=32, width=32)


@pytest.fixture
def open_compare(weights: object) -> Callable[..., AppTest]:
    """Opens the Compare page with specs; keywords are further parameters of the address."""

    def run(*specs: RenderSpec, **query: str | list[str]) -> AppTest:
        page = AppTest.from_string("from c3dvis.ui.compare import page\npage.page()", default_timeout=600)
        if specs:
            page.query_params["pin"] = [query_text(spec) for spec in specs]
        for name, value in query.items():
            page.query_params[name] = value
        return page.run()

    return run


def cells(page: AppTest) -> list[dict[str, Any]]:
    message = next(e.proto for e in page.get("bidi_component") if e.proto.component_name == "c3dvis.wall").bytes
    return json.loads(message[8 : 8 + int.from_bytes(message[4:8], "little")])["cells"]


def setting(page: AppTest) -> Any:
    """The choice of the setting that is swept."""
    return next(widget for widget in page.selectbox if widget.label == "Setting")


def page_text(page: AppTest) -> str:
    return "\n".join(part.value for part in [*page.markdown, *page.caption, *page.info, *page.warning, *page.error])


def test_specs_of_a_link_side_by_side_with_what_sets_them_apart(
    open_compare: Callable[..., AppTest], stored: Stored
) -> None:
    specs = [BASE, BASE.replace(filter=2, tv_space_weight=10.0), BASE.replace(seed=4)]
    for spec in specs[:2]:
        stored(spec)
    page = open_compare(*specs)
    assert not page.exception
    assert [cell["state"] for cell in cells(page)] == ["stored", "stored", "absent"]
    first = cells(page)[0]["pixels"]
    assert (first["shape"], first["columns"], first["to"] - first["from"]) == ([8, 32, 32], 0, 8 * 32 * 32 * 3)
    assert "**2** differs from **1** in filter 1 → 2, Spatial TV 0 → 10" in page_text(page)
    assert "**3** differs from **1** in seed 0 → 4" in page_text(page)
    assert ["Gain", "×7.00", "×7.00", "–"] in table_rows(page)
    heads = [
        "1. filter 1, seed 0, Spatial TV 0",
        "2. filter 2, seed 0, Spatial TV 10",
        "3. filter 1, seed 4, Spatial TV 0",
    ]
    assert [cell["title"] for cell in cells(page)] == heads
    assert table_rows(page)[0] == ["Measure", *heads]
    assert page.button(key="k.render").label == "Render what is missing (1)"
    labelled(page.button, "Remove 2").click().run()
    assert page.query_params["pin"] == [query_text(specs[0]), query_text(specs[2])]
    page.button(key="k.put back").click().run()
    assert page.query_params["pin"] == [query_text(spec) for spec in specs]


def test_a_link_that_names_a_spec_twice_says_so(open_compare: Callable[..., AppTest]) -> None:
    page = open_compare(BASE, BASE.replace(filter=2), BASE)
    assert len(cells(page)) == 2
    assert "The link names Mixed_4c · filter 1 · i3d-kinetics400 twice" in page_text(page)


def test_a_sweep_shows_one_setting_in_its_values(open_compare: Callable[..., AppTest]) -> None:
    page = open_compare(BASE, sweep="tv_time_weight", values="0,5,50")
    assert [cell["title"] for cell in cells(page)] == [
        "1. Temporal TV 0", "2. Temporal TV 5", "3. Temporal TV 50",
    ]  # fmt: skip
    page.text_input(key="k.values").set_value("0, 7").run()
    assert page.query_params["values"] == "0,7"
    page.text_input(key="k.values").set_value("0, many").run()
    assert "received '0, many'" in page_text(page)
    assert page.text_input(key="k.values").value == "0, many"
    assert page.query_params["values"] == "0,7"
    page.selectbox(key="k.sweep").set_value("seed").run()
    assert page.query_params["values"] == "0,1,2,3,4"
    assert len(cells(page)) == 5
    page.selectbox(key="k.sweep").set_value("").run()
    assert "sweep" not in page.query_params
    assert len(cells(page)) == 1


def test_a_sweep_that_the_engine_does_not_know_is_said_and_takes_nothing_away(
    open_compare: Callable[..., AppTest],
) -> None:
    page = open_compare(RenderSpec(engine="keras-vis", layer="Mixed_4c", filter=1))
    setting(page).set_value("jitter_pixels").run()
    assert not page.exception
    assert setting(page).value == ""
    assert "keras-vis fixes jitter_pixels" in page_text(page)
    assert len(cells(page)) == 1
    setting(page).set_value("seed").run()
    assert "keras-vis fixes" not in page_text(page)
    assert len(cells(page)) == 5


def test_an_empty_page_says_what_it_is_for_and_offers_comparisons_that_are_ready(
    open_compare: Callable[..., AppTest],
) -> None:
    page = open_compare()
    assert not page.exception
    assert "up to six clips play side by side" in page_text(page)
    (links,) = [html.proto.body for html in page.get("html") if "data-visit" in html.proto.body]
    for address in re.findall(r'href="\./compare\?([^"]+)"', links):
        ready = open_compare(**parse_qs(unescape(address), keep_blank_values=True))
        assert not ready.exception
        assert len(cells(ready)) > 1
        assert not ready.warning
    assert "stored" in {cell["state"] for cell in cells(ready)}


def test_a_sweep_leaves_the_pins_alone(open_compare: Callable[..., AppTest]) -> None:
    pins = [BASE.replace(filter=number) for number in range(4)]
    page = open_compare(*pins, sweep="seed", values="0,1", of=query_text(BASE.replace(filter=9)))
    assert [cell["title"] for cell in cells(page)] == ["1. seed 0", "2. seed 1"]
    assert "Pinned: 4 of 6" in page_text(page)
    setting(page).set_value("").run()
    assert [cell["title"] for cell in cells(page)] == [f"{number + 1}. filter {number}" for number in range(4)]


def test_a_link_of_an_earlier_version_shows_the_same(open_compare: Callable[..., AppTest]) -> None:
    page = open_compare(spec=query_text(BASE), sweep="seed", values="0,1")
    assert [cell["title"] for cell in cells(page)] == ["1. seed 0", "2. seed 1"]
    assert page.session_state["pins"] == [BASE]


def test_a_broken_link_keeps_its_good_parts(open_compare: Callable[..., AppTest]) -> None:
    page = open_compare(*[BASE.replace(filter=n) for n in range(8)], sweep="beauty", values="1,2")
    assert len(cells(page)) == 6
    assert "The link names 8 specs; 6 fit" in page_text(page)
    assert "The link's sweep was dropped." in page_text(page)


@pytest.mark.parametrize("name", list(SWEEP_VALUES))
def test_every_sweep_can_be_made_with_both_engines_or_says_why_not(name: str) -> None:
    assert len({with_value(BASE, name, value) for value in SWEEP_VALUES[name]}) == 5
    original = RenderSpec(engine="keras-vis", layer="Mixed_4c", filter=1)
    if name in ("jitter_pixels", "contrast"):
        with pytest.raises(InvalidSpec, match=f"keras-vis fixes {name}"):
            with_value(original, name, 4)
    else:
        assert getattr(with_value(original, name, SWEEP_VALUES[name][1]), name) == SWEEP_VALUES[name][1]


@pytest.mark.parametrize("text", ["", "1", "1,1", "1,2,3,4,5,6,7", "a,b", "-1,2", "nan,1"])
def test_values_that_cannot_be_swept(text: str) -> None:
    with pytest.raises(InvalidSpec):
        parse_values(BASE, "tv_space_weight", text)
