"""`/healthz` and `/metrics` of a real server, who may see them, and the log for programs."""

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from c3dvis.server_settings import Monitoring, ServerSettings, Workers
from c3dvis.ui.monitoring import JsonFormatter, _may_see
from c3dvis.ui.shared import server_history
from c3dvis.ui.shared.server_history import ServerHistory
from tests.hosting.conftest import MakeQueue
from tests.hosting.socket_client import Client
from tests.processes import PATIENCE
from tests.queue.conftest import Until
from tests.ui.conftest import Server


@pytest.fixture(scope="module")
def quiet_server(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Iterator[Server]:
    """A dashboard that starts no worker before the first render."""
    folder = tmp_path_factory.mktemp("quiet")
    settings = folder / "c3dvis.toml"
    settings.write_text('workers.profile = "low"\nmonitoring.log = "json"')
    server = Server(folder / "cache", folder / "log.txt", weights, C3DVIS_SETTINGS=str(settings))
    yield server
    server.close()


def read(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def metrics(server: Server) -> tuple[str, dict[tuple[str, ...], float]]:
    status, text = read(f"{server.url}/metrics")
    assert status == 200
    families = text_string_to_metric_families(text)
    samples = (sample for family in families for sample in family.samples)
    return text, {(sample.name, *sample.labels.values()): sample.value for sample in samples}


def test_health_and_metrics_of_a_server(quiet_server: Server, until) -> None:
    def health() -> dict[str, str]:
        status, text = read(f"{quiet_server.url}/healthz")
        assert status == 200, text
        return json.loads(text)

    until(lambda: health() == {"page": "ok", "worker": "asleep", "store": "ok"}, state=health)
    text, samples = metrics(quiet_server)
    assert samples["c3dvis_up", "worker"] == samples["c3dvis_up", "store"] == 1
    assert samples["c3dvis_jobs", "queued"] == samples["c3dvis_workers", "ready"] == 0
    assert samples["c3dvis_renders_finished_total", "failed"] == 0
    assert samples["c3dvis_store_limit_bytes",] > 1e9
    assert 20e6 < samples["process_resident_memory_bytes",] < 250e6, "the dashboard's budget"
    assert len(text.splitlines()) == len(set(text.splitlines())), "nothing is counted twice"


def test_a_run_of_a_page_does_not_look_at_every_object_of_the_process(quiet_server: Server) -> None:
    def full_collections() -> float:
        return metrics(quiet_server)[1]["python_gc_collections_total", "2"]

    client = Client(quiet_server.url)
    client.open()
    client.run(page="status")  # imports and makes what all runs have
    before, runs = full_collections(), 20
    for _ in range(runs):
        assert "Workers" in client.run(page="status")
    client.close()
    assert full_collections() - before < runs / 2


def test_metrics_answer_the_networks_that_the_settings_name() -> None:
    settings = Monitoring(metrics_from=("10.0.0.0/8", "::1"))  # type: ignore[arg-type]
    seen = [_may_see(host, settings) for host in ("10.2.3.4", "::1", "127.0.0.1", "192.0.2.1", "", "testclient")]
    assert seen == [True, True, False, False, False, False]


def test_a_line_of_the_log_is_json_with_the_key_of_the_render() -> None:
    record = logging.makeLogRecord({"name": "c3dvis.queue", "msg": "Render %s", "args": ("done",), "render": "ab12"})
    line = json.loads(JsonFormatter().format(record))
    assert line.items() >= {"message": "Render done", "render": "ab12", "logger": "c3dvis.queue"}.items()
    assert set(line) == {"time", "level", "logger", "message", "render"}


def test_the_server_keeps_the_last_samples(
    make_queue: MakeQueue, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_history, "INTERVAL", 0.001)
    monkeypatch.setattr(server_history, "_KEPT", 5)
    history = ServerHistory(make_queue(ServerSettings(workers=Workers(profile="low"))))
    first = history.samples()[0]
    until(lambda: first not in history.samples(), state=history.samples)
    assert len(history.samples()) == 5
    history.close()
    assert first.dashboard_bytes > 20e6
    assert (first.renders, first.finished, first.worker_bytes) == (0, 0, 0)
