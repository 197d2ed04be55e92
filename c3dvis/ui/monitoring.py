"""What the operator of a server can see: `/healthz`, `/metrics`, and the form of the log.

`/healthz` answers everybody, with 200 as long as the page works and can render, and says in JSON how page, worker and
store are. `/metrics` answers the networks of the setting `metrics_from` in Prometheus' text format.
"""

import gc
import json
import logging
import sys
from collections.abc import Callable, Iterable
from functools import cache
from ipaddress import ip_address

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from c3dvis.errors import C3dvisError
from c3dvis.server_settings import Monitoring, server_settings
from c3dvis.ui.shared.server_resources import ServerResources, server_resources

_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def monitoring_routes() -> list[Route]:
    """The routes of the server's application."""
    return [Route("/healthz", _healthz), Route("/metrics", _metrics)]  # functions run in threads, and may block


def health(resources: ServerResources) -> tuple[dict[str, str], bool]:
    """How page, worker and store are, in a word or a sentence each, and whether all is well."""
    worker = resources.queue.status().state
    store, is_usable = "ok", True
    try:
        resources.store.stats()
    except C3dvisError as error:
        store, is_usable = error.message, False
    return {"page": "ok", "worker": worker, "store": store}, is_usable and worker != "lost"


def _healthz(request: Request) -> Response:
    parts, is_well = health(server_resources())
    return JSONResponse(parts, 200 if is_well else 503, headers={"Cache-Control": "no-store"})


def _metrics(request: Request) -> Response:
    if not _may_see(request.client.host if request.client else "", server_settings().monitoring):
        return PlainTextResponse("Not Found", 404)
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


def _may_see(host: str, settings: Monitoring) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in settings.metrics_from)


class ServerCollector(Collector):
    """The state of the server whenever it is asked for.

    Args:
        resources: returns those of the server; they exist from the first call on.
    """

    def __init__(self, resources: Callable[[], ServerResources]) -> None:
        self._resources = resources

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering does not start the workers."""
        return []

    def collect(self) -> Iterable[Metric]:
        """The gauges."""
        resources = self._resources()
        queue = resources.queue.status()
        jobs = GaugeMetricFamily("c3dvis_jobs", "Renders that wait or run", labels=["state"])
        jobs.add_metric(["queued"], queue.queued)
        jobs.add_metric(["running"], queue.running)
        workers = GaugeMetricFamily("c3dvis_workers", "Worker processes", labels=["state"])
        ready = sum(worker.ready for worker in queue.workers)
        workers.add_metric(["ready"], ready)
        workers.add_metric(["warming"], len(queue.workers) - ready)
        yield from (jobs, workers)
        yield _gauge("c3dvis_worker_memory_bytes", "Resident memory of all workers", _memory(resources))
        parts, _ = health(resources)
        up = GaugeMetricFamily("c3dvis_up", "1 if a part of the server works", labels=["part"])
        up.add_metric(["worker"], parts["worker"] != "lost")
        up.add_metric(["store"], parts["store"] == "ok")
        yield up
        if parts["store"] == "ok":
            stored = resources.store.stats()
            yield _gauge("c3dvis_store_results", "Results in the store", stored.count)
            yield _gauge("c3dvis_store_bytes", "Size of the store", stored.bytes)
            yield _gauge("c3dvis_store_limit_bytes", "Size that the store may have", stored.size_limit)
            yield _gauge("c3dvis_store_damaged", "Results that were set aside as damaged", stored.damaged)


def _memory(resources: ServerResources) -> int:
    return sum(worker.memory_bytes for worker in resources.queue.status().workers)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


@cache
def start_monitoring() -> None:
    """Write the log as the settings say, and count the state of the server among the metrics; once per process.

    What is loaded by now stays as long as the process, and is left out when garbage is collected.
    """
    handler = logging.StreamHandler(sys.stderr)
    if server_settings().monitoring.log == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("c3dvis")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
    REGISTRY.register(ServerCollector(server_resources))
    gc.collect()
    gc.freeze()


class JsonFormatter(logging.Formatter):
    """A line of JSON for each message, with what the program says about it beside the text, such as `render`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _STANDARD},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)
