"""One real queue with one real worker for most of these tests; starting TensorFlow is what takes time."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from c3dvis.queue import RenderJob, RenderQueue
from c3dvis.results import ResultStore
from c3dvis.spec import RenderSpec
from tests.processes import PATIENCE

Until = Callable[..., None]
UntilRunning = Callable[[RenderJob], None]

SMALL = RenderSpec(layer="Conv3d_1a_7x7", filter=0, frames=8, height=32, width=32, iterations=4)
LONG = SMALL.replace(iterations=4096)


@pytest.fixture(scope="session")
def until() -> Until:
    """Waits until a condition holds, and fails with its state when it does not within the time."""

    def wait(
        condition: Callable[[], object], seconds: float = PATIENCE, state: Callable[[], object] = lambda: ""
    ) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {PATIENCE} s: {state()}"
            time.sleep(0.01)

    return wait


@pytest.fixture(scope="session")
def until_running(until: Until) -> UntilRunning:
    """Waits until a job has made its first steps."""

    def wait(job: RenderJob) -> None:
        until(lambda: job.is_finished or job.snapshot().step, state=job.snapshot)
        assert job.snapshot().state == "running", job.snapshot()

    return wait


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ResultStore]:
    """Where the shared queue puts its results."""
    store = ResultStore(tmp_path_factory.mktemp("queue-store"))
    yield store
    store.close()


@pytest.fixture(scope="session")
def shared_queue(store: ResultStore, weights: Path) -> Iterator[RenderQueue]:
    """The shared queue, its worker warm."""
    queue = RenderQueue(store)
    yield queue
    queue.close()


@pytest.fixture
def queue(shared_queue: RenderQueue, until: Until) -> Iterator[RenderQueue]:
    """The shared queue, with a worker ready and nothing left in it by an earlier test."""
    until(lambda: shared_queue.status().state == "ready", state=shared_queue.status)
    yield shared_queue
    for job in shared_queue.jobs():
        job.cancel()


@pytest.fixture
def worker(queue: RenderQueue) -> psutil.Process:
    """The process of the queue's one worker."""
    (status,) = queue.status().workers
    return psutil.Process(status.pid)
