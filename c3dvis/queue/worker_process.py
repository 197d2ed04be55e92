"""`python -m c3dvis.queue.worker_process ADDRESS`: one worker process of the program's own cluster.

It works for the scheduler at ADDRESS until its parent process ends for any reason. Its standard input is a pipe from
the parent; when the pipe closes, it exits at once, even during a render. (Without this, Dask lets a busy worker run for
half a minute after its scheduler has ended.)
"""

import asyncio
import contextlib
import logging
import os
import sys
import threading
from pathlib import Path

import dask.config
from distributed import Worker

from c3dvis.queue.queue_status import DEVICE


def _exit_with_parent() -> None:
    while os.read(0, 1024):
        pass
    os._exit(0)


async def _serve(address: str) -> None:
    # Without Dask's memory limit, which counts TensorFlow's memory as data that Dask could write to disk. Renders are
    # limited by their resource; the second thread answers questions about clips meanwhile.
    async with Worker(
        address, host="127.0.0.1", nthreads=2, resources={DEVICE: 1}, memory_limit=0, silence_logs=logging.CRITICAL
    ) as worker:
        await worker.finished()


def main() -> None:
    """Work until the scheduler or the parent process ends."""
    if hasattr(os, "nice"):
        os.nice(5)  # a render uses every core; the page must still answer quickly
    with contextlib.suppress(OSError):  # where memory runs out, Linux ends a worker rather than the page
        Path("/proc/self/oom_score_adj").write_text("500")
    threading.Thread(target=_exit_with_parent, name="parent", daemon=True).start()
    dask.config.set({"distributed.worker.profile.enabled": False, "distributed.worker.http.routes": []})
    asyncio.run(_serve(sys.argv[1]))
    os._exit(0)  # without waiting for a render that nobody will fetch


if __name__ == "__main__":
    main()
