"""Connects to the workers: a Dask cluster of this program's own, or the one at a scheduler's address.

The program's own cluster is a scheduler inside this process and one worker process per device (`own_workers`), all on
the loopback interface.
"""

import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import dask.config
from distributed import Client, Scheduler
from distributed.scheduler import DEFAULT_EXTENSIONS

from c3dvis.queue.own_workers import OwnWorkers

_HOST = "127.0.0.1"
_EVENTS_KEPT = 100  # events with previews, up to 32 kB each
_SAMPLES_KEPT = 120  # of the process' own use, two per second; Dask's default is an hour of them, several MB
_CONNECT_TIMEOUT = 5  # seconds


@contextlib.asynccontextmanager
async def connect(
    address: str | None, on_problem: Callable[[str], None]
) -> AsyncIterator[tuple[Client, OwnWorkers | None]]:
    """A client of the scheduler at `address`, or of an own cluster that ends with the block, and its workers.

    Args:
        address: such as `tcp://10.0.0.5:8786`; None makes an own cluster, whose workers are not started yet.
        on_problem: called with a sentence whenever a worker of the own cluster has ended unexpectedly.

    Raises:
        OSError: no scheduler answers there.
    """
    logging.getLogger("distributed").setLevel(logging.ERROR)  # by default it logs every connection
    async with contextlib.AsyncExitStack() as stack:
        workers = None
        if address is None:
            address, workers = await stack.enter_async_context(_own_cluster(on_problem))
        client: Any = Client(address, asynchronous=True, set_as_default=False, timeout=_CONNECT_TIMEOUT, name="c3dvis")
        stack.push_async_callback(client.close, timeout=2)
        await client
        yield client, workers


class _NoSpans:
    """In place of the scheduler's record of which tasks belong together: it keeps several kB of each task for good."""

    def __init__(self, scheduler: Scheduler) -> None:
        pass

    def observe_tasks(self, tasks: object, **_: object) -> dict[Any, dict[str, Any]]:
        """Called for new tasks; returns their changed annotations."""
        return {}

    def heartbeat(self, worker: object, measured: object) -> None:
        """Called with a worker's measurements by record, of which there are none."""


@contextlib.asynccontextmanager
async def _own_cluster(on_problem: Callable[[str], None]) -> AsyncIterator[tuple[str, OwnWorkers]]:
    settings = {
        "distributed.admin.low-level-log-length": _EVENTS_KEPT,
        "distributed.admin.system-monitor.log-length": _SAMPLES_KEPT,
        "distributed.diagnostics.computations.max-history": 1,
        "distributed.scheduler.http.routes": [],
    }
    with dask.config.set(settings):
        # When a second worker ends during the same render, the render fails: the first end may have had another cause.
        scheduler = Scheduler(
            host=_HOST, port=0, dashboard_address=f"{_HOST}:0", allowed_failures=1,
            extensions={**DEFAULT_EXTENSIONS, "spans": _NoSpans},
        )  # fmt: skip
    workers: OwnWorkers | None = None
    try:
        await scheduler
        workers = OwnWorkers(scheduler.address, on_problem)
        yield scheduler.address, workers
    finally:
        if workers:
            await workers.stop()
        await scheduler.close()  # `async with` would leave its sockets open if it is cancelled while it starts
