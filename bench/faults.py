"""Makes what goes wrong on a server go wrong, and checks that nothing stored is lost and nothing damaged is shown.

    python bench/faults.py
    python bench/faults.py --results 1000 --damage 100 --kills 20

Four faults, each on a store of its own, with real processes:

- damaged: of many stored results some are damaged in one of five ways; `c3dvis cache verify --repair` finds exactly
  these and renders them again.
- disk: the disk (a small file system in memory, mounted by `unshare`) fills up while results are written; everything
  stored before is intact, and writing goes on once there is room.
- clock: the clock is set back by a year, to the store: half of its results were used in the future; results that are
  stored from then on are not the first to be deleted for room.
- killed: workers and dashboards are killed with signal 9 at random moments, as `bench/kills.py` does.

Renders are simulated by workers that sleep. It prints a line per fault and one JSON object, and fails if a result was
lost, or a damaged one found.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench import kills
from bench.stand_in import Cluster
from c3dvis.errors import StoreError
from c3dvis.networks.registry import describe
from c3dvis.networks.weights import installed_weights
from c3dvis.results import RenderResult, ResultStore
from c3dvis.settings import weights_dir
from c3dvis.spec import ALGORITHM_VERSION, RenderSpec

FAULTS = ("damaged", "disk", "clock", "killed")
SIZE: dict[str, Any] = {"frames": 4, "height": 16, "width": 16}
YEAR = 365 * 86400.0


def main() -> None:
    """Every fault in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", default=",".join(FAULTS), help="which (default: all)")
    parser.add_argument("--results", type=int, default=1000, help="in a store (default: 1000)")
    parser.add_argument("--damage", type=int, default=100, help="how many of them (default: 100)")
    parser.add_argument("--kills", type=int, default=20, help="of workers, and of dashboards (default: 20)")
    parser.add_argument("--disk", type=int, default=4, help="size of the disk in MB (default: 4)")
    parser.add_argument("--fill", metavar="FOLDER", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.fill:
        print(json.dumps(fill(Path(args.fill))))
        return
    os.environ["C3DVIS_WEIGHTS_DIR"] = str(weights_dir().resolve())
    faults: dict[str, Callable[[argparse.Namespace, Path], dict[str, Any]]] = {
        "damaged": damaged, "disk": disk, "clock": clock, "killed": killed,
    }  # fmt: skip
    rows = []
    for name in args.faults.split(","):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["C3DVIS_CACHE_DIR"] = str(Path(folder) / "cache")
            os.environ.pop("C3DVIS_SCHEDULER", None)
            rows.append({"fault": name} | faults[name](args, Path(folder)))
            print(", ".join(f"{key.replace('_', ' ')}: {value}" for key, value in rows[-1].items()), flush=True)
    print(json.dumps(rows))
    if any(row["lost"] or row["shown_damaged"] for row in rows):
        sys.exit("A result was lost, or a damaged one was found.")


def made(seed: int) -> RenderResult:
    """The result of one spec, quickly made."""
    spec = RenderSpec(seed=seed, **SIZE)
    clip = np.random.default_rng(seed).integers(0, 256, (*spec.size, 3), dtype=np.uint8)
    fingerprint = installed_weights.fingerprint(describe(spec.network))
    return RenderResult(spec, clip, {"shown_activation": 1.0}, [], fingerprint, ALGORITHM_VERSION, {"device": "none"})


def shown_damaged(store: ResultStore, results: list[RenderResult]) -> int:
    """How many of the results are found, but with another clip."""
    found = [(result, store.get(result.spec)) for result in results]
    return sum(other is not None and not np.array_equal(other.clip, result.clip) for result, other in found)


def damage(file: Path, way: int) -> None:
    """Damage a file in one of five ways."""
    data = bytearray(file.read_bytes())
    if way == 0:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    elif way == 1:
        del data[random.randrange(len(data)) :]
    elif way == 2:
        data[512:] = bytes(len(data) - 512)
    elif way == 3:
        data += bytes(data)
    if way == 4:
        file.unlink()
    else:
        file.write_bytes(data)


def damaged(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Damaged results are found, not shown, and rendered again by one command."""
    results = [made(seed) for seed in range(args.results)]
    with ResultStore(folder / "cache", starter=None) as store:
        for result in results:
            store.put(result)
        victims = random.sample(results, args.damage)
        for number, result in enumerate(victims):
            (file,) = store.stats().path.glob(f"??/{result.key}-*.h5")
            damage(file, number % 5)
        wrong = shown_damaged(store, results)
    with Cluster(2, 0.02) as cluster:
        command = [sys.executable, "-m", "c3dvis", "cache", "verify", "--repair", "--json"]
        environment = os.environ | {"C3DVIS_SCHEDULER": cluster.address}
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    told = json.loads(done.stdout)
    with ResultStore(folder / "cache", starter=None) as store:
        lost = [result for result in results if result.key not in store]
        intact = [result for result in results if result.key not in told["repaired"]]
        wrong += shown_damaged(store, intact)
        return {
            "results": len(results),
            "damaged": len(victims),
            "repaired": len(told["repaired"]),
            "repaired_others": len(set(told["repaired"]) - {result.key for result in victims}),
            "lost": len(lost),
            "shown_damaged": wrong,
        }


def disk(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The disk fills up, in a file system of its own."""
    mounted = folder / "disk"
    mounted.mkdir()
    line = f'mount -t tmpfs -o size={args.disk}m none "$1" && exec "$2" "$3" --fill "$1"'
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", line, "sh", mounted, sys.executable, __file__],
        cwd=ROOT, env=os.environ | {"C3DVIS_CACHE_DIR": str(mounted)}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def fill(folder: Path) -> dict[str, Any]:
    """Fill the disk under a store with something else while it writes, and make room again."""
    results: list[RenderResult] = []
    refused = 0
    with ResultStore(folder, starter=None) as store:
        while len(results) < 20:
            results.append(made(len(results)))
            store.put(results[-1])
        for ballast in range(40):  # less room each time, down to a few bytes
            free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
            (folder / f"ballast{ballast}").write_bytes(bytes(max(0, free - 4096 * random.randrange(16))))
            result = made(1000 + ballast)
            try:
                store.put(result)
                results.append(result)
            except StoreError:
                refused += 1
            wrong = shown_damaged(store, results) + sum(each.key not in store for each in results)
            for file in folder.glob("ballast*"):
                file.unlink()
            if wrong:
                break
        wrong_at_the_end = shown_damaged(store, results)
        store.put(made(5000))
        results.append(made(5000))
        lost = [result for result in results if store.get(result.spec) is None]
        return {
            "results": len(results),
            "writes_refused": refused,
            "damaged": len(store.verify()),
            "lost": len(lost),
            "shown_damaged": wrong_at_the_end,
        }


def clock(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The clock is set back; the results that are stored since stay before the others."""
    results = [made(seed) for seed in range(40)]
    size = len(results[0].to_bytes())
    with ResultStore(folder / "cache", size_limit=40_960 + 41 * size, starter=None) as store:
        for result in results[:20]:
            store.put(result)
            (file,) = store.stats().path.glob(f"??/{result.key}-*.h5")
            os.utime(file, (then := time.time() + YEAR, then))
        since = results[20:] + [made(seed) for seed in range(100, 115)]
        for result in since:
            store.put(result)
        lost = [result for result in since if result.key not in store]
        return {
            "results": len(results) + 15,
            "deleted_for_room": sum(result.key not in store for result in results[:20]),
            "lost": len(lost),
            "shown_damaged": shown_damaged(store, since),
        }


def killed(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Workers and dashboards are killed while they render."""
    run = argparse.Namespace(times=args.kills, seconds=0.25, layer="Mixed_3b", batches=False)
    rows = []
    for victim, kill in (("worker", kills.kill_workers), ("dashboard", kills.kill_dashboard)):
        (folder / victim).mkdir()
        rows.append(kills.one_run(victim, kill, run, folder / victim))
    return {
        "kills": sum(row["kills"] for row in rows),
        "results": sum(row["filters"] for row in rows),
        "most_renders": max(row["most_renders"] for row in rows),
        "lost": sum(row["lost"] for row in rows),
        "shown_damaged": sum(row["damaged"] for row in rows),
    }


if __name__ == "__main__":
    main()
