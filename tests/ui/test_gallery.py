"""The Gallery under AppTest: cells, order, paging, address, downloads."""

import io
import json
import os
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from c3dvis import media
from c3dvis.results import RenderResult, ResultStore
from c3dvis.spec import RenderSpec
from c3dvis.ui.shared.downloads import contact_sheet, zip_archive
from tests.ui.conftest import made_result
from tests.ui.test_one_state import address, opened, shown_page

Open = Callable[..., AppTest]
BASE = RenderSpec(layer="Mixed_4b", filter=0, frames=8, height=32, width=32, iterations=2)
STORED = 30
DEAD = (5, 16, 27)


def gain(number: int) -> float:
    return float(1 + number * 7 % STORED)


@pytest.fixture(scope="module")
def _filled(weights: object) -> None:
    """Stores thirty filters of one layer where pages under AppTest find them; three of them are dead."""
    with ResultStore(os.environ["C3DVIS_CACHE_DIR"]) as store:
        for number in range(STORED):
            spec = BASE.replace(filter=number)
            store.put(made_result(spec, twin_gain=gain(number), selectivity=STORED - number, dead=number in DEAD))


@pytest.fixture
def open_gallery(_filled: None) -> Open:
    """Opens the Gallery of the filled layer; keywords are further parameters of the address."""

    def run(**query: str) -> AppTest:
        page = AppTest.from_string("from c3dvis.ui.gallery import page\npage.page()", default_timeout=600)
        for name, value in (BASE.to_query() | query).items():
            page.query_params[name] = value
        return page.run()

    return run


def cells(page: AppTest) -> list[dict[str, Any]]:
    """The cells in the message to the wall."""
    message = next(e.proto for e in page.get("bidi_component") if e.proto.component_name == "c3dvis.wall").bytes
    assert message[:4] == b"C3DW"
    return json.loads(message[8 : 8 + int.from_bytes(message[4:8], "little")])["cells"]


def names(page: AppTest) -> list[int]:
    return [int(cell["name"]) for cell in cells(page)]


def test_a_page_shows_what_is_stored_and_what_is_not(open_gallery: Open) -> None:
    page = open_gallery()
    assert not page.exception
    assert names(page) == list(range(24))
    shown = {int(cell["name"]): cell for cell in cells(page)}
    assert [number for number, cell in shown.items() if cell["state"] == "dead"] == [5, 16]
    assert shown[3]["caption"] == "half done"  # a search of two steps has no gain to boast of
    assert shown[3]["pixels"]["shape"] == [8, 32, 32]
    assert shown[3]["link"] == "./?layer=Mixed_4b&filter=3&frames=8&height=32&width=32&iterations=2"
    assert any("30 of 512 rendered" in caption.value for caption in page.caption)
    page.button(key="g.next").click().run()
    assert names(page) == list(range(24, 48))
    assert [cell["state"] for cell in cells(page)] == ["stored"] * 3 + ["dead"] + ["stored"] * 2 + ["absent"] * 18
    assert page.query_params["page"] == "2"
    assert page.button(key="g.render page").label == "Render this page (18)"
    assert page.button(key="g.render layer").label == "Render the layer (482)"


def test_sorted_best_first_dead_after_the_living_and_the_missing_last(open_gallery: Open) -> None:
    order = sorted((n for n in range(STORED) if n not in DEAD), key=lambda n: (-gain(n), n))
    first = names(open_gallery(sort="gain"))
    second = open_gallery(sort="gain", page="2")
    assert first + names(second)[:6] == [*order, *DEAD]
    assert {cell["state"] for cell in cells(second)[6:]} == {"absent"}
    by_rank = [n for n in reversed(range(STORED)) if n not in DEAD]
    assert names(open_gallery(sort="selectivity")) == by_rank[:24]


@pytest.mark.parametrize(
    ("show", "count"), [("rendered", STORED), ("alive", STORED - 3), ("dead", 3), ("missing", 512 - STORED)]
)
def test_shows_one_kind_alone(open_gallery: Open, show: str, count: int) -> None:
    page = open_gallery(show=show)
    assert not page.exception
    assert len(names(page)) == min(24, count)
    kinds = {cell["state"] for cell in cells(page)}
    expected = {"rendered": {"stored", "dead"}, "alive": {"stored"}, "dead": {"dead"}, "missing": {"absent"}}
    assert kinds == expected[show]


def test_the_controls_move_the_page_and_its_address(open_gallery: Open) -> None:
    page = open_gallery(page="2")
    page.selectbox(key="g.sort").set_value("gain").run()
    assert (page.query_params["sort"], "page" in page.query_params) == ("gain", False)
    page.selectbox(key="g.layer").set_value("Conv3d_1a_7x7").run()
    assert not page.exception
    assert page.query_params["layer"] == "Conv3d_1a_7x7"
    assert {cell["state"] for cell in cells(page)} == {"absent"}
    page.selectbox(key="g.network").set_value("c3d-sports1m").run()
    assert not page.exception
    assert any("weights of C3D on Sports-1M are not on this machine" in m.value for m in page.markdown)
    assert page.button(key="g.render layer").disabled


def test_a_broken_link_keeps_its_good_parts_and_says_what_it_lost(open_gallery: Open) -> None:
    page = open_gallery(page="-3", sort="beauty", show="dead", seed="many")
    assert not page.exception
    assert names(page) == list(DEAD)
    assert "The link's seed=many was dropped" in page.warning[0].value


def test_other_settings_than_usual_are_said_and_can_be_left(open_gallery: Open) -> None:
    page = open_gallery()
    assert any(f"steps {RenderSpec().iterations} → 2" in caption.value for caption in page.caption)
    page.button(key="g.defaults").click().run()
    assert page.query_params == {"layer": "Mixed_4b"}


def test_what_is_shown_can_be_taken_along() -> None:
    results: list[RenderResult] = [made_result(BASE.replace(filter=number)) for number in range(3)]
    with zipfile.ZipFile(io.BytesIO(zip_archive(results))) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 9
        (recipe,) = [name for name in archive.namelist() if "_filter-2_" in name and name.endswith(".json")]
        assert RenderSpec.from_json(archive.read(recipe).decode()) == results[2].spec
    sheet = np.asarray(Image.open(io.BytesIO(contact_sheet(results))))
    np.testing.assert_array_equal(sheet[6:38, 6 + 38 : 6 + 38 + 32], results[1].clip[4])
    with pytest.raises(ValueError, match="0 clips"):
        media.contact_sheet([], [])


def test_filters_of_the_last_layer_are_named_by_their_classes(open_gallery: Open) -> None:
    page = open_gallery(layer="Logits/Conv3d_0c_1x1", frames="16", height="200", width="200", page="8")
    assert not page.exception
    assert {cell["name"]: cell["title"] for cell in cells(page)}["169"] == "juggling balls"
    assert cells(open_gallery())[0]["title"] == "Filter 0"


def test_the_menu_leads_to_the_layer_that_the_visitor_was_at() -> None:
    page = opened(("Explore", {"layer": ["Mixed_4f"], "filter": ["3"]}))
    shown_page(page, "Gallery")
    page.query_params.clear()
    page.run()
    assert page.title[0].value == "Mixed_4f"
    assert address(page) == ("Gallery", {"layer": ["Mixed_4f"]})
