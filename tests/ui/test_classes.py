"""Classes by name on the Explore page, under AppTest."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from c3dvis.networks import classes
from c3dvis.networks.registry import describe
from c3dvis.networks.weights.class_labels import read_labels
from c3dvis.results import RenderResult
from c3dvis.spec import RenderSpec
from c3dvis.ui.shared.plain_text import plain
from tests.ui.conftest import labelled
from tests.ui.test_explore import controls_spec, player_header, text

OpenPage = Callable[..., AppTest]
JUGGLING = 169


def class_list(page: AppTest):
    return labelled(page.selectbox, "What does a class look like to the network?")


def test_the_list_has_every_class_and_a_choice_sets_objective_layer_and_size(open_page: OpenPage) -> None:
    page = open_page()
    info = describe("i3d-kinetics400")
    assert tuple(class_list(page).options) == read_labels(info)
    assert class_list(page).value is None
    page = class_list(page).select("juggling balls").run()
    assert not page.exception
    spec = classes.class_spec(info, JUGGLING)
    assert page.session_state["explore"].focus == controls_spec(page) == spec
    assert page.query_params["objective"] == "class"
    assert page.title[0].value == plain("juggling balls · class 169")
    assert player_header(page)["label"] == "juggling balls · class 169 · i3d-kinetics400"
    assert "on two processor cores" in text(page)  # before it starts
    assert page.button(key="render focus").label == "Render now"
    assert not page.get("progress")
    assert labelled(page.number_input, "Class").value == JUGGLING

    page = class_list(page).set_value(None).run()
    assert page.session_state["explore"].focus == RenderSpec()


def test_a_link_to_a_class_shows_its_name_and_its_stored_picture(
    open_page: OpenPage, stored: Callable[..., RenderResult]
) -> None:
    spec = classes.class_spec(describe("i3d-kinetics400"), 1).replace(frames=9, height=193, width=193)
    result = stored(spec)
    page = open_page(**spec.to_query())
    assert class_list(page).value == 1
    assert player_header(page)["key"] == result.key
    assert page.title[0].value == plain("air drumming · class 1")


def test_another_layer_leaves_the_class_and_its_size(open_page: OpenPage) -> None:
    page = open_page(**classes.class_spec(describe("i3d-kinetics400"), JUGGLING).to_query())
    page.selectbox(key="c.layer").select("Mixed_4d").run()
    assert not page.exception
    assert not page.error
    assert controls_spec(page) == RenderSpec(filter=JUGGLING)


def test_names_from_outside_are_plain_text(
    open_page: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["*b*", "[x](http://example.org)", "![p](http://example.org/p.png)", ":red[r]", "$x$", "same", "same"]
    names += [f"<img src=x onerror=alert({n})>" for n in range(480)]
    (tmp_path / "c3d-sports1m").mkdir()
    (tmp_path / "c3d-sports1m" / "labels.txt").write_text("\n".join(names))
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path))
    for number in (0, 1, 2, 3, 4, 7):
        page = open_page(**classes.class_spec(describe("c3d-sports1m"), number).to_query())
        assert not page.exception
        assert page.title[0].value == plain(f"{names[number]} · class {number}")
    options = class_list(page).options
    assert len(set(options)) == 487
    assert options[5:7] == ["same (5)", "same (6)"]


def test_heads_of_columns_have_the_names_of_classes() -> None:
    first, second = (classes.class_spec(describe("i3d-kinetics400"), number) for number in (JUGGLING, 5))
    assert classes.class_distinctions([first, second]) == ["juggling balls", "archery"]
    assert classes.class_distinctions([first, first.replace(seed=2)]) == ["seed 0", "seed 2"]
    assert classes.class_distinctions([first]) == ["juggling balls · class 169"]
    mixed = classes.class_distinctions([first, RenderSpec(layer="Mixed_4c", filter=1)])
    assert mixed[0].startswith("juggling balls, ")
    assert mixed[1].startswith("Mixed_4c, filter 1")
