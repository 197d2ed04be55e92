"""This machine's worker processes, one per device: started, replaced when they end, killed and stopped.

Dask's LocalCluster does not fit: it starts workers through multiprocessing, which runs the parent's `__main__` again in
each worker, and under `streamlit run` that is the page.
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
from collections.abc import Callable
from pathlib import Path

import psutil

import c3dvis

logger = logging.getLogger(__name__)

_LONG_LIFE = 60  # seconds; after a shorter life the pause before the next start doubles
_LONGEST_PAUSE = 30.0  # seconds between two starts


class OwnWorkers:
    """The worker processes of this machine.

    Args:
        address: of the scheduler that they work for.
        on_problem: called with a sentence whenever a worker has ended unexpectedly.
    """

    def __init__(self, address: str, on_problem: Callable[[str], None]) -> None:
        self._address = address
        self._on_problem = on_problem
        self._supervisors: list[asyncio.Task[None]] = []
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._killed: set[int] = set()  # by `kill`, whose caller says why

    @property
    def started(self) -> bool:
        """Whether there are workers, or some are being started."""
        return bool(self._supervisors)

    async def start(self) -> None:
        """Start a worker per device, unless they are started."""
        if not self._supervisors:
            environments = await asyncio.to_thread(device_environments)
            self._supervisors = [asyncio.create_task(self._supervise(environment)) for environment in environments]

    async def stop(self) -> None:
        """End all workers; returns when they have ended."""
        supervisors, self._supervisors = self._supervisors, []
        for supervisor in supervisors:
            supervisor.cancel()
        await asyncio.gather(*supervisors, return_exceptions=True)

    def kill(self, pid: int) -> None:
        """Kill a worker, which another then replaces; one that is none of these, or has ended, is left alone."""
        if process := self._processes.get(pid):
            self._killed.add(pid)
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    def memory(self, pid: int) -> int:
        """Resident bytes of a worker; 0 if it is none of these, or has ended."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(pid).memory_info().rss if pid in self._processes else 0
        return 0

    async def _supervise(self, environment: dict[str, str]) -> None:
        """Run a worker process, and start another whenever it ends, until cancelled."""
        pause = 0.0
        while True:
            started = time.monotonic()
            # A session of its own, so that Ctrl-C in the terminal reaches only the dashboard, which then closes this
            # pipe.
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "c3dvis.queue.worker_process", self._address,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
                env=_worker_environment(environment), start_new_session=True,
            )  # fmt: skip
            output: deque[bytes] = deque(maxlen=8)
            self._processes[process.pid] = process
            reader = asyncio.create_task(_read_output(process, output))
            try:
                status = await process.wait()
            finally:
                await _end(process)
                reader.cancel()
                del self._processes[process.pid]
            pause = 0.0 if time.monotonic() - started > _LONG_LIFE else min(2 * pause + 0.25, _LONGEST_PAUSE)
            self._log_end(process.pid, status, b"".join(output).decode(errors="replace"))
            await asyncio.sleep(pause)

    def _log_end(self, pid: int, status: int, latest_output: str) -> None:
        reason = f"by signal {-status}" if status < 0 else f"with exit status {status}"
        logger.warning("Worker process %d ended %s; starting another. %s", pid, reason, latest_output)
        if pid in self._killed:
            self._killed.discard(pid)
        else:
            self._on_problem(f"A worker process ended {reason}; another is being started, and its render starts again.")


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
