"""Visitors take turns: a model of the order, and the real queue with a visitor who queues all that is allowed."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from distributed import Client
from hypothesis import given
from hypothesis import strategies as st

from bench.stand_in import Cluster
from c3dvis.errors import LimitReached
from c3dvis.probe import ProbeRequest, Target
from c3dvis.queue import RenderQueue, Requester
from c3dvis.queue.fair_order import FairOrder
from c3dvis.queue.render_job import MeasurementTime, RenderJob
from c3dvis.results import ResultStore
from c3dvis.server_settings import Limits, ServerSettings
from tests.processes import PATIENCE
from tests.queue.conftest import SMALL, Until

GREEDY, PATIENT, THIRD = Requester("greedy"), Requester("patient"), Requester("third")


def job(number: int, visitor: str, background: bool = False) -> RenderJob:
    made = RenderJob(
        str(number), SMALL, number,
        position=lambda _: None, stop=lambda _: None, fetch=lambda _: None, measurement_time=MeasurementTime(),
    )  # fmt: skip
    made.visitors, made.background = (visitor,), background
    return made


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_visitors_take_turns(acts: list[tuple[int, bool, bool]]) -> None:
    order = FairOrder()
    waiting: list[RenderJob] = []
    counts: dict[str, Counter[str]] = {}  # renders of each other visitor since one joined or had a turn

    def serve() -> None:
        first = order.sorted(waiting)[0]
        name = first.visitors[0]
        assert first is min((each for each in waiting if each.visitors == (name,)), key=lambda each: each.rank)
        order.serve(first)
        waiting.remove(first)
        counts[name] = Counter()
        for other in {each.visitors[0] for each in waiting} - {name}:
            counts[other][name] += 1
            background = all(each.background for each in waiting if each.visitors == (other,))
            assert counts[other][name] <= 1 + background, f"{name} had several turns while {other} waited"
        order.forget_all_but({each.visitors[0] for each in waiting})

    for number, (visitor, background, serves) in enumerate(acts):
        name = f"visitor {visitor}"
        if not any(each.visitors == (name,) for each in waiting):
            counts[name] = Counter()
        order.join(name)
        waiting.append(job(number, name, background))
        if serves:
            serve()
    while waiting:
        serve()


@pytest.fixture
def cluster(tmp_path: Path):
    """One simulated device that renders the filter named in the file `hold` alone beyond its first step."""
    with Cluster(workers=1, seconds=0.05, hold=tmp_path / "hold", log=tmp_path / "log") as cluster:
        yield cluster


def queue_on(cluster: Cluster, store: ResultStore, limits: Limits) -> RenderQueue:
    return RenderQueue(store, scheduler=cluster.address, settings=ServerSettings(limits=limits))


def test_a_visitor_who_queues_all_that_is_allowed_delays_another_by_one_render(
    cluster: Cluster, tmp_path: Path, until: Until, weights: Path
) -> None:
    (tmp_path / "hold").write_text("none")
    with ResultStore(tmp_path / "store") as store:
        queue = queue_on(cluster, store, Limits(visitor_waiting=8, visitor_per_hour=10))
        try:
            greedy = [queue.submit(SMALL.replace(filter=i), visitor=GREEDY) for i in range(8)]
            with pytest.raises(LimitReached, match="8 of your renders wait or run, and this server allows a visitor 8"):
                queue.submit(SMALL.replace(filter=8), visitor=GREEDY)
            until(lambda: greedy[0].state == "running", state=queue.status)
            late = queue.submit(SMALL.replace(filter=20), visitor=PATIENT)
            later = queue.submit(SMALL.replace(filter=21), visitor=PATIENT)
            background = queue.submit(SMALL.replace(filter=22), visitor=THIRD, background=True)
            joined = queue.submit(greedy[7].spec, visitor=THIRD)
            assert joined is greedy[7]
            places = [each.snapshot().position for each in (late, joined, greedy[1], later, background)]
            assert places == [1, 2, 3, 4, 5], "the visitors take turns"
            waiting = [each for each in queue.jobs() if each.state == "queued"]
            assert waiting[:2] == [late, joined]
            (tmp_path / "hold").unlink()
            for each in (*greedy, late, later, background):
                assert each.wait(PATIENCE), each.snapshot()
            started = [line for line in (tmp_path / "log").read_text().splitlines() if '"start"' in line]
            order = [
                next(i for i, line in enumerate(started) if each.key in line) for each in (greedy[0], late, joined)
            ]
            assert order == [0, 1, 2]
            for number in (30, 31):
                queue.submit(SMALL.replace(filter=number), visitor=GREEDY)
            with pytest.raises(LimitReached, match=r"You have started 10 renders within an hour.*possible in 60 min"):
                queue.submit(SMALL.replace(filter=32), visitor=GREEDY)
            assert queue.submit(greedy[3].spec, visitor=GREEDY).state == "done", "nothing stored is refused"
        finally:
            queue.close()


def test_questions_about_clips_are_limited_and_take_turns(
    cluster: Cluster, tmp_path: Path, until: Until, weights: Path
) -> None:
    def question(number: int) -> ProbeRequest:
        clip = np.zeros((8, 32, 32, 3), np.uint8)
        return ProbeRequest("i3d-kinetics400", clip, "layer_means", Target("Conv3d_2b_1x1", number))

    def known() -> int:
        return client.run_on_scheduler(lambda dask_scheduler: sum("probe" in key for key in dask_scheduler.tasks))  # type: ignore[return-value]

    (tmp_path / "hold").write_text("none")
    with ResultStore(tmp_path / "store") as store, Client(cluster.address) as client:
        queue = queue_on(cluster, store, Limits(visitor_probes=6, visitor_probes_per_hour=7))
        try:
            greedy = [queue.probe(question(number), visitor=GREEDY) for number in range(6)]
            with pytest.raises(LimitReached, match=r"6 of your questions about clips wait .* allows a visitor 6 at"):
                queue.probe(question(6), visitor=GREEDY)
            until(lambda: known() == 6, state=queue.status)
            late = queue.probe(question(20), visitor=PATIENT)
            until(lambda: known() == 7, state=queue.status)
            (tmp_path / "hold").unlink()
            for job in (*greedy, late):
                assert job.wait(PATIENCE)
                assert job.result().shape == (64,)
            answered = [json.loads(line)["key"] for line in (tmp_path / "log").read_text().splitlines()]
            assert answered.index("20") < answered.index("4"), answered
            queue.probe(question(7), visitor=GREEDY)
            with pytest.raises(LimitReached, match=r"You have asked 7 questions about clips within an hour.*in 60 min"):
                queue.probe(question(8), visitor=GREEDY)
            queue.probe(question(9))  # the program itself
        finally:
            queue.close()


def test_limits_of_address_queue_and_work(cluster: Cluster, tmp_path: Path, weights: Path) -> None:
    (tmp_path / "hold").write_text("none")
    limits = Limits(address_per_hour=2, queue_waiting=3, render_work=0.001)
    with ResultStore(tmp_path / "store") as store:
        queue = queue_on(cluster, store, limits)
        try:
            with pytest.raises(
                LimitReached, match=r"it needs 0\.\d+ million million multiplications, of at most 0\.001"
            ):
                queue.submit(SMALL.replace(iterations=4096), visitor=GREEDY)
            for number in range(2):
                queue.submit(SMALL.replace(filter=number), visitor=Requester(f"cookie {number}", "192.0.2.7"))
            with pytest.raises(LimitReached, match="Visitors from your network have started 2 renders within an hour"):
                queue.submit(SMALL.replace(filter=2), visitor=Requester("cookie 2", "192.0.2.7"))
            queue.submit(SMALL.replace(filter=2), visitor=Requester("cookie 2", "192.0.2.8"))
            with pytest.raises(LimitReached, match="The queue is full: 3 renders wait or run, of at most 3"):
                queue.submit(SMALL.replace(filter=3), visitor=PATIENT)
            assert queue.submit(SMALL.replace(filter=3, iterations=4096)).state == "queued", (
                "the program is not limited"
            )
        finally:
            queue.close()
