"""Kills a worker, the atlas command and the dashboard with signal 9, each several times, and checks the results.

    python bench/kills.py --times 20
    python bench/kills.py --times 20 --batches --seconds 2 --layer Mixed_4d --victims atlas

Renders are simulated: the workers sleep. Queue, transfer, store, command and dashboard are the real ones. Each kill
comes at a random moment after four more results have been stored. Then the script renders the remaining filters without
kills and checks three conditions: every result is stored, every stored result is undamaged, and no filter was rendered
to its end more than twice (a kill can cause one repeated render). It prints a line per victim and one JSON object, and
fails if a condition does not hold.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.stand_in import Cluster
from c3dvis.networks.registry import describe
from c3dvis.networks.weights import installed_weights
from c3dvis.queue import RenderQueue
from c3dvis.results import ResultStore
from c3dvis.settings import weights_dir
from c3dvis.spec import RenderSpec

WORKERS = 2
BETWEEN = 4  # results that are stored between two kills
PATIENCE = 600.0  # seconds that nothing takes, on whatever machine


def main() -> None:
    """Kill, and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20, help="kills of each victim (default: 20)")
    parser.add_argument("--seconds", type=float, default=0.25, help="that a stand-in render sleeps (default: 0.25)")
    parser.add_argument("--layer", default="Mixed_3b", help="whose filters are rendered (default: Mixed_3b, 256)")
    parser.add_argument("--victims", default="worker,atlas,dashboard")
    parser.add_argument("--batches", action="store_true", help="devices that take eight filters at once, as a GPU does")
    args = parser.parse_args()
    # The victims have cache folders of their own; the weights stay where `weights fetch` has put them.
    os.environ["C3DVIS_WEIGHTS_DIR"] = str(weights_dir().resolve())
    victims: dict[str, Callable[..., None]] = {"worker": kill_workers, "atlas": kill_atlas, "dashboard": kill_dashboard}
    figures = []
    for name in args.victims.split(","):
        with tempfile.TemporaryDirectory() as folder:
            figures.append(one_run(name, victims[name], args, Path(folder)))
    print(json.dumps(figures))
    if any(row["lost"] or row["damaged"] or row["most_renders"] > 2 for row in figures):
        sys.exit("A result was lost, damaged or rendered too often.")


def one_run(name: str, kill: Callable[..., None], args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All kills of one victim, and what is left afterwards."""
    log = folder / "renders.log"
    os.environ["C3DVIS_CACHE_DIR"] = str(folder / "cache")
    times, seconds = args.times, args.seconds
    filters = describe(RenderSpec().network).output_shape(args.layer, 16, 112, 112)[3]
    specs = [RenderSpec(layer=args.layer, filter=number) for number in range(filters)]
    with Cluster(WORKERS, seconds, log=log, kind="GPU" if args.batches else "") as cluster:
        os.environ["C3DVIS_SCHEDULER"] = cluster.address
        kill(times, specs, cluster, seconds, folder)
        with ResultStore(folder / "cache", starter=None) as store:
            before = len(store.keys())
            queue = RenderQueue(store)
            for job in [queue.submit(spec) for spec in specs]:
                if not job.wait(PATIENCE) or job.state != "done":
                    sys.exit(f"{job.spec.title} did not render afterwards: {job.snapshot().error}")
            queue.close()
            fingerprint = installed_weights.fingerprint(describe(specs[0].network))
            lost = [spec for spec in specs if store.get_key(spec.key(fingerprint)) is None]
            damaged = store.verify()
    ended = ends(log)
    row = {
        "victim": name,
        "kills": times,
        "filters": len(specs),
        "stored_when_the_kills_ended": before,
        "lost": len(lost),
        "damaged": len(damaged),
        "renders": ended.total(),
        "rendered_twice": sum(count == 2 for count in ended.values()),
        "most_renders": max(ended.values()),
    }
    print(
        "{kills} kills of the {victim}: {filters} filters, {lost} lost, {damaged} damaged, {rendered_twice} rendered "
        "once more, none more than {most_renders} times".format(**row),
        flush=True,
    )
    return row


def ends(log: Path) -> Counter[str]:
    """How often each key was rendered to its end."""
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return Counter(line["key"] for line in lines if line["event"] == "end")


def wait_to_kill(folder: Path, seconds: float, alive: Callable[[], bool]) -> None:
    """Until some more results are stored, and then some part of a render's time."""
    deadline = time.monotonic() + PATIENCE
    with ResultStore(folder / "cache", starter=None) as store:
        goal = store.stats().count + BETWEEN
        while store.stats().count < goal:
            if time.monotonic() > deadline or not alive():
                sys.exit(f"Only {store.stats().count} of {goal} results were stored before the next kill.")
            time.sleep(0.01)  # between looks at what other processes write
    time.sleep(random.uniform(0, seconds))  # the moment of the kill


def kill_workers(times: int, specs: list[RenderSpec], cluster: Cluster, seconds: float, folder: Path) -> None:
    """One of the workers each time; another is started in its place, as an orchestrator would."""
    with ResultStore(folder / "cache", starter=None) as store:
        queue = RenderQueue(store)
        jobs = [queue.submit(spec, background=True) for spec in specs]  # as an atlas and a Gallery do
        for _ in range(times):
            wait_to_kill(folder, seconds, lambda: not all(job.is_finished for job in jobs))
            cluster.kill_worker(0)
            cluster.start_worker()
        for job in jobs:
            job.wait(PATIENCE)
        queue.close()


def kill_atlas(times: int, specs: list[RenderSpec], cluster: Cluster, seconds: float, folder: Path) -> None:
    """`c3dvis atlas`, started again each time."""
    command = [
        sys.executable, "-m", "c3dvis", "atlas", "--layers", specs[0].layer, "--filters", f"0-{len(specs) - 1}",
        "-o", str(folder / "out"),
    ]  # fmt: skip
    for _ in range(times):
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_to_kill(folder, seconds, lambda p=process: p.poll() is None)
        process.send_signal(signal.SIGKILL)
        process.wait()


def kill_dashboard(times: int, specs: list[RenderSpec], cluster: Cluster, seconds: float, folder: Path) -> None:
    """`streamlit run app.py`, opened again each time by a visitor who presses "Render the layer"."""
    from playwright.sync_api import sync_playwright

    from tests.browser import find
    from tests.ui.conftest import Server

    weights = describe(specs[0].network).weights_path.parents[1]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=["--headless", "--no-sandbox"])
        for _ in range(times):
            dashboard = Server(folder / "cache", folder / "log.txt", weights)
            page = browser.new_page()
            page.set_default_timeout(1000 * PATIENCE)
            page.goto(f"{dashboard.url}/gallery?layer={specs[0].layer}")
            page.get_by_role("button", name="Render the layer").click()
            wait_to_kill(folder, seconds, lambda p=dashboard.process: p.poll() is None)
            dashboard.process.send_signal(signal.SIGKILL)
            dashboard.process.wait()
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
