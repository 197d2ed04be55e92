"""Order, deduplication, cancelling and the way of a result, on a real worker with real small renders."""

import gc
import threading
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from distributed import Client
from distributed.scheduler import TaskGroup, TaskState

from c3dvis.errors import InvalidSpec, QueueClosed, UnknownLayer, UnknownNetwork
from c3dvis.networks.registry import describe
from c3dvis.networks.weights import installed_weights
from c3dvis.queue import RenderJob, RenderQueue, dispatcher, worker_tasks
from c3dvis.queue.outbox import Outbox
from c3dvis.results import ResultStore
from tests.processes import PATIENCE
from tests.queue.conftest import LONG, SMALL, Until, UntilRunning


def key(spec: worker_tasks.RenderSpec) -> str:
    return spec.key(installed_weights.fingerprint(describe(spec.network)))


def test_a_render_runs_reports_and_is_stored(queue: RenderQueue, store: ResultStore) -> None:
    spec = SMALL.replace(filter=1, iterations=30)
    job = queue.submit(spec)
    assert job.wait(PATIENCE), job.snapshot()
    snapshot = job.snapshot()
    assert (snapshot.state, snapshot.error, snapshot.warning, snapshot.attempt) == ("done", None, None, 1)
    assert (snapshot.step, snapshot.steps, snapshot.position, snapshot.preview) == (30, 30, None, None)
    assert snapshot.seconds > 0
    result, stored = job.result(), store.get(spec)
    assert result is not None
    assert stored is not None
    assert result.key == stored.key == job.key == key(spec)
    assert np.array_equal(result.clip, stored.clip)
    assert [p["step"] for p in snapshot.curve] == [p["step"] for p in result.history]


def test_one_search_finds_all_variants_of_a_spec(queue: RenderQueue, store: ResultStore) -> None:
    spec = SMALL.replace(filter=1, iterations=12, variants=2)
    first, second = queue.submit(spec), queue.submit(spec.replace(variant=1))
    assert first.wait(PATIENCE), first.snapshot()
    assert second.wait(1)
    assert (first.snapshot().state, second.snapshot().state) == ("done", "done")
    assert second.snapshot().step == 0  # no worker has begun it
    clips = [result.clip for variant in (0, 1) if (result := store.get(spec.replace(variant=variant)))]
    assert len(clips) == 2
    assert not np.array_equal(clips[0], clips[1])
    assert second.result() is not None


def test_status_names_the_device_and_the_worker(
    queue: RenderQueue, worker: psutil.Process, until_running: UntilRunning
) -> None:
    status = queue.status()
    assert (status.state, status.problem, status.queued, status.running) == ("ready", None, 0, 0)
    (shown,) = status.workers
    assert shown.ready
    assert not shown.busy
    assert shown.device.startswith(("CPU, ", "NVIDIA"))
    assert shown.versions["tensorflow"].startswith("2.")
    assert 100e6 < shown.memory_bytes < 4e9
    job = queue.submit(LONG.replace(filter=2))
    until_running(job)
    assert queue.status().running == 1
    assert queue.status().workers[0].busy


def test_the_scheduler_keeps_nothing_of_finished_renders(queue: RenderQueue, until: Until) -> None:
    def kept() -> int:
        gc.collect()
        return sum(isinstance(each, (TaskGroup, TaskState)) for each in gc.get_objects())

    def render(filters: range) -> None:
        for number in filters:  # one after the other: what runs at the same time is one record to the scheduler
            job = queue.submit(SMALL.replace(filter=number, seed=9))
            assert job.wait(PATIENCE), job.snapshot()

    render(range(2))
    before = kept()
    render(range(2, 10))
    until(lambda: kept() <= before + 2, state=kept)


def test_nothing_listens_outside_loopback(queue: RenderQueue, worker: psutil.Process) -> None:
    for process in (psutil.Process(), worker):
        listening = [c.laddr.ip for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN]
        assert listening
        assert set(listening) == {"127.0.0.1"}


def test_one_run_however_many_ask(queue: RenderQueue, store: ResultStore) -> None:
    specs = [SMALL.replace(filter=10 + i) for i in range(3)]
    jobs: list[RenderJob] = []
    start = threading.Barrier(12)

    def ask(i: int) -> None:
        start.wait()
        jobs.append(queue.submit(specs[i % 3]))

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(jobs) == 12
    assert len({id(job) for job in jobs}) == len({job.key for job in jobs}) == 3
    for job in jobs:
        assert job.wait(PATIENCE), job.snapshot()
        assert job.snapshot().state == "done"
    again = queue.submit(specs[0])
    assert again.is_finished
    assert again is queue.job(key(specs[0]))
    assert again.snapshot().attempt == 1


def test_what_is_stored_is_done_without_a_run(queue: RenderQueue, store: ResultStore) -> None:
    spec = SMALL.replace(filter=15)
    first = queue.submit(spec)
    assert first.wait(PATIENCE)
    with_same_store = RenderQueue(store)
    try:
        job = with_same_store.submit(spec)
        assert job.snapshot().state == "done"
        assert job.result() is not None
    finally:
        with_same_store.close()


def test_places_in_the_queue_and_cancelling_a_queued_one(queue: RenderQueue, until_running: UntilRunning) -> None:
    first, second, third = (queue.submit(LONG.replace(filter=20 + i)) for i in range(3))
    until_running(first)
    preview = first.snapshot().preview
    assert preview is not None
    assert preview.shape == (8, 32, 32, 3)
    assert [job.snapshot().position for job in (first, second, third)] == [None, 1, 2]
    assert queue.jobs()[:3] == [first, second, third]
    assert (queue.status().running, queue.status().queued) == (1, 2)
    assert second.cancel()
    assert second.snapshot().state == "cancelled"
    assert third.snapshot().position == 1
    assert first.snapshot().state == "running"
    again = queue.submit(second.spec)
    assert again is not second
    assert again.snapshot().position == 2
    assert queue.job(second.key) is again


def test_cancelling_a_running_one_frees_the_worker(
    queue: RenderQueue, worker: psutil.Process, until_running: UntilRunning
) -> None:
    job, following = queue.submit(LONG.replace(filter=30)), queue.submit(SMALL.replace(filter=31))
    until_running(job)
    assert job.cancel()
    assert job.wait(0)
    assert job.result() is None
    assert following.wait(PATIENCE), following.snapshot()
    assert following.snapshot().state == "done"
    assert worker.is_running()
    again = queue.submit(job.spec)
    assert again is not job
    until_running(again)


def test_dask_keeps_nothing_of_a_finished_render(queue: RenderQueue, worker: psutil.Process, until: Until) -> None:
    assert queue.submit(SMALL.replace(filter=35)).wait(PATIENCE)
    address = worker.cmdline()[-1]
    with Client(address, set_as_default=False) as dask:
        client: Any = dask

        def tasks() -> list[str]:
            return client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.tasks))

        until(lambda: not tasks(), state=tasks)
        assert list(client.has_what().values()) == [()]


def test_a_scheduler_of_ones_own(
    queue: RenderQueue, worker: psutil.Process, tmp_path: Path, until_running: UntilRunning
) -> None:
    store = ResultStore(tmp_path)
    elsewhere = RenderQueue(store, scheduler=worker.cmdline()[-1])
    try:
        job = elsewhere.submit(SMALL.replace(filter=40))
        assert job.wait(PATIENCE), (job.snapshot(), elsewhere.status())
        assert job.snapshot().state == "done"
        assert store.get(job.spec) is not None
        assert [w.pid for w in elsewhere.status().workers] == [worker.pid]
        running = elsewhere.submit(LONG.replace(filter=41))
        until_running(running)
    finally:
        elsewhere.close()
        store.close()
    assert running.snapshot().state == "failed"
    # The worker is not that queue's to end, and gives up the render that no one wants any more.
    following = queue.submit(SMALL.replace(filter=42))
    assert following.wait(PATIENCE), following.snapshot()
    assert worker.is_running()


def test_an_unreachable_scheduler_is_reported(store: ResultStore, until: Until) -> None:
    queue = RenderQueue(store, scheduler="tcp://127.0.0.1:9")
    try:
        job = queue.submit(SMALL.replace(filter=45))
        until(lambda: queue.status().state == "lost", state=queue.status)
        assert "tcp://127.0.0.1:9 cannot be used" in (queue.status().problem or "")
        assert job.snapshot().position == 1
    finally:
        queue.close()
    assert job.snapshot().error == "The program was closed before this render was finished."


def test_each_device_gets_a_worker_of_its_own(
    store: ResultStore, weights: Path, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    queue = RenderQueue(store)
    try:
        until(lambda: len([w for w in queue.status().workers if w.pid]) == 2, state=queue.status)
        environments = [psutil.Process(w.pid).environ() for w in queue.status().workers]
        assert sorted(e["CUDA_VISIBLE_DEVICES"] for e in environments) == ["0", "1"]
        assert {e["C3DVIS_WEIGHTS_DIR"] for e in environments} == {str(weights)}
        jobs = [queue.submit(LONG.replace(filter=46 + i)) for i in range(3)]
        until(lambda: queue.status().running == 2, state=queue.status)
        assert {jobs[0].worker, jobs[1].worker} == {w.address for w in queue.status().workers}
        assert jobs[2].snapshot().position == 1
    finally:
        queue.close()


def test_what_a_network_cannot_do_is_refused_at_once(queue: RenderQueue) -> None:
    with pytest.raises(UnknownNetwork):
        queue.submit(SMALL.replace(network="resnet"))
    with pytest.raises(UnknownLayer):
        queue.submit(SMALL.replace(layer="conv9"))
    with pytest.raises(InvalidSpec, match="filters 0 to 63"):
        queue.submit(SMALL.replace(filter=64))


def test_an_error_of_the_worker_arrives_as_its_sentence(queue: RenderQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "ALGORITHM_VERSION", 0)  # as a dashboard of another version would ask
    job = queue.submit(SMALL.replace(filter=50))
    assert job.wait(PATIENCE), job.snapshot()
    assert job.snapshot().state == "failed"
    assert "Install the same c3dvis on both." in (job.snapshot().error or "")
    monkeypatch.undo()
    again = queue.submit(job.spec)
    assert again.wait(PATIENCE)
    assert again.snapshot().state == "done"


def test_an_unexpected_error_becomes_a_sentence_with_details(worker: psutil.Process) -> None:
    with Client(worker.cmdline()[-1], set_as_default=False) as client:
        future = client.submit(
            worker_tasks.render, [3], worker_tasks.ALGORITHM_VERSION, "", resources={"device": 1}, pure=False
        )
        (outcome,) = future.result(timeout=PATIENCE)
    assert outcome.blob is None
    assert "unexpected TypeError" in str(outcome.error)
    assert "\n" not in str(outcome.error)
    assert "Traceback" in outcome.details


def test_a_result_the_store_refuses_is_shown_and_kept_in_memory(
    queue: RenderQueue, worker: psutil.Process, tmp_path: Path
) -> None:
    (tmp_path / "results").write_text("in the way of the store's folder")
    store = ResultStore(tmp_path)
    unable = RenderQueue(store, scheduler=worker.cmdline()[-1])
    try:
        job = unable.submit(SMALL.replace(filter=60))
        assert job.wait(PATIENCE), job.snapshot()
        snapshot = job.snapshot()
        assert (snapshot.state, snapshot.error) == ("done", None)
        assert (snapshot.warning or "").startswith("The result is shown but not kept.")
        result = job.result()
        assert result is not None
        assert result.clip.shape == (8, 32, 32, 3)
        assert unable.submit(job.spec) is job
    finally:
        unable.close()
        store.close()
    assert Outbox().find(job.key) is not None  # the worker keeps it for whoever can store it
    Outbox().delete([job.key])


def test_finished_jobs_do_not_pile_up(queue: RenderQueue, until: Until) -> None:
    until(lambda: not queue.status().running)
    jobs = [queue.submit(LONG.replace(filter=1, seed=i)) for i in range(300)]
    for job in jobs:
        assert job.cancel()
    assert len(queue.jobs()) <= 256
    assert queue.job(jobs[0].key) is None
    assert queue.job(jobs[-1].key) is jobs[-1]


def test_a_closed_queue_takes_no_more(tmp_path: Path) -> None:
    queue = RenderQueue(ResultStore(tmp_path))
    job = queue.submit(SMALL)
    queue.close()
    queue.close()
    assert job.wait(0)
    assert job.snapshot().state == "failed"
    with pytest.raises(QueueClosed):
        queue.submit(SMALL)
