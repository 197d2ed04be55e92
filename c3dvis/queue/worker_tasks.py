"""What runs inside a worker: warming up, and renders with their reports.

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
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from distributed import Worker, WorkerPlugin, get_worker

from c3dvis.errors import C3dvisError, Cancelled, RenderFailed
from c3dvis.networks.registry import describe
from c3dvis.networks.weights import installed_weights
from c3dvis.queue import preview
from c3dvis.queue.outbox import Outbox
from c3dvis.queue.queue_status import METRIC
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
        worker: address of the worker.
        unexpected: the error is none that a spec can be blamed for; of several in a batch, each deserves a try alone.
    """

    blob: bytes | None = None
    error: C3dvisError | None = None
    details: str = ""
    wants: str = ""
    worker: str = ""
    unexpected: bool = False


def render(specs_json: Sequence[str], algorithm: int, fingerprint: str) -> list[Outcome]:
    """Render specs in this worker, several as one batch; never raises, so that what comes back is always sentences.

    Args:
        specs_json: canonical JSON of each spec; several are of one `schedule.family`.
        algorithm: version that the asking side would store the results under.
        fingerprint: of the network that the asking side means.

    Returns:
        How each ended, in their order.
    """
    worker = get_worker()
    run = Run(worker)
    reporters = [Reporter(run, index, len(specs_json)) for index in range(len(specs_json))]
    try:
        run.started()
        if algorithm != ALGORITHM_VERSION:
            raise RenderFailed(
                f"This worker renders by version {ALGORITHM_VERSION} of the algorithm, the dashboard asked "
                f"for version {algorithm}. Install the same c3dvis on both."
            )
        specs = [RenderSpec.from_json(text) for text in specs_json]
        network = specs[0].network
        if not installed_weights.present(describe(network)):
            return [Outcome(wants=network, worker=worker.address)] * len(specs)
        _check_weights(network, fingerprint)
        while not _warm.wait(0.1):
            run.raise_if_cancelled()
        return _kept_or_rendered(specs, fingerprint, reporters, worker.address)
    except C3dvisError as error:
        return [Outcome(error=error)] * len(specs_json)
    except Exception as error:
        return [_unexpected(error)] * len(specs_json)
    finally:
        _release_memory()


def _kept_or_rendered(
    specs: Sequence[RenderSpec], fingerprint: str, reporters: Sequence["Reporter"], worker: str
) -> list[Outcome]:
    """From the outbox what an earlier run made and nobody could store; the others rendered, and kept until stored."""
    outbox = Outbox()
    keys = [spec.key(fingerprint) for spec in specs]
    found = {i: blob for i, key in enumerate(keys) if (blob := outbox.find(key)) is not None}
    outcomes = {i: Outcome(blob=blob, worker=worker) for i, blob in found.items()}
    left = [i for i in range(len(specs)) if i not in found]
    if left:
        made = rendered([specs[i] for i in left], [reporters[i] for i in left])
        for i, outcome in zip(left, made, strict=True):
            if outcome.blob is not None:
                outbox.keep(keys[i], outcome.blob)
            outcomes[i] = replace(outcome, worker=worker)
    return [outcomes[i] for i in range(len(specs))]


def rendered(specs: Sequence[RenderSpec], reporters: Sequence["Reporter"]) -> list[Outcome]:
    """Have specs rendered; an error that ends all of them is raised."""
    import c3dvis

    if len(specs) == 1:
        return [Outcome(blob=c3dvis.render(specs[0], on_progress=reporters[0]).to_bytes())]
    from c3dvis.maximize.render import render_batch

    ended = render_batch(specs, reporters)
    return [Outcome(error=one) if isinstance(one, C3dvisError) else Outcome(blob=one.to_bytes()) for one in ended]


def _unexpected(error: Exception) -> Outcome:
    reason = " ".join(str(error).split())[:200] or "no message"
    sentence = f"The render stopped on an unexpected {type(error).__name__}: {reason}. The log has the details."
    return Outcome(error=RenderFailed(sentence), details=traceback.format_exc(), unexpected=True)


def receive_weights(network: str, data: bytes) -> C3dvisError | None:
    """Keep a network's weights that the asking side sent, for this worker and all that share its folder.

    Returns:
        Why they could not be kept, or None.
    """
    try:
        installed_weights.receive(describe(network), data)
    except C3dvisError as error:
        return error
    return None


def _check_weights(network: str, fingerprint: str) -> None:
    own = installed_weights.fingerprint(describe(network))
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


class Run:
    """What Dask runs, one spec or a batch of them, and its way to tell of itself."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._key = worker.get_current_task()

    def started(self) -> None:
        """Tell that this run has a device now."""
        self.send(kind="started")

    def raise_if_cancelled(self) -> None:
        """Raises `Cancelled` when no one wants this run any more.

        Dask then marks the task as cancelled in the worker's own state and lets its body run; so it also is
        when the dashboard that asked has gone.
        """
        task = self._worker.state.tasks.get(self._key)
        if task is None or task.state == "cancelled":
            raise Cancelled("The render was cancelled.")

    def send(self, **message: Any) -> None:
        """Have a message arrive at the side that asked."""
        self._worker.log_event(TOPIC, {"run": self._key, **message})


class Reporter:
    """The `on_progress` of one spec of a run: reports a few times a second, and stops it once the run is cancelled.

    Every step's numbers travel, gathered between reports; previews travel less often, the first at once. Those of a
    batch take turns, so that it sends no more than a single render.
    """

    def __init__(self, run: Run, index: int = 0, count: int = 1) -> None:
        self._run = run
        self._index = index
        self._count = count
        self._points: list[list[float | None]] = []
        self._sent = self._preview_sent = float("-inf")

    def __call__(self, progress: "Progress") -> None:
        self._run.raise_if_cancelled()
        if progress.step:  # at step 0 there is a clip to show and nothing measured yet
            shown = None if progress.shown_activation is None else float(progress.shown_activation)
            seconds, objective = float(progress.seconds), float(progress.objective)
            self._points.append([int(progress.step), seconds, objective, shown])
        now = time.monotonic()
        with_preview = progress.preview is not None and now - self._preview_sent >= PREVIEW_EVERY * self._count
        recent = now - self._sent < PROGRESS_EVERY * self._count
        if not with_preview and recent and progress.step < progress.steps:
            return
        message: dict[str, Any] = {"kind": "progress", "steps": int(progress.steps), "points": self._points}
        if with_preview and progress.preview is not None:
            message["frames"], message["preview"] = preview.encode(progress.preview)
            self._preview_sent = now
        self._run.send(index=self._index, **message)
        self._points = []
        self._sent = now


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
    """Import and build what most renders need; returns what this worker is, as `status.WorkerStatus` has it."""
    import c3dvis
    from c3dvis.networks.compute.device import describe_device

    device = describe_device()  # first, since it sets TensorFlow up
    network = RenderSpec().network
    if installed_weights.present(describe(network)):
        try:
            c3dvis.load_network(network)
        except C3dvisError:
            traceback.print_exc()  # a render of that network says what is wrong with it
    versions = {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "keras-vis", "distributed")}
    return {
        "device": device["device"],
        "kind": device["kind"],
        "precision": device["precision"],
        "versions": {"c3dvis": c3dvis.__version__, "python": platform.python_version(), **versions},
    }
