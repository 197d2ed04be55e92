"""Connects to the workers: a Dask cluster of this program's own, or the one at a scheduler's address.

The program's own cluster is a scheduler inside this process and one worker process per device, all on the loopback
interface. Dask's LocalCluster does not fit: it starts workers through multiprocessing, which runs the parent's
`__main__` again in each worker, and under `streamlit run` that is the page.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import dask.config
from distributed import Client, Scheduler

import c3dvis

logger = logging.getLogger(__name__)

_HOST = "127.0.0.1"
_EVENTS_KEPT = 100  # events with previews, up to 32 kB each
_CONNECT_TIMEOUT = 5  # seconds
_LONG_LIFE = 60  # seconds; after a shorter life the pause before the next start doubles
_LONGEST_PAUSE = 30.0  # seconds between two starts


@contextlib.asynccontextmanager
async def connect(address: str | None, on_problem: Callable[[str], None]) -> AsyncIterator[Client]:
    """A client of the scheduler at `address`, or of an own cluster that ends with the block.

    Args:
        address: such as `tcp://10.0.0.5:8786`; None starts an own cluster.
        on_problem: called with a sentence whenever a worker of the own cluster has ended unexpectedly.

    Raises:
        OSError: no scheduler answers there.
    """
    logging.getLogger("distributed").setLevel(logging.ERROR)  # by default it logs every connection
    async with contextlib.AsyncExitStack() as stack:
        if address is None:
            address = await stack.enter_async_context(_own_cluster(on_problem))
        client: Any = Client(address, asynchronous=True, set_as_default=False, timeout=_CONNECT_TIMEOUT, name="c3dvis")
        stack.push_async_callback(client.close, timeout=2)
        await client
        yield client


@contextlib.asynccontextmanager
async def _own_cluster(on_problem: Callable[[str], None]) -> AsyncIterator[str]:
    settings = {"distributed.admin.low-level-log-length": _EVENTS_KEPT, "distributed.scheduler.http.routes": []}
    with dask.config.set(settings):
        # When a second worker ends during the same render, the render fails: the first end may have had another cause.
        scheduler = Scheduler(host=_HOST, port=0, dashboard_address=f"{_HOST}:0", allowed_failures=1)
    supervisors: list[asyncio.Task[None]] = []
    try:
        await scheduler
        for environment in await asyncio.to_thread(device_environments):
            supervisor = _supervise_worker(scheduler.address, environment, on_problem)
            supervisors.append(asyncio.create_task(supervisor))
        yield scheduler.address
    finally:
        for supervisor in supervisors:
            supervisor.cancel()
        await asyncio.gather(*supervisors, return_exceptions=True)
        await scheduler.close()  # `async with` would leave its sockets open if it is cancelled while it starts


async def _supervise_worker(address: str, environment: dict[str, str], on_problem: Callable[[str], None]) -> None:
    """Run a worker process, and start another whenever it ends, until cancelled."""
    pause = 0.0
    while True:
        started = time.monotonic()
        # A session of its own, so that Ctrl-C in the terminal reaches only the dashboard, which then closes this pipe.
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "c3dvis.queue.worker_process", address,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env=_worker_environment(environment), start_new_session=True,
        )  # fmt: skip
        output: deque[bytes] = deque(maxlen=8)
        reader = asyncio.create_task(_read_output(process, output))
        try:
            status = await process.wait()
        finally:
            await _end(process)
            reader.cancel()
        pause = 0.0 if time.monotonic() - started > _LONG_LIFE else min(2 * pause + 0.25, _LONGEST_PAUSE)
        reason = f"by signal {-status}" if status < 0 else f"with exit status {status}"
        latest_output = b"".join(output).decode(errors="replace")
        logger.warning("Worker process %d ended %s; starting another. %s", process.pid, reason, latest_output)
        on_problem(f"A worker process ended {reason}; another is being started, and its render starts again.")
        await asyncio.sleep(pause)


async def _read_output(process: asyncio.subprocess.Process, output: deque[bytes]) -> None:
    """Keep a worker's output off the terminal; the latest part goes to the log when the worker ends."""
    assert process.stdout
    while chunk := await process.stdout.read(4096):
        output.append(chunk)
        logger.debug("Worker process %d: %s", process.pid, chunk.decode(errors="replace"))


async def _end(process: asyncio.subprocess.Process) -> None:
    """Close the pipe that keeps a worker alive, and kill the worker if it does not end."""
    assert process.stdin
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), 2)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _worker_environment(device: dict[str, str]) -> dict[str, str]:
    """This process's environment (C3DVIS_* included) with a PYTHONPATH from which this package can be imported."""
    # With one arena per thread, glibc would not return the memory that TensorFlow's threads free.
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", "MALLOC_ARENA_MAX": "2", **os.environ, **device}
    home = str(Path(c3dvis.__file__).parent.parent)
    if home != sysconfig.get_path("purelib"):  # on the path anyway; put first, it would hide standard modules
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [home, environment.get("PYTHONPATH")]))
    return environment


def device_environments() -> list[dict[str, str]]:
    """The environment variables that give each worker of this machine a device of its own.

    Without or with one NVIDIA GPU that is one worker and no variable. `CUDA_VISIBLE_DEVICES` is honoured.
    """
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = _nvidia_devices() if chosen is None else [name.strip() for name in chosen.split(",")]
    return [{"CUDA_VISIBLE_DEVICES": name} for name in devices] if len(devices) > 1 else [{}]


def _nvidia_devices() -> list[str]:
    tool = shutil.which("nvidia-smi")
    if not tool:
        return []
    try:
        listed = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.split(":")[0].removeprefix("GPU ") for line in listed.splitlines() if line.startswith("GPU ")]
