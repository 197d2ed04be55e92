"""Many visitors of one dashboard on the loopback: how long a run of a page takes, and what memory the server needs.

    python bench/load.py --sessions 100 --minutes 5
    python bench/load.py --cost

Each visitor speaks Streamlit's protocol, opens a stored view, a Gallery page or the Status page, waits 5 to 15 s
(`--pause`) and opens the next. Prints a table and a JSON object, with the resident memory of the dashboard before the
first visit and the most that it had. The server has the profile `low`, so that it starts no worker.

`--cost` measures what a run of each page costs instead, with one visitor: CPU seconds of the dashboard's process, which
depend less on what else the machine does than the time that a run takes.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.hosting.ports import free_port
from tests.hosting.socket_client import Client

PAGES = (
    ("", "layer=Mixed_4d&filter=8"),
    ("", "layer=Mixed_3b&filter=3"),
    ("gallery", "layer=Mixed_3b"),
    ("status", ""),
)
_COST_RUNS = 40


@dataclass
class Load:
    """What the visitors have met.

    Attributes:
        url: of the server.
        pause: least and most seconds between two acts of a visitor.
        arrival: seconds within which the visitors arrive.
        seconds: of each run of a page.
        errors: one sentence each.
    """

    url: str
    pause: tuple[float, float]
    arrival: float
    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def visit(self, seed: int, until: float) -> None:
        """Act as one visitor until a moment of the monotonic clock."""
        chance = random.Random(seed)
        time.sleep(chance.uniform(0, self.arrival))
        client = Client(self.url)
        try:
            client.open()
            while time.monotonic() < until:
                page, query = chance.choice(PAGES)
                began = time.monotonic()
                shown = client.run(query, page)
                self.seconds.append(time.monotonic() - began)
                if "unexpected" in shown or "Traceback" in shown:
                    self.errors.append(f"{page or 'explore'}: the page failed")
                time.sleep(chance.uniform(*self.pause))
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {error}")
        finally:
            client.close()


def wait_until(condition, seconds: float = 600) -> None:  # type: ignore[no-untyped-def]
    """Wait for another process."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("The server did not get there in time.")
        time.sleep(0.5)


def main() -> None:
    """Start a server, load it, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--pause", type=float, nargs=2, default=(5, 15), metavar=("LEAST", "MOST"))
    parser.add_argument("--cost", action="store_true", help="measure what a run of each page costs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = _measure(Path(folder), args)
    for name, value in figures.items():
        print(f"{name:38} {value}")
    print(json.dumps(figures))


def _measure(folder: Path, args: argparse.Namespace) -> dict[str, float]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = folder / "c3dvis.toml"
    settings.write_text('workers.profile = "low"\nworkers.idle_minutes = 60\n')
    environment = {**os.environ, "C3DVIS_CACHE_DIR": str(folder / "cache"), "C3DVIS_SETTINGS": str(settings)}
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), "--server.port", str(port),
         "--server.address", "127.0.0.1", "--server.headless", "true"],
        env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=(folder / "log.txt").open("wb"),
    )  # fmt: skip
    server = psutil.Process(process.pid)
    try:
        wait_until(lambda: _answers(f"{url}/healthz"))
        if args.cost:
            return _cost(server, url)
        figures: dict[str, float] = {"dashboard before any visit, MB": _megabytes(server.memory_info().rss)}
        load = Load(url, tuple(args.pause), min(60.0, 20 * args.minutes))
        until = time.monotonic() + 60 * args.minutes
        visitors = [threading.Thread(target=load.visit, args=(seed, until)) for seed in range(args.sessions)]
        for visitor in visitors:
            visitor.start()
        peak = 0
        while any(visitor.is_alive() for visitor in visitors):
            peak = max(peak, server.memory_info().rss)
            time.sleep(1)
        ordered = sorted(load.seconds)
        figures |= {
            "sessions": args.sessions,
            "page runs": len(ordered),
            "errors": len(load.errors),
            "median of a run, s": round(statistics.median(ordered), 3),
            "95 % of runs under, s": round(ordered[int(0.95 * len(ordered))], 3),
            "dashboard with all sessions, MB": _megabytes(peak),
        }
        for error in sorted(set(load.errors)):
            print(error, file=sys.stderr)
        return figures
    finally:
        process.terminate()
        process.wait(60)


def _cost(server: psutil.Process, url: str) -> dict[str, float]:
    """CPU seconds of the server for a run of each page."""
    client = Client(url)
    client.open()
    figures = {}
    for title in ("explore", "gallery", "status"):
        places = [place for place in PAGES if place[0] == title.replace("explore", "")]
        for page, query in places * 3:  # the first runs import and read what all have
            client.run(query, page)
        before = _cpu_seconds(server)
        for number in range(_COST_RUNS):
            page, query = places[number % len(places)]
            client.run(query, page)
        figures[f"{title}, CPU seconds of a run"] = round((_cpu_seconds(server) - before) / _COST_RUNS, 4)
    client.close()
    return figures


def _cpu_seconds(server: psutil.Process) -> float:
    times = server.cpu_times()
    return times.user + times.system


def _answers(url: str) -> bool:
    try:
        return bool(_read(url))
    except OSError:
        return False


def _read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read().decode()


def _megabytes(size: int) -> int:
    return round(size / 1e6)


if __name__ == "__main__":
    main()
