"""How renders scale with workers, and how the store scales with results.

    python bench/scaling.py
    python bench/scaling.py --workers 1,8 --per-worker 20 --real-workers '' --results 10,100000

Three tables on standard output, and one JSON object with the same figures:

1. Simulated devices that sleep one second per render of 16 × 112 × 112: filters a minute, and efficiency (time slept /
   time taken). This measures queue, transfer and store.
2. Real renders on this machine's cores, each worker with its share of the threads.
3. The store with different numbers of results in it: the times of get, put, a Gallery page (24 thumbnails with
   measures), the lookup of all filters of a layer, and the status line; medians of several repeats.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from bench.stand_in import Cluster
from c3dvis.networks.registry import describe
from c3dvis.networks.weights import installed_weights
from c3dvis.queue import RenderQueue
from c3dvis.results import RenderResult, ResultStore
from c3dvis.results.diskcache_entries import BlobCache
from c3dvis.results.thumbnails import FILE_NAME, Thumbnail, ThumbnailFile, make_thumbnail
from c3dvis.spec import ALGORITHM_VERSION, RenderSpec

PAGE = 24
REPEATS = 15


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", default="1,2,4,8", help="numbers of stand-in workers (default: 1,2,4,8)")
    parser.add_argument("--per-worker", type=int, default=10, help="renders of each (default: 10)")
    parser.add_argument("--seconds", type=float, default=1.0, help="that a stand-in render sleeps (default: 1)")
    parser.add_argument("--real-workers", default="1,2", help="numbers of real workers (default: 1,2)")
    parser.add_argument("--real-renders", type=int, default=6, help="real renders of each (default: 6)")
    parser.add_argument("--iterations", type=int, default=16, help="steps of a real render (default: 16)")
    parser.add_argument("--results", default="10,1000,100000", help="results in the store (default: 10,1000,100000)")
    args = parser.parse_args()
    figures: dict[str, Any] = {"cores": os.cpu_count(), "load_before": os.getloadavg()[0]}
    figures["stand_in"] = [stand_in(n, args.per_worker, args.seconds) for n in numbers(args.workers)]
    figures["real"] = [real(n, args.real_renders, args.iterations) for n in numbers(args.real_workers)]
    figures["store"] = [fill_and_ask(n) for n in numbers(args.results)]
    print(json.dumps(figures))


def numbers(text: str) -> list[int]:
    """`1,2,4` as numbers."""
    return [int(part) for part in text.split(",") if part]


def stand_in(workers: int, per_worker: int, seconds: float) -> dict[str, Any]:
    """Renders that sleep, through the queue into the store."""
    count = workers * per_worker
    with (
        tempfile.TemporaryDirectory() as folder,
        ResultStore(folder, starter=None) as store,
        Cluster(workers, seconds) as cluster,
    ):
        took = timed(store, cluster, workers, [RenderSpec(filter=number) for number in range(count)])
        assert len(store.keys()) >= count
    row = {
        "workers": workers,
        "renders": count,
        "seconds": round(took, 2),
        "per_minute": round(60 * count / took, 1),
        "efficiency": round(per_worker * seconds / took, 3),
    }
    print(
        "stand-in {workers} workers: {per_minute} filters a minute, efficiency {efficiency}".format(**row), flush=True
    )
    return row


def real(workers: int, renders: int, iterations: int) -> dict[str, Any]:
    """Renders of the embedded network on this machine's cores."""
    threads = max(1, (os.cpu_count() or 1) // workers)
    environment = {
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": "1",
        "OMP_NUM_THREADS": str(threads),
    }
    specs = [RenderSpec(layer="Mixed_3b", filter=number, iterations=iterations) for number in range(renders)]
    with (
        tempfile.TemporaryDirectory() as folder,
        ResultStore(folder, starter=None) as store,
        Cluster(workers, real=True, environment=environment) as cluster,
    ):
        took = timed(store, cluster, workers, specs)
    row = {
        "workers": workers,
        "threads_each": threads,
        "renders": renders,
        "seconds": round(took, 2),
        "per_minute": round(60 * renders / took, 2),
    }
    print("real {workers} workers of {threads_each} threads: {per_minute} filters a minute".format(**row), flush=True)
    return row


def timed(store: ResultStore, cluster: Cluster, workers: int, specs: list[RenderSpec]) -> float:
    """Seconds from the first request until the last result is stored; each worker has rendered once before."""
    queue = RenderQueue(store, scheduler=cluster.address)
    try:
        until(lambda: sum(worker.ready for worker in queue.status().workers) == workers)
        wait_for(queue, [specs[0].replace(seed=1 + number) for number in range(workers)])
        began = time.perf_counter()
        wait_for(queue, specs)
        return time.perf_counter() - began
    finally:
        queue.close()


def wait_for(queue: RenderQueue, specs: list[RenderSpec]) -> None:
    """Have specs rendered, all."""
    for job in [queue.submit(spec) for spec in specs]:
        if not job.wait(600) or job.state != "done":
            sys.exit(f"{job.spec.title} did not render: {job.snapshot().error or queue.status().problem}")


def until(condition: Callable[[], bool]) -> None:
    """Wait for workers to come up."""
    deadline = time.monotonic() + 600
    while not condition():
        if time.monotonic() > deadline:
            sys.exit("The workers did not come up.")
        time.sleep(0.05)  # outside what is measured


def fill_and_ask(results: int) -> dict[str, Any]:
    """A store of so many results, of which a layer's 512 have a page of their own, and how long questions take."""
    spec = RenderSpec()
    fingerprint = installed_weights.fingerprint(describe(spec.network))
    clip = np.random.default_rng(0).integers(0, 256, (spec.frames, spec.height, spec.width, 3), dtype=np.uint8)

    def made(filter_: int, seed: int = 0) -> RenderResult:
        return RenderResult(
            spec=spec.replace(filter=filter_, seed=seed), clip=clip, metrics={"gain": float(filter_), "dead": False},
            history=[], fingerprint=fingerprint, algorithm=ALGORITHM_VERSION, provenance={"seconds": 1.0},
        )  # fmt: skip

    with tempfile.TemporaryDirectory() as folder, ResultStore(folder, 2**40, starter=None) as store:
        page = [made(number) for number in range(min(PAGE, results))]
        for result in page:
            store.put(result)
        crowd(store.stats().path, results - len(page), make_thumbnail(page[0]))
        assert store.stats().count == results
        layer = [spec.replace(filter=number).key(fingerprint) for number in range(512)]
        keys = [result.key for result in page]
        others = [made(number, seed=1) for number in range(REPEATS)]
        waiting = iter(others)
        row = {
            "results": results,
            "get_ms": median(lambda: store.get_key(keys[0])),
            "put_ms": median(lambda: store.put(next(waiting))),
            "page_ms": median(lambda: store.thumbnails(keys)),
            "layer_ms": median(lambda: store.present(layer)),
            "status_ms": median(store.stats),
        }
    print(
        "store of {results}: get {get_ms} ms, put {put_ms} ms, page of 24 thumbnails {page_ms} ms, look at a layer "
        "{layer_ms} ms, status line {status_ms} ms".format(**row),
        flush=True,
    )
    return row


def crowd(folder: Path, count: int, like: Thumbnail) -> None:
    """Add so many entries that nobody asks for: small on disk, of full size in the index and among the thumbnails."""
    keys = [f"{number:064x}" for number in range(count)]
    cache = BlobCache(folder)
    with cache.transact():
        for key in keys:
            cache.set_or_discard(key, b"filler")
    cache.close()
    thumbnails = ThumbnailFile(folder / FILE_NAME)
    for start in range(0, count, 10_000):
        thumbnails.put(like._replace(key=key) for key in keys[start : start + 10_000])


def median(question: Callable[[], object]) -> float:
    """Milliseconds, of some repeats."""
    took = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        question()
        took.append(time.perf_counter() - began)
    return round(1e3 * statistics.median(took), 2)


if __name__ == "__main__":
    main()
