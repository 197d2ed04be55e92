"""The workers: a Dask cluster of this machine's own, or one that a scheduler's address names.

Our own is a scheduler inside this process and one worker process per device, all on the loopback interface.
It is not Dask's LocalCluster: that one starts workers through multiprocessing, which runs the parent's
`__main__` again in each, and under `streamlit run` that is the page.
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
_EVENTS_KEPT = 100  # of those that carry previews, at 32 kB each
_CONNECT_TIMEOUT = 5  # seconds
_LONG_LIFE = 60  # seconds; a worker that ends sooner is started again ever more slowly
_LONGEST_PAUSE = 30.0  # seconds between two starts


@contextlib.asynccontextmanager
async def connect(address: str | None, on_problem: Callable[[str], None]) -> AsyncIterator[Client]:
    """A client of the scheduler at `address`, or of a cluster of our own that lives as long as the block.

    Args:
        address: such as `tcp://10.0.0.5:8786`; None starts our own.
        on_problem: called with a sentence whenever a worker of our own has ended by itself.

    Raises:
        OSError: no scheduler answers there.
    """
    logging.getLogger("distributed").setLevel(logging.ERROR)  # it reports each connection otherwise
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
        # A second worker's death while it renders convicts the render: the first may have been an accident.
        scheduler = Scheduler(host=_HOST, port=0, dashboard_address=f"{_HOST}:0", allowed_failures=1)
    keepers: list[asyncio.Task[None]] = []
    try:
        await scheduler
        for environment in await asyncio.to_thread(device_environments):
            keeper = _keep_worker(scheduler.address, environment, on_problem)
            keepers.append(asyncio.create_task(keeper))
        yield scheduler.address
    finally:
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        await scheduler.close()  # not `async with`: cancelled while it starts, that leaves its sockets open


async def _keep_worker(address: str, environment: dict[str, str], on_problem: Callable[[str], None]) -> None:
    """Run a worker process, and another whenever it ends, until cancelled."""
    pause = 0.0
    while True:
        born = time.monotonic()
        # In a session of its own: Ctrl-C in the terminal is for the dashboard, which then closes this pipe.
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "c3dvis.queue.worker_process", address,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env=_worker_environment(environment), start_new_session=True,
        )  # fmt: skip
        said: deque[bytes] = deque(maxlen=8)
        listener = asyncio.create_task(_listen(process, said))
        try:
            status = await process.wait()
        finally:
            await _end(process)
            listener.cancel()
        pause = 0.0 if time.monotonic() - born > _LONG_LIFE else min(2 * pause + 0.25, _LONGEST_PAUSE)
        reason = f"by signal {-status}" if status < 0 else f"with exit status {status}"
        last_words = b"".join(said).decode(errors="replace")
        logger.warning("Worker process %d ended %s; starting another. %s", process.pid, reason, last_words)
        on_problem(f"A worker process ended {reason}; another is being started, and its render starts again.")
        await asyncio.sleep(pause)


async def _listen(process: asyncio.subprocess.Process, said: deque[bytes]) -> None:
    """Take what a worker prints: TensorFlow's greetings are not for the terminal, its last words are for the log."""
    assert process.stdout
    while chunk := await process.stdout.read(4096):
        said.append(chunk)
        logger.debug("Worker process %d: %s", process.pid, chunk.decode(errors="replace"))


async def _end(process: asyncio.subprocess.Process) -> None:
    """Close the pipe that keeps a worker alive, and kill it if that does not end it."""
    assert process.stdin
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), 2)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _worker_environment(device: dict[str, str]) -> dict[str, str]:
    """This process's environment (C3DVIS_* included), able to import this package wherever it is started from."""
    # Few arenas: with one per thread, glibc keeps what TensorFlow's threads free.
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", "MALLOC_ARENA_MAX": "2", **os.environ, **device}
    home = str(Path(c3dvis.__file__).parent.parent)
    if home != sysconfig.get_path("purelib"):  # that is found anyway, and in front it would hide standard modules
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [home, environment.get("PYTHONPATH")]))
    return environment


def device_environments() -> list[dict[str, str]]:
    """What to set for each worker of this machine so that each has a device of its own.

    One worker with nothing set where there is no or one NVIDIA GPU. `CUDA_VISIBLE_DEVICES` is honoured.
    """
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = [name.strip() for name in chosen.split(",")] if chosen else _nvidia_devices() if chosen is None else []
    if len(devices) < 2:
        return [{}]
    return [{"CUDA_VISIBLE_DEVICES": name} for name in devices]


def _nvidia_devices() -> list[str]:
    tool = shutil.which("nvidia-smi")
    if not tool:
        return []
    try:
        listed = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.split(":")[0].removeprefix("GPU ") for line in listed.splitlines() if line.startswith("GPU ")]
