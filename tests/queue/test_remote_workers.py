"""A Dask cluster that is not ours: real `dask scheduler` and `dask worker` processes, as docs/scaling.md has it."""

import threading
from collections import Counter
from pathlib import Path

import pytest

from bench.stand_in import Cluster
from c3dvis.errors import WeightsDamaged
from c3dvis.networks import registry
from c3dvis.networks.weights import installed_weights
from c3dvis.queue import RenderJob, RenderQueue
from c3dvis.results import ResultStore
from tests.processes import PATIENCE
from tests.queue.conftest import SMALL, Until


def test_workers_get_the_weights_they_lack_and_a_lost_ones_render_runs_elsewhere(
    weights: Path, tmp_path: Path, until: Until
) -> None:
    own = tmp_path / "of the workers"
    environment = {"C3DVIS_WEIGHTS_DIR": str(own), "C3DVIS_CACHE_DIR": str(tmp_path / "unused")}
    with (
        ResultStore(tmp_path / "cache") as store,
        Cluster(2, real=True, environment=environment) as cluster,
    ):
        queue = RenderQueue(store, scheduler=cluster.address)
        try:
            until(lambda: len([w for w in queue.status().workers if w.ready]) == 2, state=queue.status)
            assert not own.exists()
            jobs = [queue.submit(SMALL.replace(filter=number)) for number in range(4)]
            for job in jobs:
                assert job.wait(PATIENCE), (job.snapshot(), queue.status())
                assert job.state == "done", job.snapshot()
                assert store.get(job.spec) is not None
            (file,) = [path for path in own.rglob("*") if path.is_file() and path.name != ".lock"]
            assert file.read_bytes() == registry.describe(SMALL.network).weights_path.read_bytes()
            written = file.stat().st_mtime_ns

            long = [queue.submit(SMALL.replace(filter=9 + number, iterations=300)) for number in range(2)]
            until(lambda: all(job.snapshot().step for job in long), state=lambda: [job.snapshot() for job in long])
            lost = long[0]
            (pid,) = [worker.pid for worker in queue.status().workers if worker.address == lost.worker]
            cluster.kill_worker([process.pid for process in cluster.workers].index(pid))
            for job in long:
                assert job.wait(PATIENCE), (job.snapshot(), queue.status())
            assert [job.state for job in long] == ["done", "done"]
            assert lost.snapshot().attempt == 2
            assert file.stat().st_mtime_ns == written
        finally:
            queue.close()
        # a worker forgets a result once it has heard that it is stored, of the latest when the queue is closed
        until(lambda: not [path for path in (tmp_path / "unused").rglob("*") if path.is_file()])


def test_other_weights_than_the_dashboards_are_refused_before_any_work(
    weights: Path, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "of the workers" / "c3d-sports1m" / "c3d-sports1m.h5"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"other weights")
    here = tmp_path / "here" / "c3d-sports1m" / "c3d-sports1m.h5"
    here.parent.mkdir(parents=True)
    here.write_bytes(b"these weights")
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path / "here"))
    log = tmp_path / "renders.log"
    environment = {"C3DVIS_WEIGHTS_DIR": str(own.parents[1])}
    with ResultStore(tmp_path / "cache") as store, Cluster(1, 0.1, log=log, environment=environment) as cluster:
        queue = RenderQueue(store, scheduler=cluster.address)
        try:
            spec = SMALL.replace(network="c3d-sports1m", layer="conv1")
            job = queue.submit(spec)
            assert job.wait(PATIENCE), queue.status()
            assert job.state == "failed"
            assert "has other weights than the asking machine's" in str(job.error)
            assert not log.exists()
            own.unlink()
            again = queue.submit(spec)
            assert again.wait(PATIENCE), queue.status()
            assert again.state == "done", again.snapshot()
            assert own.read_bytes() == b"these weights"
        finally:
            queue.close()


def test_weights_that_changed_on_their_way_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path))
    info = registry.describe("i3d-kinetics400")
    with pytest.raises(WeightsDamaged, match="expected sha256 af5c50f0"):
        installed_weights.receive(info, b"something else")
    assert not installed_weights.present(info)


def test_two_people_asking_for_one_spec_make_one_render_and_a_page_goes_before_the_background(
    weights: Path, tmp_path: Path, until: Until
) -> None:
    log, hold = tmp_path / "renders.log", tmp_path / "hold"
    hold.write_text("")
    with ResultStore(tmp_path / "cache") as store, Cluster(1, 0.05, log=log, hold=hold) as cluster:
        queue = RenderQueue(store, scheduler=cluster.address)
        try:
            background = [queue.submit(SMALL.replace(filter=number), background=True) for number in range(6)]
            asked: list[RenderJob] = []
            ask = lambda: asked.append(queue.submit(SMALL.replace(filter=20)))  # noqa: E731
            people = [threading.Thread(target=ask) for _ in "ab"]
            for person in people:
                person.start()
            for person in people:
                person.join()
            forward = queue.submit(background[4].spec)
            assert forward is background[4]
            assert asked[0] is asked[1]
            hold.unlink()
            for job in (*background, *asked):
                assert job.wait(PATIENCE), queue.status()
                assert job.state == "done", job.snapshot()
            lines = [line for line in log.read_text().splitlines() if '"end"' in line]
            order = [next(job for job in (*background, *asked) if job.key in line) for line in lines]
            assert len(order) == 7
            assert order.index(asked[0]) < order.index(forward) < order.index(background[5])
            assert max(Counter(job.key for job in order).values()) == 1
        finally:
            queue.close()
