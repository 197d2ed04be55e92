"""What runs inside a worker: warming up, and one render with its reports.

Everything here is submitted by reference, so a worker of another machine needs this package too. TensorFlow
is imported inside functions alone: the dashboard imports this module to name them.
"""

import ctypes
import gc
import importlib.metadata
import os
import platform
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from distributed import Worker, WorkerPlugin, get_worker

from c3dvis.errors import C3dvisError, Cancelled, RenderFailed
from c3dvis.networks.registry import describe
from c3dvis.queue import preview
from c3dvis.queue.status import METRIC
from c3dvis.spec import ALGORITHM_VERSION, RenderSpec

if TYPE_CHECKING:
    from c3dvis.maximize.progress import Progress

TOPIC = "c3dvis"
"""Topic of the events that a run sends: `started` and `progress`."""

PROGRESS_EVERY = 0.2  # seconds between reports
PREVIEW_EVERY = 0.4  # seconds between previews

_warm = threading.Event()  # set once this process has warmed up, or could not
_report: dict[str, Any] = {}  # on this process


@dataclass(frozen=True)
class Outcome:
    """How a render ended: the result's bytes, or an error with the traceback of an unexpected one.

    Attributes:
        wants: the network whose weights this worker lacks; nothing was rendered.
        worker: address of the worker that wants them.
    """

    blob: bytes | None = None
    error: C3dvisError | None = None
    details: str = ""
    wants: str = ""
    worker: str = ""


def render(spec_json: str, algorithm: int, fingerprint: str) -> Outcome:
    """Render one spec in this worker; never raises, so that what comes back is always one sentence.

    Args:
        spec_json: canonical JSON of the spec.
        algorithm: version that the asking side would store the result under.
        fingerprint: of the network that the asking side means.
    """
    worker = get_worker()
    reporter = Reporter(worker)
    try:
        reporter.started()
        if algorithm != ALGORITHM_VERSION:
            raise RenderFailed(
                f"This worker renders by version {ALGORITHM_VERSION} of the algorithm, the dashboard asked "
                f"for version {algorithm}. Install the same c3dvis on both."
            )
        spec = RenderSpec.from_json(spec_json)
        if not describe(spec.network).weights_installed():
            return Outcome(wants=spec.network, worker=worker.address)
        _check_weights(spec.network, fingerprint)
        while not _warm.wait(0.1):
            reporter.raise_if_cancelled()
        import c3dvis

        result = c3dvis.render(spec, on_progress=reporter)
        return Outcome(blob=result.to_bytes())
    except C3dvisError as error:
        return Outcome(error=error)
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or "no message"
        sentence = f"The render stopped on an unexpected {type(error).__name__}: {reason}. The log has the details."
        return Outcome(error=RenderFailed(sentence), details=traceback.format_exc())
    finally:
        _release_memory()


def receive_weights(network: str, data: bytes) -> C3dvisError | None:
    """Keep a network's weights that the asking side sent, for this worker and all that share its folder.

    Returns:
        Why they could not be kept, or None.
    """
    from c3dvis.networks.weights.fetch import receive

    try:
        receive(describe(network), data)
    except C3dvisError as error:
        return error
    return None


def _check_weights(network: str, fingerprint: str) -> None:
    own = describe(network).fingerprint()
    if own != fingerprint:
        raise RenderFailed(
            f"This worker's {network} has other weights than the asking machine's: expected fingerprint "
            f"{fingerprint[:12]}…, the worker has {own[:12]}…. Remove {describe(network).weights_path} on the worker, "
            "and it is sent the right ones."
        )


def _release_memory() -> None:
    """Give memory that the render no longer uses back to the system, where its C library can."""
    gc.collect()  # compiled functions refer to themselves
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)


class Reporter:
    """The `on_progress` of a render: reports a few times a second, and stops the render once it is cancelled.

    Every step's numbers travel, gathered between reports; previews travel less often, the first at once.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._run = worker.get_current_task()
        self._points: list[list[float | None]] = []
        self._sent = self._preview_sent = float("-inf")

    def started(self) -> None:
        """Tell that this run has a device now."""
        self._send(kind="started")

    def raise_if_cancelled(self) -> None:
        """Raises `Cancelled` when no one wants this run any more.

        Dask then marks the task as cancelled in the worker's own state and lets its body run; so it also is
        when the dashboard that asked has gone.
        """
        task = self._worker.state.tasks.get(self._run)
        if task is None or task.state == "cancelled":
            raise Cancelled("The render was cancelled.")

    def __call__(self, progress: "Progress") -> None:
        self.raise_if_cancelled()
        if progress.step:  # at step 0 there is a clip to show and nothing measured yet
            shown = None if progress.shown_activation is None else float(progress.shown_activation)
            seconds, objective = float(progress.seconds), float(progress.objective)
            self._points.append([int(progress.step), seconds, objective, shown])
        now = time.monotonic()
        with_preview = progress.preview is not None and now - self._preview_sent >= PREVIEW_EVERY
        if not with_preview and now - self._sent < PROGRESS_EVERY and progress.step < progress.steps:
            return
        message: dict[str, Any] = {"kind": "progress", "steps": int(progress.steps), "points": self._points}
        if with_preview and progress.preview is not None:
            message["frames"], message["preview"] = preview.encode(progress.preview)
            self._preview_sent = now
        self._send(**message)
        self._points = []
        self._sent = now

    def _send(self, **message: Any) -> None:
        self._worker.log_event(TOPIC, {"run": self._run, **message})


class WarmUp(WorkerPlugin):
    """Loads TensorFlow and the default network as soon as a worker starts, and reports what it is.

    Dask gives it to every worker, also to one that replaces another or joins later.
    """

    name = "c3dvis-warm-up"

    def setup(self, worker: Worker) -> None:
        """Start warming up in a thread: the worker keeps answering meanwhile."""
        worker.metrics[METRIC] = lambda _: _report
        if not _report:
            _report.update(pid=os.getpid(), ready=False)
            threading.Thread(target=_warm_up, name="warm-up", daemon=True).start()


def _warm_up() -> None:
    try:
        _report.update(_load(), ready=True)
    except Exception as error:
        _report.update(problem=f"A worker could not load TensorFlow ({type(error).__name__}: {error}).")
        traceback.print_exc()
    finally:
        gc.collect()
        gc.freeze()  # what is loaded now stays, and need not be looked through after each render
        _warm.set()


def _load() -> dict[str, Any]:
    """Import and build what most renders need; returns `device` and `versions`."""
    import c3dvis
    from c3dvis.networks.device import describe_device

    device = describe_device()  # first, since it sets TensorFlow up
    network = RenderSpec().network
    if describe(network).weights_installed():
        try:
            c3dvis.load_network(network)
        except C3dvisError:
            traceback.print_exc()  # a render of that network says what is wrong with it
    versions = {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "keras-vis", "distributed")}
    return {
        "device": device["device"],
        "versions": {"c3dvis": c3dvis.__version__, "python": platform.python_version(), **versions},
    }
