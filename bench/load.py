"""Many visitors of one dashboard on the loopback: how long a run of a page takes, and what memory the server needs.

    python bench/load.py --sessions 100 --minutes 5
    python bench/load.py --sessions 100 --browsers 10 --renders 10 --minutes 15
    python bench/load.py --cost

Each visitor speaks Streamlit's protocol, opens a stored view, a Gallery page or the Status page, waits 5 to 15 s
(`--pause`) and opens the next. `--browsers` of the sessions are profiles of a real Chromium on the same machine, which
follow the links of the menu; the time of their act ends when the page has its title. `--renders` default clips
that are not stored are rendered one after the other, evenly over the time, each for another visitor. Prints a table and
a JSON object, with the resident memory of the dashboard before the first visit and the most that it had. The server has
the profile `low`: it starts its worker at the first render.

`--cost` measures what a run of each page costs instead, with one visitor: CPU seconds of the dashboard's process, which
depend less on what else the machine does than the time that a run takes.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
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
from playwright.async_api import Browser, async_playwright, expect
from streamlit.proto.BackMsg_pb2 import BackMsg

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from c3dvis.settings import weights_dir
from tests import browser
from tests.hosting.ports import free_port
from tests.hosting.socket_client import Client, button_ids

PAGES = (
    ("", "layer=Mixed_4d&filter=8"),
    ("", "layer=Mixed_3b&filter=3"),
    ("gallery", "layer=Mixed_3b"),
    ("status", ""),
)
TITLES = {"Explore": re.compile("filter"), "Gallery": "Mixed_4d · c3dvis", "Status": "Status · c3dvis"}
_COST_RUNS = 40
_PATIENCE = 120.0  # seconds for one render, and for a page in Chromium


@dataclass
class Load:
    """What the visitors have met.

    Attributes:
        url: of the server.
        pause: least and most seconds between two acts of a visitor.
        arrival: seconds within which the visitors arrive.
        seconds: of each run of a page.
        browser_seconds: of each act in Chromium.
        render_seconds: of each render, from the press to the clip on the page.
        errors: one sentence each.
    """

    url: str
    pause: tuple[float, float]
    arrival: float
    seconds: list[float] = field(default_factory=list)
    browser_seconds: list[float] = field(default_factory=list)
    render_seconds: list[float] = field(default_factory=list)
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
                self._run(client, query, page)
                time.sleep(chance.uniform(*self.pause))
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {error}")
        finally:
            client.close()

    def render_evenly(self, count: int, until: float) -> None:
        """Have as many clips rendered, evenly until a moment of the monotonic clock."""
        began = time.monotonic()
        for number in range(count):
            time.sleep(max(0.0, began + (until - began) * (number + 0.5) / count - time.monotonic()))
            self._render(number)

    def _render(self, number: int) -> None:
        """Have a clip rendered as one visitor, and wait for it."""
        query = f"layer=Mixed_4d&filter={number}&seed=7"  # no starter has this seed
        client = Client(self.url)
        try:
            client.open()
            self._run(client, query)
            press = BackMsg()
            press.rerun_script.query_string = query
            state = press.rerun_script.widget_states.widgets.add()
            state.id, state.trigger_value = button_ids(client.drawn)["Render now"], True
            began = time.monotonic()
            self._run(client, message=press)
            while "Rendered in" not in self._run(client, query):
                if time.monotonic() - began > _PATIENCE:
                    raise TimeoutError(f"{query} was not rendered")
                time.sleep(2)
            self.render_seconds.append(time.monotonic() - began)
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {error}")
        finally:
            client.close()

    def _run(self, client: Client, query: str = "", page: str = "", message: BackMsg | None = None) -> str:
        began = time.monotonic()
        shown = client.run(query, page, message)
        self.seconds.append(time.monotonic() - began)
        if "unexpected" in shown or "Traceback" in shown:
            self.errors.append(f"{page or 'explore'}: the page failed")
        return shown

    async def browse(self, count: int, until: float) -> None:
        """Act in as many profiles of one Chromium until a moment of the monotonic clock."""
        async with async_playwright() as playwright:
            chromium = await playwright.chromium.launch(executable_path=str(browser.ensure()), args=browser.FLAGS)
            await asyncio.gather(*(self._browse(chromium, number, until) for number in range(count)))
            await chromium.close()

    async def _browse(self, chromium: Browser, seed: int, until: float) -> None:
        chance = random.Random(-1 - seed)
        await asyncio.sleep(chance.uniform(0, self.arrival))
        try:
            async with await chromium.new_context() as context:
                context.set_default_timeout(1000 * _PATIENCE)
                page = await context.new_page()
                page.on("pageerror", lambda error: self.errors.append(f"Chromium: {error}"))
                await page.goto(f"{self.url}/?layer=Mixed_4d&filter=8")
                await expect(page.locator(".player")).to_be_visible(timeout=1000 * _PATIENCE)
                here = "Explore"
                while time.monotonic() < until:
                    await asyncio.sleep(chance.uniform(*self.pause))
                    here = chance.choice([title for title in TITLES if title != here])
                    began = time.monotonic()
                    await page.get_by_role("link", name=here, exact=True).first.click()
                    await expect(page).to_have_title(TITLES[here], timeout=1000 * _PATIENCE)
                    self.browser_seconds.append(time.monotonic() - began)
                    if await page.get_by_text("met an unexpected").count():
                        self.errors.append(f"{here} in Chromium: the page failed")
        except Exception as error:
            self.errors.append(f"Chromium: {type(error).__name__}: {error}")


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
    parser.add_argument("--browsers", type=int, default=0, help="how many of the sessions are profiles of Chromium")
    parser.add_argument("--renders", type=int, default=0)
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
    environment["C3DVIS_WEIGHTS_DIR"] = str(weights_dir().resolve())
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
        own = range(args.sessions - args.browsers)
        visitors = [threading.Thread(target=load.visit, args=(seed, until)) for seed in own]
        visitors.append(threading.Thread(target=load.render_evenly, args=(args.renders, until)))
        visitors.append(threading.Thread(target=lambda: asyncio.run(load.browse(args.browsers, until))))
        for visitor in visitors:
            visitor.start()
        peak = peak_of_workers = 0
        while any(visitor.is_alive() for visitor in visitors):
            peak = max(peak, server.memory_info().rss)
            peak_of_workers = max(peak_of_workers, _resident(server.children(recursive=True)))
            time.sleep(1)
        figures |= {"sessions": args.sessions, "errors": len(load.errors)}
        figures |= _spread("run of a page", load.seconds)
        figures |= _spread("act in Chromium", load.browser_seconds)
        figures |= _spread("render", load.render_seconds)
        figures |= {"dashboard, most, MB": _megabytes(peak), "workers, most, MB": _megabytes(peak_of_workers)}
        for error in sorted(set(load.errors)):
            print(error, file=sys.stderr)
        return figures
    finally:
        process.terminate()
        process.wait(60)


def _spread(what: str, seconds: list[float]) -> dict[str, float]:
    """How many there were, and their median and 95th percentile."""
    if not seconds:
        return {}
    ordered = sorted(seconds)
    return {
        f"{what}, count": len(ordered),
        f"{what}, median s": round(statistics.median(ordered), 3),
        f"{what}, 95 % under s": round(ordered[int(0.95 * len(ordered))], 3),
    }


def _resident(processes: list[psutil.Process]) -> int:
    """Resident memory of processes, some of which may end meanwhile, in bytes."""
    size = 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            size += process.memory_info().rss
    return size


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
