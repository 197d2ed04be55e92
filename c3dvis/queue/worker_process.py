"""`python -m c3dvis.queue.worker_process ADDRESS`: one worker process of this machine's own cluster.

It serves the scheduler at ADDRESS until the process that started it ends, however that ends: its standard
input is a pipe from there, and when the pipe closes it leaves at once, in the middle of a render too. (Dask
alone lets a busy worker live for half a minute after its scheduler.)
"""

import asyncio
import logging
import os
import sys
import threading

import dask.config
from distributed import Worker

from c3dvis.queue.queue_status import DEVICE


def _leave_with_parent() -> None:
    while os.read(0, 1024):
        pass
    os._exit(0)


async def _serve(address: str) -> None:
    # No memory limit of Dask's: it would count TensorFlow's memory as data that could be written to disk.
    async with Worker(
        address,
        host="127.0.0.1",
        nthreads=1,
        resources={DEVICE: 1},
        memory_limit=0,
        silence_logs=logging.CRITICAL,
    ) as worker:
        await worker.finished()


def main() -> None:
    """Serve until told to stop or left alone."""
    if hasattr(os, "nice"):
        os.nice(5)  # a render takes every core; the page that shows it forming answers first
    threading.Thread(target=_leave_with_parent, name="parent", daemon=True).start()
    dask.config.set({"distributed.worker.profile.enabled": False, "distributed.worker.http.routes": []})
    asyncio.run(_serve(sys.argv[1]))
    os._exit(0)  # do not wait for a render that no one will fetch


if __name__ == "__main__":
    main()
