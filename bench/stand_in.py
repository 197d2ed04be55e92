"""A Dask cluster on this machine with simulated devices, which sleep for as long as a GPU would compute.

Benchmarks and tests use it to measure, or to kill, everything but the computation: the queue, the transfer of a clip of
real size, the store. Renders pass through `c3dvis.queue.worker_tasks.render` in worker processes, with its checks and
progress reports.

    with Cluster(workers=2, seconds=1.0) as cluster:
        queue = RenderQueue(store, scheduler=cluster.address)

`python bench/stand_in.py ADDRESS` starts one such worker. Environment variables set its behaviour:

- STAND_IN_SECONDS: duration of one render.
- STAND_IN_LOG: file that gets a line at the start and at the end of each render.
- STAND_IN_FAILS: filters, separated by commas, whose renders fail.
- STAND_IN_HANGS: filters whose renders stop half-way without an error, while their worker still answers.
- STAND_IN_HOLD: a file with filters, separated by commas; while it exists, the renders of all other filters wait after
  their first step, and questions about clips before they are answered.
- STAND_IN_KIND: kind of device; a `GPU` renders a batch of filters in the time of one.
"""

import functools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

STEPS = 10


class Cluster:
    """A scheduler and its workers, each a process of its own, ended with the block.

    Args:
        workers: how many to start with.
        seconds: that one render takes.
        log: file that gets one line of JSON per start and end of a render: `event`, `key`, `pid`.
        real: workers that render for real, as `dask worker` starts them.
        fails: filters whose render fails.
        hangs: filters whose render hangs half-way.
        hold: file; while it exists, only the filters in it, separated by commas, are rendered beyond their first step.
        kind: of device, `GPU` if they are to be given batches.
        environment: more of it for the workers.
    """

    def __init__(
        self,
        workers: int,
        seconds: float = 1.0,
        *,
        log: Path | None = None,
        real: bool = False,
        fails: tuple[int, ...] = (),
        hangs: tuple[int, ...] = (),
        hold: Path | None = None,
        kind: str = "",
        environment: dict[str, str] | None = None,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="c3dvis-cluster-")
        self._real = real
        self._environment = {
            **os.environ,
            "STAND_IN_SECONDS": str(seconds),
            "STAND_IN_LOG": str(log or os.devnull),
            "STAND_IN_FAILS": ",".join(map(str, fails)),
            "STAND_IN_HANGS": ",".join(map(str, hangs)),
            "STAND_IN_HOLD": str(hold or ""),
            "STAND_IN_KIND": kind,
            **(environment or {}),
        }
        self._environment.pop("C3DVIS_SCHEDULER", None)
        self.workers: list[subprocess.Popen[bytes]] = []
        about = Path(self._folder.name) / "scheduler.json"
        self._scheduler = self._start(
            "-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
            "--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(about),
        )  # fmt: skip
        deadline = time.monotonic() + 600
        while not (about.is_file() and about.stat().st_size):
            if self._scheduler.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise RuntimeError("the scheduler did not start")
            time.sleep(0.02)  # between looks at a file that another process writes
        self.address: str = json.loads(about.read_text())["address"]
        for _ in range(workers):
            self.start_worker()

    def start_worker(self) -> subprocess.Popen[bytes]:
        """One more worker."""
        if self._real:
            worker = self._start(
                "-m", "dask", "worker", self.address, "--nthreads", "1", "--memory-limit", "0", "--no-nanny",
                "--host", "127.0.0.1", "--no-dashboard", "--resources", "device=1",
                "--local-directory", self._folder.name,
            )  # fmt: skip
        else:
            worker = self._start(__file__, self.address)
        self.workers.append(worker)
        return worker

    def kill_worker(self, index: int) -> None:
        """End a worker with signal 9."""
        worker = self.workers.pop(index)
        worker.kill()
        worker.wait()
        assert worker.stdin
        worker.stdin.close()

    def close(self) -> None:
        """End every process of the cluster."""
        for process in (*self.workers, self._scheduler):
            process.kill()
            process.wait()
            assert process.stdin
            process.stdin.close()
        self.workers.clear()
        self._folder.cleanup()

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=Path(__file__).parent.parent,
            env=self._environment,
            stdin=subprocess.PIPE,  # a worker of ours ends with it
            stdout=subprocess.DEVNULL,
            stderr=None if os.environ.get("STAND_IN_TALKS") else subprocess.DEVNULL,
        )


def render_specs(specs: Any, reporters: Any, start_clip: bytes | None = None) -> list[Any]:
    """`worker_tasks.render_specs` without a network: it sleeps, reports as a render does, and returns noise.

    All of a batch are done in the time of one.
    """
    from c3dvis.maximize.progress import Progress
    from c3dvis.networks.registry import describe
    from c3dvis.networks.weights import installed_weights
    from c3dvis.queue.worker_tasks import RenderReply
    from c3dvis.results import RenderResult
    from c3dvis.spec import ALGORITHM_VERSION

    fingerprint = installed_weights.fingerprint(describe(specs[0].network))
    keys = [spec.key(fingerprint) for spec in specs]
    began = time.perf_counter()
    _log("start", keys)
    filters = {str(spec.filters[0][0]) for spec in specs}
    if filters & set(os.environ["STAND_IN_FAILS"].split(",")):
        raise RuntimeError("this filter was to fail")
    hangs = bool(filters & set(os.environ["STAND_IN_HANGS"].split(",")))
    seconds = float(os.environ["STAND_IN_SECONDS"])
    history = []
    for step in range(1, STEPS + 1):
        time.sleep(max(0.0, began + seconds * step / STEPS - time.perf_counter()))
        history.append({"step": step, "seconds": seconds * step / STEPS, "objective": 1.0, "shown_activation": 1.0})
        progress = Progress(step=step, steps=STEPS, seconds=seconds, objective=1.0, shown_activation=1.0)
        for reporter in reporters:
            reporter(progress)
        if hangs and step == STEPS // 2:
            threading.Event().wait()
        while _is_held(specs):
            time.sleep(0.02)  # between looks at a file that another process writes
            for reporter in reporters:  # a reporter raises if the render is cancelled
                reporter(progress)
    replies = []
    for spec in specs:
        result = RenderResult(
            spec=spec,
            clip=np.roll(_noise(spec.frames, spec.height, spec.width), spec.filters[0][0], axis=2),
            metrics={"shown_activation": 1.0, "gain": float(spec.filters[0][0]), "motion": 1.0, "dead": False},
            history=history,
            fingerprint=fingerprint,
            algorithm=ALGORITHM_VERSION,
            provenance={
                "device": "a stand-in", "seconds": seconds / len(specs), "batch_size": len(specs),
                "created": "2026-01-01T00:00:00+00:00",
            },
        )  # fmt: skip
        replies.append(RenderReply(blob=result.to_bytes()))
    _log("end", keys)
    return replies


def answer(request: Any, on_progress: Any = None) -> Any:
    """`c3dvis.probe.request.answer` without a network: every filter responds as its number says, everywhere."""
    from c3dvis.networks.registry import describe
    from c3dvis.probe import Attribution, FilterResponse, ProbeResult

    _log("answer", [str(request.target and request.target.filter)])
    while _is_held(()):
        time.sleep(0.02)  # between looks at a file that another process writes
    info, size = describe(request.network), request.clip.shape[:3]
    if request.target:
        shape = info.output_shape(request.target.layer, *size)
        if request.question == "layer_means":
            return np.arange(shape[3], dtype=np.float32)
        if request.question == "feature_map":
            return np.full(shape[:3], request.target.filter, np.float32)
        return Attribution(np.ones(size, np.float32), request.target, request.question, 1.0)
    usable = [layer for layer in info.layers if all(a >= b for a, b in zip(size, info.usable_size(layer), strict=True))]
    means = {layer: np.arange(info.output_shape(layer, *size)[3], dtype=np.float32) for layer in usable}
    layers = {
        layer: tuple(FilterResponse(layer, number, number, number, number) for number in range(request.top))
        for layer in usable
    }
    return ProbeResult(info.name, size, (), "A stand-in sees no classes.", layers, means, means)


def _is_held(specs: Any) -> bool:
    hold = os.environ["STAND_IN_HOLD"]
    try:
        free = Path(hold).read_text().split(",") if hold else None
    except FileNotFoundError:  # the renders may go on
        free = None
    return free is not None and not (specs and {str(spec.filters[0][0]) for spec in specs} <= set(free))


@functools.cache
def _noise(frames: int, height: int, width: int) -> np.ndarray:
    """As hard to compress as a real clip."""
    return np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def _log(event: str, keys: list[str]) -> None:
    common = {"event": event, "pid": os.getpid(), "batch_size": len(keys)}
    lines = [json.dumps(common | {"key": key}) + "\n" for key in keys]
    with Path(os.environ["STAND_IN_LOG"]).open("ab", buffering=0) as file:
        file.write("".join(lines).encode())  # one write: lines of several processes do not mix


def main() -> None:
    """Serve as a worker whose renders sleep."""
    from c3dvis.probe import request
    from c3dvis.queue import worker_process, worker_tasks

    kind = os.environ["STAND_IN_KIND"]
    worker_tasks.render_specs = render_specs
    request.answer = answer
    worker_tasks._load = lambda: {"device": "a stand-in", "kind": kind, "precision": "bfloat16", "versions": {}}
    worker_process.main()


if __name__ == "__main__":
    main()
