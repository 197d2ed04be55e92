"""The state of the Probe page: its address holds all of it but the file, and a bad link keeps its good parts."""

import pytest

from c3dvis.probe import Target
from c3dvis.ui.probe.page_state import ProbeState, picture_spec, target_query


def loaded(**query: str) -> ProbeState:
    state = ProbeState()
    state.load({name: [value] for name, value in query.items()})
    return state


def test_a_visit_without_a_link_has_no_query():
    assert loaded().query() == {}


def test_the_address_gives_back_the_state():
    query = {
        "layer": "Mixed_3c", "filter": "7", "start": "1.5", "stride": "2", "length": "24", "fill": "loop",
        "size": "small", "view": "saliency", "file": "bikes.mp4", "strength": "0.25",
    }  # fmt: skip
    state = loaded(**query)
    assert state.query() == query
    assert state.link_problems == []
    assert state.clip_size == (24, 112, 112)
    assert (state.window.start_seconds, state.window.stride, state.window.fill) == (1.5, 2, "loop")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"layer": "Mixed_9z"}, "layer and filter were dropped"),
        ({"filter": "99999"}, "has filters 0 to"),
        ({"filter": "ten"}, "is no number"),
        ({"start": "-1"}, "start=-1 was dropped"),
        ({"stride": "nan"}, "stride=nan was dropped"),
        ({"strength": "2"}, "from 0 to 1"),
        ({"network": "nothing"}, "network"),
    ],
)
def test_a_bad_part_of_a_link_is_named_and_leaves_the_rest(query, words):
    state = loaded(view="grad_cam", **query)
    assert any(words in problem for problem in state.link_problems)
    assert state.view == "grad_cam"
    assert not set(query) & set(state.query())


def test_a_target_without_places_is_looked_at_by_grad_cam():
    state = loaded()
    last = state.info.layers[-1]
    assert target_query(state, Target(last, 3))["view"] == "grad_cam"
    assert "view" not in target_query(state, Target("Mixed_4d", 3))


def test_the_own_picture_of_a_target():
    state = loaded()
    filter_spec, class_spec = (
        picture_spec(state, Target("Mixed_4d", 3)),
        picture_spec(state, Target(state.info.layers[-1], 5)),
    )
    assert filter_spec
    assert (filter_spec.layer, filter_spec.filter, filter_spec.objective) == ("Mixed_4d", 3, "filter")
    assert class_spec
    assert class_spec.objective == "class"
    assert picture_spec(state, Target("Mixed_4d", 10_000)) is None
