"""What the server was like within the last hour; and its garbage, which is collected as often as it is looked at.

Streamlit would collect all garbage after each run of a page (`.streamlit/config.toml` turns that off). Left to Python
alone, the files of closed sessions would stay open for long: each has an event loop. What the threads of page runs free
would stay in the process, if it was not returned to the system.
"""

import threading
import time
from collections import deque
from typing import NamedTuple

import psutil

from c3dvis.queue import RenderQueue
from c3dvis.queue.memory import release_memory

INTERVAL = 10.0
"""Seconds between two samples."""

_KEPT = 360  # samples


class Sample(NamedTuple):
    """The server at one moment.

    Attributes:
        seconds: of the monotonic clock.
        dashboard_bytes: resident memory of this process.
        worker_bytes: of all workers.
        renders: that wait or run.
        finished: renders that workers have finished since the program started.
    """

    seconds: float
    dashboard_bytes: int
    worker_bytes: int
    renders: int
    finished: int


class ServerHistory:
    """Takes a sample every `INTERVAL` seconds, in a thread, until it is closed.

    Args:
        queue: of the server.
    """

    def __init__(self, queue: RenderQueue) -> None:
        self._queue = queue
        self._process = psutil.Process()
        self._samples: deque[Sample] = deque([self._sample()], maxlen=_KEPT)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="server history", daemon=True)
        self._thread.start()

    def samples(self) -> list[Sample]:
        """The samples of the last hour in their order; there is always one."""
        return list(self._samples)

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.wait(INTERVAL):
            self._samples.append(self._sample())
            release_memory()

    def _sample(self) -> Sample:
        status = self._queue.status()
        return Sample(
            seconds=time.monotonic(),
            dashboard_bytes=self._process.memory_info().rss,
            worker_bytes=sum(worker.memory_bytes for worker in status.workers),
            renders=status.queued + status.running,
            finished=status.finished,
        )
