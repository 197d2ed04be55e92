"""Processes killed with signal 9: workers are replaced, a render that kills them is given up, none stay."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from c3dvis.queue import RenderJob, RenderQueue
from tests.processes import PATIENCE
from tests.queue.conftest import LONG, SMALL, Until, UntilRunning

PARENT = """
import sys, time
from c3dvis import RenderSpec, ResultStore
from c3dvis.queue import RenderQueue

queue = RenderQueue(ResultStore(sys.argv[1]))
job = queue.submit(RenderSpec.from_json(sys.argv[2]))
deadline = time.monotonic() + 600

def pids():
    return [worker.pid for worker in queue.status().workers if worker.pid]

while not (job.snapshot().step if sys.argv[3] == "rendering" else pids()):
    assert time.monotonic() < deadline, (job.snapshot(), queue.status())
    time.sleep(0.01)
print("tensorflow" in sys.modules, *pids(), flush=True)
sys.stdin.readline()
"""


def kill_worker_of(queue: RenderQueue, job: RenderJob) -> None:
    (worker,) = [w for w in queue.status().workers if w.address == job.worker]
    os.kill(worker.pid, signal.SIGKILL)


def test_a_worker_killed_in_a_render_is_replaced_and_the_render_finishes(
    queue: RenderQueue, until_running: UntilRunning
) -> None:
    before = queue.submit(SMALL.replace(filter=1, seed=1))
    assert before.wait(PATIENCE)
    job = queue.submit(SMALL.replace(filter=2, seed=1, iterations=400))
    until_running(job)
    kill_worker_of(queue, job)
    assert job.wait(PATIENCE), (job.snapshot(), queue.status())
    snapshot = job.snapshot()
    result = job.result()
    assert result is not None
    assert (snapshot.state, snapshot.step, snapshot.attempt) == ("done", result.history[-1]["step"], 2)
    assert "worker process was lost" in (snapshot.warning or "")
    assert before.result() is not None


def test_a_render_that_kills_every_worker_is_given_up_and_the_next_one_works(queue: RenderQueue, until: Until) -> None:
    poison, following = (
        queue.submit(LONG.replace(filter=3, seed=1)),
        queue.submit(SMALL.replace(filter=4, seed=1)),
    )
    for attempt in (1, 2):
        until(
            lambda n=attempt: poison.state == "running" and poison.snapshot().attempt == n,
            state=poison.snapshot,
        )
        until(lambda: poison.worker in [w.address for w in queue.status().workers if w.pid], state=queue.status)
        kill_worker_of(queue, poison)
    assert poison.wait(PATIENCE), poison.snapshot()
    assert poison.snapshot().state == "failed"
    assert "ended twice while rendering Conv3d_1a_7x7 · filter 3" in (poison.snapshot().error or "")
    assert following.wait(PATIENCE), (following.snapshot(), queue.status())
    assert (following.snapshot().state, following.snapshot().attempt) == ("done", 1)


def start(folder: Path, until: str) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """A program of its own, which has a queue and waits for a line, and the processes it has started."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(folder), LONG.to_json(), until],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert parent.stdout
    has_tensorflow, *pids = parent.stdout.readline().split()
    assert has_tensorflow == "False"
    children = psutil.Process(parent.pid).children(recursive=True)
    assert [int(pid) for pid in pids] == [child.pid for child in children]
    return parent, children


def test_a_program_killed_in_a_render_leaves_no_process(weights: Path, tmp_path: Path) -> None:
    parent, children = start(tmp_path, "rendering")
    with parent:
        parent.kill()
    assert psutil.wait_procs(children, timeout=PATIENCE)[1] == []


def test_a_program_that_ends_without_closing_its_queue_leaves_none_either(weights: Path, tmp_path: Path) -> None:
    parent, children = start(tmp_path, "connected")
    with parent:
        parent.communicate("end\n", timeout=PATIENCE)
    assert parent.returncode == 0
    assert psutil.wait_procs(children, timeout=PATIENCE)[1] == []
