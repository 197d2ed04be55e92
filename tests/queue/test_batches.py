"""Filters of one layer that go to a worker together, and what becomes of the others when one of them does not."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import c3dvis
from bench.stand_in import Cluster
from c3dvis.errors import UnknownNetwork
from c3dvis.maximize.schedule import batch_size
from c3dvis.networks.compute.device import describe_device
from c3dvis.networks.registry import describe
from c3dvis.queue import RenderJob, RenderQueue, dispatcher
from c3dvis.results import ResultStore
from tests.processes import PATIENCE
from tests.queue.conftest import SMALL, Until

FAILING = 5
FIRST = 60
"""The filter that keeps the device busy."""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "renders.log"


@pytest.fixture
def hold(tmp_path: Path) -> Path:
    """While this file exists, a render stops after its first step, unless its filter is in the file."""
    hold = tmp_path / "hold"
    hold.write_text("")
    return hold


@pytest.fixture
def cluster(weights: Path, log: Path, hold: Path) -> Iterator[Cluster]:
    """One device that takes batches."""
    with Cluster(1, 0.1, log=log, fails=(FAILING,), hold=hold, kind="GPU") as cluster:
        yield cluster


@pytest.fixture
def queue(cluster: Cluster, tmp_path: Path, until: Until) -> Iterator[RenderQueue]:
    """A dashboard's queue on it."""
    with ResultStore(tmp_path / "cache") as store:
        queue = RenderQueue(store, scheduler=cluster.address)
        until(lambda: any(worker.ready for worker in queue.status().workers), state=queue.status)
        yield queue
        queue.close()


def submit(queue: RenderQueue, numbers: range) -> list[RenderJob]:
    """In the background, behind one that keeps the device busy meanwhile."""
    first = queue.submit(SMALL.replace(filter=FIRST))
    jobs = [queue.submit(SMALL.replace(filter=number), background=True) for number in numbers]
    return [first, *jobs]


def logged(log: Path, event: str) -> list[tuple[str, int]]:
    """(key, renders in its batch) of each render that started, or that ended."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [(line["key"], line["batch_size"]) for line in lines if line["event"] == event]


def test_what_nobody_waits_for_goes_in_batches(queue: RenderQueue, log: Path, hold: Path) -> None:
    jobs = submit(queue, range(10, 20))
    other = queue.submit(SMALL.replace(filter=20, seed=1), background=True)
    hold.unlink()
    for job in (*jobs, other):
        assert job.wait(PATIENCE), job.snapshot()
        assert job.state == "done", job.snapshot()
    assert logged(log, "end") == [
        (jobs[0].key, 1), *((job.key, 8) for job in jobs[1:9]), *((job.key, 2) for job in jobs[9:]), (other.key, 1)
    ]  # fmt: skip
    assert [job.snapshot().batch_size for job in jobs] == [1, *[8] * 8, 2, 2]
    assert [job.snapshot().step for job in jobs] == [10] * 11
    result = jobs[3].result()
    assert result is not None
    assert result.spec == jobs[3].spec


def test_one_that_fails_fails_alone(queue: RenderQueue, log: Path, hold: Path) -> None:
    jobs = submit(queue, range(3, 7))
    hold.unlink()
    for job in jobs:
        assert job.wait(PATIENCE), job.snapshot()
    assert [job.state for job in jobs] == ["done", "done", "done", "failed", "done"]
    assert "this filter was to fail" in str(jobs[3].error)
    assert Counter(logged(log, "start"))[jobs[3].key, 1] == 1
    assert sorted(Counter(key for key, _ in logged(log, "end")).values()) == [1] * 4


def test_one_that_is_cancelled_leaves_the_others_and_all_leave_the_device(
    queue: RenderQueue, log: Path, hold: Path, until: Until
) -> None:
    jobs = submit(queue, range(10, 14))
    hold.write_text(str(FIRST))
    until(lambda: jobs[1].snapshot().step, state=jobs[1].snapshot)
    assert jobs[2].cancel()
    hold.unlink()
    for job in jobs:
        assert job.wait(PATIENCE), job.snapshot()
    assert [job.state for job in jobs] == ["done", "done", "cancelled", "done", "done"]
    again = queue.submit(jobs[2].spec)
    assert again.wait(PATIENCE)
    assert again.state == "done"
    hold.write_text(f"{FIRST},30")
    rest = submit(queue, range(20, 24))[1:]
    until(lambda: rest[0].snapshot().step, state=rest[0].snapshot)
    for job in rest:
        job.cancel()
    last = queue.submit(SMALL.replace(filter=30))
    assert last.wait(PATIENCE)
    assert not {job.key for job in rest} & {key for key, _ in logged(log, "end")}


def test_a_network_that_went_meanwhile_fails_its_renders_and_nothing_else(
    queue: RenderQueue, hold: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(name: str) -> None:
        raise UnknownNetwork(f"There is no network {name}.")

    first, *jobs = submit(queue, range(10, 14))
    until(lambda: first.state == "running", state=first.snapshot)
    monkeypatch.setattr(dispatcher, "describe", gone)
    hold.unlink()
    for job in jobs:
        assert job.wait(PATIENCE), (job.snapshot(), queue.status())
        assert "There is no network i3d-kinetics400." in str(job.error)
    monkeypatch.undo()
    assert first.wait(PATIENCE)
    again = queue.submit(jobs[0].spec)
    assert again.wait(PATIENCE)
    assert (first.state, again.state) == ("done", "done")
    assert first.snapshot().attempt == 1


def test_a_lost_workers_batch_is_rendered_elsewhere(
    queue: RenderQueue, cluster: Cluster, log: Path, hold: Path, until: Until
) -> None:
    jobs = submit(queue, range(10, 18))
    hold.write_text(str(FIRST))
    until(lambda: jobs[1].snapshot().step, state=jobs[1].snapshot)
    cluster.kill_worker(0)
    cluster.start_worker()
    hold.unlink()
    for job in jobs:
        assert job.wait(PATIENCE), (job.snapshot(), queue.status())
        assert job.state == "done", job.snapshot()
    assert all(job.snapshot().attempt == 2 for job in jobs[1:])
    assert max(Counter(key for key, _ in logged(log, "start")).values()) == 2


def test_a_batch_that_kills_its_workers_is_tried_one_by_one(
    queue: RenderQueue, cluster: Cluster, log: Path, hold: Path, until: Until
) -> None:
    """Which of them did it shows only then."""
    jobs = submit(queue, range(10, 14))
    hold.write_text(str(FIRST))
    until(lambda: jobs[1].snapshot().step, state=jobs[1].snapshot)
    for attempt in range(1, 5):  # Dask's scheduler, started as docs/scaling.md has it, allows three
        until(lambda attempt=attempt: jobs[1].snapshot().attempt == attempt, state=jobs[1].snapshot)
        assert jobs[1].snapshot().batch_size == 4
        cluster.kill_worker(0)
        cluster.start_worker()
    hold.unlink()
    for job in jobs:
        assert job.wait(PATIENCE), (job.snapshot(), queue.status())
        assert job.state == "done", job.snapshot()
    assert {batch_size for _, batch_size in logged(log, "end")} == {1}
    assert [job.snapshot().attempt for job in jobs[1:]] == [5] * 4


def test_on_a_cpu_the_atlas_does_and_a_page_does_not(weights: Path, tmp_path: Path, until: Until) -> None:
    """Real renders: a page would wait for a whole batch, which takes a CPU as long as one after another."""
    specs = [SMALL.replace(layer="Mixed_3b", filter=number, iterations=24) for number in range(4)]
    device = describe_device()
    expected = batch_size(specs[0], describe(specs[0].network), str(device["kind"]), str(device["precision"]))
    with Cluster(1, real=True) as cluster:
        for patient in (False, True):
            with ResultStore(tmp_path / str(patient)) as store:
                queue = RenderQueue(store, scheduler=cluster.address, patient=patient)
                until(lambda queue=queue: any(worker.ready for worker in queue.status().workers), state=queue.status)
                first = queue.submit(SMALL.replace(iterations=200))
                jobs = [queue.submit(spec, background=True) for spec in specs]
                for job in (first, *jobs):
                    assert job.wait(PATIENCE), (job.snapshot(), queue.status())
                results = [job.result() for job in jobs]
                queue.close()
            counts = {result.provenance["batch_size"] for result in results if result}
            assert counts == {min(4, expected) if patient or device["kind"] == "GPU" else 1}
            if device["precision"] == "bfloat16" and device["kind"] == "CPU":
                for spec, result in zip(specs, results, strict=True):
                    assert result is not None
                    np.testing.assert_array_equal(result.clip, c3dvis.render(spec).clip)
