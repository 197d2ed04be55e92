"""A worker takes a result apart: the parts are stored with it, and one job serves all who ask."""

from typing import Any

import numpy as np
import pytest

from c3dvis.errors import QueueClosed, RenderFailed, StoreError
from c3dvis.queue import RenderQueue, texture_motion_key
from c3dvis.results import RenderResult, ResultStore
from tests.processes import PATIENCE
from tests.queue.conftest import SMALL


@pytest.fixture(scope="module")
def rendered(shared_queue: RenderQueue) -> RenderResult:
    job = shared_queue.submit(SMALL.replace(filter=5, iterations=16))
    assert job.wait(PATIENCE), job.snapshot()
    result = job.result()
    assert result
    return result


def test_a_worker_takes_a_result_apart(queue: RenderQueue, store: ResultStore, rendered: RenderResult) -> None:
    jobs = {queue.take_apart(rendered) for _ in range(3)}
    (job,) = jobs
    assert job.result_key == rendered.key
    assert queue.job(texture_motion_key(rendered.key)) is job
    assert job.wait(PATIENCE), job.snapshot()
    snapshot = job.snapshot()
    assert (snapshot.state, snapshot.error, snapshot.step) == ("done", None, snapshot.steps)
    stored = store.get(rendered.spec)
    assert stored
    assert stored.texture_motion
    assert stored.metrics["rebuilt_share"]
    np.testing.assert_array_equal(stored.clip, rendered.clip)
    render_job = queue.job(rendered.key)
    assert render_job
    assert render_job is not job
    result = render_job.result()
    assert result
    assert result.texture_motion


def test_an_error_is_told_and_the_result_stays(
    queue: RenderQueue, store: ResultStore, rendered: RenderResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = store.get(rendered.spec)
    monkeypatch.setattr("c3dvis.queue.dispatcher.ALGORITHM_VERSION", 0)
    job = queue.take_apart(rendered)
    assert job.wait(PATIENCE), job.snapshot()
    assert isinstance(job.error, RenderFailed)
    assert "Install the same c3dvis on both" in str(job.error)
    after = store.get(rendered.spec)
    assert before
    assert after
    assert after.to_bytes() == before.to_bytes()


def test_a_result_that_the_store_refuses_is_shown(
    queue: RenderQueue, store: ResultStore, rendered: RenderResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise StoreError("The disk is full.")

    monkeypatch.setattr(store, "put", refuse)
    job = queue.take_apart(rendered)
    assert job.wait(PATIENCE), job.snapshot()
    assert "The disk is full." in (job.snapshot().warning or "")
    result = job.result()
    assert result
    assert result.texture_motion


def test_a_closed_queue_takes_nothing_apart(store: ResultStore, rendered: RenderResult) -> None:
    closed = RenderQueue(store, scheduler="tcp://127.0.0.1:9")
    closed.close()
    with pytest.raises(QueueClosed):
        closed.take_apart(rendered)
