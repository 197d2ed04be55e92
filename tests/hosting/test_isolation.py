"""Renders that hang, are killed or take too much memory end alone: their worker is replaced and the queue goes on."""

import signal

import psutil

from c3dvis.errors import RenderFailed, WorkerLost
from c3dvis.queue import RenderJob
from c3dvis.server_settings import ServerSettings, Workers
from tests.hosting.conftest import MakeQueue, worker_process
from tests.processes import PATIENCE
from tests.queue.conftest import LONG, SMALL, Until, UntilRunning

SOON = 8.0  # seconds without a sign of life; a busy machine delays heartbeats by seconds


def failed(job: RenderJob) -> str:
    """The message of a job that fails."""
    assert job.wait(PATIENCE), job.snapshot()
    assert job.state == "failed", job.snapshot()
    return job.snapshot().error or ""


def test_stopped_workers_and_those_that_need_too_much_memory_are_replaced_and_the_queue_goes_on(
    make_queue: MakeQueue, until: Until, until_running: UntilRunning
) -> None:
    queue = make_queue(ServerSettings(workers=Workers(step_seconds=SOON, memory_gb=1.2)))
    until(lambda: queue.status().state == "ready", state=queue.status)
    job, following = queue.submit(LONG.replace(filter=1)), queue.submit(SMALL.replace(filter=2))
    until_running(job)
    rendering = worker_process(queue)
    rendering.send_signal(signal.SIGSTOP)
    assert "at 8 × 32 × 32 did not answer for 8 s, so the render was given up" in failed(job)
    assert isinstance(job.error, WorkerLost)
    assert following.wait(PATIENCE), (following.snapshot(), queue.status())
    assert (following.state, following.snapshot().attempt) == ("done", 1)
    assert not psutil.pid_exists(rendering.pid)

    idle = worker_process(queue)
    idle.send_signal(signal.SIGSTOP)
    large = queue.submit(SMALL.replace(filter=3, frames=64, height=256, width=256))
    waiting = queue.submit(SMALL.replace(filter=4))
    message = failed(large)
    assert not psutil.pid_exists(idle.pid)
    assert isinstance(large.error, RenderFailed)
    assert "at 64 × 256 × 256 was given up: its worker needed " in message
    assert message.endswith(" of memory, of at most 1.20 GB. Make frames, height or width smaller.")
    assert waiting.wait(PATIENCE), (waiting.snapshot(), queue.status())
    assert waiting.state == "done", waiting.snapshot()


def test_low_profile_has_a_worker_only_while_there_is_something_to_render(make_queue: MakeQueue, until: Until) -> None:
    queue = make_queue(ServerSettings(workers=Workers(profile="low", idle_minutes=0.02)))
    until(lambda: queue.status().state == "asleep", state=queue.status)
    children = {child.pid for child in psutil.Process().children(recursive=True)}
    job = queue.submit(SMALL.replace(filter=7))
    assert job.wait(PATIENCE), (job.snapshot(), queue.status())
    assert job.state == "done", job.snapshot()
    (worker,) = {child.pid for child in psutil.Process().children(recursive=True)} - children
    until(lambda: queue.status().state == "asleep" and not psutil.pid_exists(worker), state=queue.status)
    assert queue.status().problem is None
