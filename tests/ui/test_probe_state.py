"""The state of the Probe page: its address holds all of it but the file, and a bad link keeps its good parts."""

import numpy as np
import pytest

from c3dvis.errors import LimitReached
from c3dvis.probe import FilterResponse, ProbeRequest, ProbeResult, Target
from c3dvis.queue import ProbeJob
from c3dvis.ui.probe.answers import Questions
from c3dvis.ui.probe.looking import SHOWN_FILTERS, Looking
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


def test_a_question_that_a_limit_refuses_says_why_and_is_asked_again():
    state = loaded(size="small", layer="Mixed_3c")
    refusals = [LimitReached.of("visitor_probes", "Too many questions.")]

    class Resources:
        def probe(self, request: ProbeRequest) -> ProbeJob:
            if refusals:
                raise refusals.pop()
            return ProbeJob(request, lambda job: None)

    questions = Questions(Resources(), state, np.full((16, 112, 112, 3), 18, np.uint8), shared=True)  # type: ignore[arg-type]
    assert Looking(questions).problem == "Too many questions."
    assert Looking(questions).problem == ""
    assert len(Looking(questions).waiting) == 1


def test_an_answer_that_comes_while_the_page_is_drawn_waits_for_its_next_run():
    state = loaded(size="small", layer="Mixed_3c")
    clip = np.full((16, 112, 112, 3), 17, np.uint8)
    jobs: list[ProbeJob] = []

    class Resources:
        def probe(self, request: ProbeRequest) -> ProbeJob:
            jobs.append(ProbeJob(request, lambda job: None))
            return jobs[-1]

    def drawn() -> Looking:
        return Looking(Questions(Resources(), state, clip, shared=True))  # type: ignore[arg-type]

    first = drawn()
    assert first.waiting == jobs
    best = tuple(FilterResponse("Mixed_3c", number, 1.0, 1.0, 9.0 - number) for number in range(8))
    jobs[0].finish(ProbeResult(state.network, (16, 112, 112), (), "", {"Mixed_3c": best}, {}, {}))
    assert first.found is None
    assert first.strongest_filters == ()
    assert first.map_jobs == []
    assert first.waiting == jobs[:1], "the page is drawn again"
    second = drawn()
    assert second.target == Target("Mixed_3c", 0)
    assert len(second.map_jobs) == SHOWN_FILTERS
    assert second.waiting == second.map_jobs  # the view asks for the first of them
    for job in second.waiting:
        job.finish(np.ones((8, 14, 14), np.float32))
    assert second.heat is None
    assert [second.answer(job) for job in second.map_jobs] == [None] * SHOWN_FILTERS
    assert drawn().waiting == []
    assert drawn().heat
