"""A day of use in an hour: many renders of a tiny network and many runs of pages, and what they leave behind.

    python bench/soak.py
    python bench/soak.py --renders 400 --runs 1000

Visitors who speak Streamlit's protocol come and go. They have new clips of a network with one convolution rendered by a
real worker, and open stored views, the Gallery and the Status page. After the warm-up (a fifth of it, or 300 renders)
and at the end nobody visits for some seconds; sessions are dropped sooner than usual after their visitor has left. What
the dashboard and its worker have then is printed: memory, threads, open files and processes. It fails if memory has
grown by more than 5 % since the warm-up, or if there is more of anything else; Dask may have a few more connections.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from c3dvis.settings import weights_dir
from c3dvis.spec import RenderSpec
from c3dvis.spec.text import query_text
from c3dvis.ui.shared.server_history import INTERVAL
from tests.hosting.socket_client import Client, button_ids
from tests.networks.onnx_models import Graph
from tests.ui.conftest import Server

TINY = RenderSpec(network="tiny", layer="conv_0", frames=8, height=16, width=16, iterations=2)
ELSEWHERE = (("", "layer=Mixed_4d&filter=8"), ("gallery", "layer=Mixed_3b"), ("status", ""), ("", "tab=wiring"))
"""Pages and links that visitors open between two renders."""
FILTERS = 4
RUNS_OF_A_VISIT = 40
WARM_UP = 0.2
FULL_AFTER = 300  # renders: then the queue remembers as many finished ones as it ever does, and Dask as many events
MOST_GROWTH = 1.05
DASK_FILES = 6  # both ends of connections between dashboard and worker, which Dask keeps for later use
REST = 1.5 * INTERVAL  # seconds; garbage is collected meanwhile
PATIENCE = 600.0  # seconds for one render


class Left(NamedTuple):
    """What a process tree has while nobody visits."""

    dashboard_mb: float
    worker_mb: float
    threads: int
    files: int
    processes: int


@dataclass
class Use:
    """The use of one server by all visitors.

    Args:
        url: of the server.
        specs: what is rendered next.
    """

    url: str
    specs: Iterator[RenderSpec]
    renders: int = 0
    runs: int = 0
    errors: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def go_on(self, renders: int, runs: int, visitors: int) -> None:
        """Visit until there were as many renders and runs in all."""
        threads = [threading.Thread(target=self._visit, args=(renders, runs)) for _ in range(visitors)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.errors:
            sys.exit("\n".join(self.errors))

    def _visit(self, renders: int, runs: int) -> None:
        try:
            while (self.renders < renders or self.runs < runs) and not self.errors:
                client = Client(self.url)
                client.open()
                last = self.runs + RUNS_OF_A_VISIT
                while self.runs < last and (self.renders < renders or self.runs < runs):
                    if self.renders < renders:
                        self._render(client)
                    for page, query in ELSEWHERE:
                        self._run(client, query, page)
                client.close()
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {error}")

    def _render(self, client: Client) -> None:
        """Have a new clip rendered."""
        with self._lock:
            spec = next(self.specs)
            self.renders += 1
        query = query_text(spec)
        self._run(client, query)
        press = BackMsg()
        press.rerun_script.query_string = query
        state = press.rerun_script.widget_states.widgets.add()
        state.id, state.trigger_value = button_ids(client.drawn)["Render now"], True
        self._run(client, message=press)
        deadline = time.monotonic() + PATIENCE
        while "Rendered in" not in self._run(client, query):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{query} was not rendered")
            time.sleep(0.2)  # another process renders

    def _run(self, client: Client, query: str = "", page: str = "", message: BackMsg | None = None) -> str:
        shown = client.run(query, page, message)
        if "unexpected" in shown or "Traceback" in shown:
            raise RuntimeError(f"the page {page or 'explore'} failed with {query!r}")
        with self._lock:
            self.runs += 1
        return shown


def left(server: psutil.Process) -> Left:
    """What the dashboard and everything that it started have now."""
    children = server.children(recursive=True)
    processes = [server, *children]
    return Left(
        dashboard_mb=round(server.memory_info().rss / 1e6, 1),
        worker_mb=round(sum(child.memory_info().rss for child in children) / 1e6, 1),
        threads=sum(process.num_threads() for process in processes),
        files=sum(process.num_fds() for process in processes),
        processes=len(processes),
    )


def add_tiny_network(folder: Path, environment: dict[str, str]) -> None:
    """Add the network `tiny` to a folder of weights."""
    graph = Graph((1, 3, 8, 16, 16))
    graph.save(folder / "tiny.onnx", graph.conv("input", 3, FILTERS))
    command = [sys.executable, "-m", "c3dvis", "networks", "add", "tiny", "--range", "-1", "1"]
    subprocess.run([*command, "--architecture", str(folder / "tiny.onnx")], check=True, env=environment, cwd=ROOT)


def specs() -> Iterator[RenderSpec]:
    """Specs that all differ."""
    for seed in itertools.count():
        for number in range(FILTERS):
            yield TINY.replace(filter=number, seed=seed)


def main() -> None:
    """Use a server, and compare what it has before and after."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--renders", type=int, default=5000)
    parser.add_argument("--runs", type=int, default=20_000, help="of pages")
    parser.add_argument("--visitors", type=int, default=3, help="at a time")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        before, after = _measure(Path(name), args)
    most = [before.dashboard_mb * MOST_GROWTH, before.worker_mb * MOST_GROWTH, before.threads]
    most += [before.files + DASK_FILES, before.processes]
    print(f"{'':14}{'after warm-up':>14}{'at the end':>14}{'at most':>10}")
    for what, first, last, limit in zip(Left._fields, before, after, most, strict=True):
        print(f"{what:14}{first:14}{last:14}{limit:10.5g}")
    print(
        json.dumps({"renders": args.renders, "runs": args.runs, "before": before._asdict(), "after": after._asdict()})
    )
    if grown := [what for what, last, limit in zip(Left._fields, after, most, strict=True) if last > limit]:
        sys.exit(f"More than after the warm-up: {', '.join(grown)}")


def _measure(folder: Path, args: argparse.Namespace) -> tuple[Left, Left]:
    weights = folder / "weights"
    weights.mkdir()
    (weights / "i3d-kinetics400").symlink_to(weights_dir().resolve() / "i3d-kinetics400")
    environment = {**os.environ, "C3DVIS_WEIGHTS_DIR": str(weights)}
    add_tiny_network(folder, environment)
    server = Server(folder / "cache", folder / "log.txt", weights, STREAMLIT_SERVER_DISCONNECTED_SESSION_TTL="1")
    try:
        use = Use(server.url, specs())

        def at_rest(share: float) -> Left:
            use.go_on(int(share * args.renders), int(share * args.runs), args.visitors)
            time.sleep(2)
            use.go_on(0, use.runs + 1, 1)  # Streamlit drops old sessions when another one ends
            time.sleep(REST)
            found = left(psutil.Process(server.process.pid))
            print(f"{use.renders} renders, {use.runs} runs: {found}", file=sys.stderr, flush=True)
            return found

        warm_up = max(WARM_UP, min(0.8, FULL_AFTER / args.renders))
        first = at_rest(warm_up)
        for step in range(1, 4):  # says on the way how it goes
            share = warm_up + (1 - warm_up) * step / 4
            use.go_on(int(share * args.renders), int(share * args.runs), args.visitors)
            print(
                f"{use.renders} renders, {use.runs} runs: {left(psutil.Process(server.process.pid))}", file=sys.stderr
            )
        return first, at_rest(1.0)
    finally:
        server.close()


if __name__ == "__main__":
    main()
