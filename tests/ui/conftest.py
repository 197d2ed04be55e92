"""Fixtures of the page tests: a stored result, the page under AppTest, a real server."""

import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from streamlit.runtime.scriptrunner import RerunData
from streamlit.testing.v1 import AppTest, local_script_runner

from c3dvis.networks import registry
from c3dvis.networks.weights import installed_weights
from c3dvis.results import RenderResult, ResultStore
from c3dvis.spec import ALGORITHM_VERSION, RenderSpec
from tests.processes import PATIENCE

if TYPE_CHECKING:
    from bench.stand_in import Cluster

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "app.py"
DASHBOARD = ROOT / "c3dvis" / "ui" / "dashboard.py"


def made_result(spec: RenderSpec, **metrics: float | int | bool | None) -> RenderResult:
    """A result as a render would have stored it, whose clip is a drifting wave."""
    t, y, x = np.mgrid[0 : spec.frames, 0 : spec.height, 0 : spec.width].astype(float)
    channels = [np.sin((x + 3 * t) / 7), np.sin((y - 2 * t) / 9), np.cos((x + y) / 15 + t)]
    clip = np.stack([127.5 + 120 * channel for channel in channels], axis=-1).astype(np.uint8)
    measured = {
        "shown_activation": 8.4, "noise_activation": 0.5, "noise_deviation": 0.1, "gain": 16.8,
        "strength": 5.1, "contrast": 60.0, "clipped": 0.02, "twin_activation": 1.2, "twin_gain": 7.0,
        "selectivity": 1, "robustness": 0.93, "motion": 1.6, "coherence": 0.8, "repetition": 0.1, "dead": False,
    }  # fmt: skip
    history = [
        {"step": step, "seconds": 0.1 * step, "objective": step / 8, "shown_activation": step / 8}
        for step in range(0, spec.iterations + 1, 8)
    ]
    return RenderResult(
        spec=spec,
        clip=clip,
        metrics={**measured, **metrics},
        history=history,
        fingerprint=installed_weights.fingerprint(registry.describe(spec.network)),
        algorithm=ALGORITHM_VERSION,
        provenance={"device": "a test's processor", "seconds": 2.5, "created": "2026-01-01T00:00:00+00:00"},
    )


def table_rows(page: AppTest) -> list[list[str]]:
    """The cells of each row of every table of a page under AppTest."""
    rows: list[list[str]] = []
    for table in (html.proto.body for html in page.get("html") if "<table" in html.proto.body):
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", table):
            rows.append(
                [unescape(re.sub("<[^>]+>", "", cell)) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
            )
    return rows


@pytest.fixture(scope="session", autouse=True)
def _closed_services() -> Iterator[None]:
    """Ends the worker processes that all pages under AppTest share."""
    yield
    from c3dvis.ui.shared.server_resources import server_resources

    server_resources.clear()  # type: ignore[attr-defined]


@pytest.fixture
def stored() -> Callable[..., RenderResult]:
    """Stores a `made_result` of a spec where pages under AppTest find it."""

    def store(spec: RenderSpec, **metrics: float | int | bool | None) -> RenderResult:
        result = made_result(spec, **metrics)
        with ResultStore(os.environ["C3DVIS_CACHE_DIR"]) as results:
            results.put(result)
        return result

    return store


@pytest.fixture
def open_page(weights: Path) -> Callable[..., AppTest]:
    """Opens the dashboard under AppTest; keywords are the parameters of the address."""

    def run(**query: str) -> AppTest:
        page = AppTest.from_file(str(DASHBOARD), default_timeout=600)
        for name, value in query.items():
            page.query_params[name] = value
        return page.run()

    return run


def labelled(widgets: Iterable[Any], label: str) -> Any:
    """The control of that name; its key may be another one after each press."""
    (found,) = [widget for widget in widgets if widget.label == label]
    return found


def go_to(page: AppTest, query: Mapping[str, str | list[str]]) -> AppTest:
    """Runs the page as a press on Back, or on a link within the dashboard, runs it: with the address it leads to."""
    page.query_params.clear()
    page.query_params.update(query)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_script_runner, "RerunData", partial(RerunData, is_history_navigation=True))
        return page.run()


class Server:
    """A dashboard of its own on a free port of the loopback, ended by its process id; or another Streamlit app."""

    def __init__(
        self, cache: Path, log: Path, weights: Path, app: Path | str = APP, port: int = 0, **settings: str
    ) -> None:
        self.cache, self.log = cache, log
        environment = os.environ | settings | {
            "C3DVIS_CACHE_DIR": str(cache), "C3DVIS_WEIGHTS_DIR": str(weights), "PYTHONUNBUFFERED": "1",
        }  # fmt: skip
        command = [
            sys.executable, "-m", "streamlit", "run", str(app), "--server.port", str(port),
            "--server.headless", "true", "--server.address", "127.0.0.1",
        ]  # fmt: skip
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        self.url = self._wait_for_url()

    def _wait_for_url(self) -> str:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            for line in self.log.read_text(errors="replace").splitlines():
                if "http://127.0.0.1:" in line and not line.rstrip().endswith(":0"):
                    url = line.split()[-1]
                    with urllib.request.urlopen(f"{url}/_stcore/health", timeout=PATIENCE) as answer:
                        assert answer.read() == b"ok"
                    return url
            time.sleep(0.05)  # another process writes the file
        raise AssertionError(f"the dashboard did not start:\n{self.log.read_text(errors='replace')}")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)


@contextmanager
def dashboard(
    folder: Path, weights: Path, results: Iterable[RenderResult] = (), *, workers: "Cluster | None" = None,
    app: Path | str = APP, **settings: str,
) -> Iterator[Server]:  # fmt: skip
    """A dashboard that runs while the block does, and whose log has no traceback at its end.

    Args:
        folder: of its cache and its log.
        weights: folder of the networks' weights.
        results: in its store.
        workers: that render in place of its own one.
        app: another Streamlit app.
        settings: further environment variables.
    """
    with ExitStack() as stack:
        if results:
            with ResultStore(folder / "cache") as store:
                for result in results:
                    store.put(result)
        if workers:
            settings |= {"C3DVIS_SCHEDULER": stack.enter_context(workers).address}
        running = Server(folder / "cache", folder / "log.txt", weights, app, 0, **settings)
        stack.callback(running.close)
        yield running
    assert "Traceback" not in running.log.read_text(errors="replace")


@pytest.fixture(scope="session")
def working(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Iterator[Server]:
    """A dashboard with a worker of its own, which loads TensorFlow once for all modules."""
    with dashboard(tmp_path_factory.mktemp("working"), weights) as running:
        yield running


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Streamlit page with one line on it: what the speed of our pages is held against."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "bare.py").write_text('import streamlit as st\n\nst.write("### A title")\n')
    with dashboard(folder, folder, app=folder / "bare.py") as running:
        yield running
