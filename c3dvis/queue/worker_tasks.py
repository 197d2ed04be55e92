"""The code that workers run: warm-up, renders with progress reports, and receiving weights.

Dask sends these functions by reference, so a worker on another machine needs this package too. TensorFlow is imported
only inside functions, because the dashboard imports this module to submit them.
"""

import gc
import importlib.metadata
import os
import platform
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from distributed import Worker, WorkerPlugin, get_worker

from c3dvis.errors import C3dvisError, Cancelled, RenderFailed
from c3dvis.networks.registry import describe
from c3dvis.networks.weights import installed_weights
from c3dvis.queue import preview_image
from c3dvis.queue.memory import release_memory
from c3dvis.queue.outbox import Outbox
from c3dvis.queue.queue_status import METRIC
from c3dvis.spec import ALGORITHM_VERSION, RenderSpec

if TYPE_CHECKING:
    from c3dvis.maximize.progress import Progress

TOPIC = "c3dvis"
"""Topic of the events that a task sends: `started` and `progress`."""

PROGRESS_EVERY = 0.2  # seconds between reports
PREVIEW_EVERY = 0.4  # seconds between previews

_warm = threading.Event()  # set when the warm-up of this process has ended, also when it failed
_report: dict[str, Any] = {}  # of this process, as `worker_status` reads it


@dataclass(frozen=True)
class RenderReply:
    """What a worker returns for one spec: the result's bytes, or an error.

    Attributes:
        blob: the result as `RenderResult.to_bytes` packs it.
        variants: those of the spec's other variants, which the same search has found.
        error: why there is no result.
        details: traceback of an unexpected error.
        missing_weights: name of the network whose weights this worker lacks; nothing was rendered.
        worker: address of the worker.
        unexpected: the spec may not be the cause of the error; each spec of a batch is then tried again alone.
    """

    blob: bytes | None = None
    variants: tuple[bytes, ...] = ()
    error: C3dvisError | None = None
    details: str = ""
    missing_weights: str = ""
    worker: str = ""
    unexpected: bool = False


def render(
    specs_json: Sequence[str], algorithm: int, fingerprint: str, start_clip: bytes | None = None
) -> list[RenderReply]:
    """Render specs in this worker, several as one batch. Never raises: errors come back as sentences.

    Args:
        specs_json: canonical JSON of each spec; several are of one `schedule.family`.
        algorithm: version of the algorithm under which the client stores the results.
        fingerprint: of the network whose results the client expects.
        start_clip: of a single spec that has one, as of `start_clips.pack_clip`.

    Returns:
        A reply for each spec, in their order.
    """
    task = RenderTask(get_worker())
    reporters = [ProgressReporter(task, index, len(specs_json)) for index in range(len(specs_json))]

    def work() -> list[RenderReply]:
        specs = [RenderSpec.from_json(text) for text in specs_json]
        if missing := lacks_weights(task, specs[0].network, fingerprint):
            return [missing] * len(specs)
        return _from_outbox_or_rendered(specs, fingerprint, reporters, task.worker, start_clip)

    return _replies(task, algorithm, work, len(specs_json))


def take_apart(blob: bytes, algorithm: int, fingerprint: str) -> list[RenderReply]:
    """Find the texture and motion of a finished result in this worker. Never raises: errors come back as sentences.

    Args:
        blob: the result as `RenderResult.to_bytes` packs it.
        algorithm, fingerprint: as in `render`.

    Returns:
        One reply, with the result that has texture and motion too.
    """
    task = RenderTask(get_worker())

    def work() -> list[RenderReply]:
        from c3dvis.results import RenderResult

        result = RenderResult.from_bytes(blob)
        if missing := lacks_weights(task, result.spec.network, fingerprint):
            return [missing]
        import c3dvis

        return [RenderReply(c3dvis.take_apart(result, ProgressReporter(task)).to_bytes(), worker=task.worker)]

    return _replies(task, algorithm, work, 1)


def lacks_weights(task: "RenderTask", network: str, fingerprint: str) -> RenderReply | None:
    """Wait until this worker is ready for a network; the reply instead of a result if it lacks the weights.

    Raises:
        RenderFailed: its weights are others than the client's.
        Cancelled: meanwhile.
    """
    if not installed_weights.present(describe(network)):
        return RenderReply(missing_weights=network, worker=task.worker)
    _check_weights(network, fingerprint)
    while not _warm.wait(0.1):
        task.raise_if_cancelled()
    return None


def _replies(
    task: "RenderTask", algorithm: int, work: Callable[[], list[RenderReply]], count: int
) -> list[RenderReply]:
    """What `work` returns; after an error, or for a client with another algorithm, `count` replies with the error."""
    try:
        task.send(kind="started")
        if algorithm != ALGORITHM_VERSION:
            raise RenderFailed(
                f"This worker renders by version {ALGORITHM_VERSION} of the algorithm, the dashboard asked "
                f"for version {algorithm}. Install the same c3dvis on both."
            )
        return work()
    except C3dvisError as error:
        return [RenderReply(error=error)] * count
    except Exception as error:
        return [_unexpected(error)] * count
    finally:
        release_memory()


def _from_outbox_or_rendered(
    specs: Sequence[RenderSpec], fingerprint: str, reporters: Sequence["ProgressReporter"], worker: str,
    start_clip: bytes | None,
) -> list[RenderReply]:  # fmt: skip
    """Results that an earlier task left in the outbox; the others are rendered and kept there until they are stored."""
    outbox = Outbox()
    keys = [spec.key(fingerprint) for spec in specs]
    found = {i: blob for i, key in enumerate(keys) if (blob := outbox.find(key)) is not None}
    replies = {i: RenderReply(blob=blob, worker=worker) for i, blob in found.items()}
    left = [i for i in range(len(specs)) if i not in found]
    if left:
        rendered = render_specs([specs[i] for i in left], [reporters[i] for i in left], start_clip)
        for i, reply in zip(left, rendered, strict=True):
            if reply.blob is not None:
                outbox.keep(keys[i], reply.blob)
            replies[i] = replace(reply, worker=worker)
    return [replies[i] for i in range(len(specs))]


def render_specs(
    specs: Sequence[RenderSpec], reporters: Sequence["ProgressReporter"], start_clip: bytes | None = None
) -> list[RenderReply]:
    """Render one spec, or several as a batch; an error that ends all of them is raised."""
    from c3dvis.maximize.render import render_batch, render_with_variants
    from c3dvis.results.start_clips import unpack_clip

    if len(specs) == 1:
        start = None if start_clip is None else unpack_clip(start_clip)
        blob, *variants = (one.to_bytes() for one in render_with_variants(specs[0], reporters[0], start))
        return [RenderReply(blob=blob, variants=tuple(variants))]
    ended = render_batch(specs, reporters)
    return [
        RenderReply(error=one) if isinstance(one, C3dvisError) else RenderReply(blob=one.to_bytes()) for one in ended
    ]


def _unexpected(error: Exception) -> RenderReply:
    reason = " ".join(str(error).split())[:200] or "no message"
    sentence = f"The render stopped on an unexpected {type(error).__name__}: {reason}. The log has the details."
    return RenderReply(error=RenderFailed(sentence), details=traceback.format_exc(), unexpected=True)


def receive_weights(network: str, data: bytes) -> C3dvisError | None:
    """Install a network's weights that the client sent, for this worker and all that share its weights folder.

    Returns:
        Why they could not be kept, or None.
    """
    try:
        installed_weights.receive(describe(network), data)
    except C3dvisError as error:
        return error
    return None


def end_process() -> None:
    """End this worker, whose render hangs; whatever started it starts another."""
    os._exit(1)


def _check_weights(network: str, fingerprint: str) -> None:
    own = installed_weights.fingerprint(describe(network))
    if own != fingerprint:
        raise RenderFailed(
            f"This worker's {network} has other weights than the asking machine's: expected fingerprint "
            f"{fingerprint[:12]}…, the worker has {own[:12]}…. Remove {describe(network).weights_path} on the worker, "
            "and it is sent the right ones."
        )


class RenderTask:
    """The Dask task that renders one spec or a batch: it sends events to the client and notices a cancellation.

    Attributes:
        worker: address of the worker that runs it.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker: str = worker.address
        self._worker = worker
        self._key = worker.get_current_task()

    def raise_if_cancelled(self) -> None:
        """Raises `Cancelled` if the client has cancelled the task or has ended.

        In both cases Dask marks the task as cancelled in the worker's state and lets its function run on.
        """
        task = self._worker.state.tasks.get(self._key)
        if task is None or task.state == "cancelled":
            raise Cancelled("The render was cancelled.")

    def send(self, **message: Any) -> None:
        """Send an event to the client."""
        self._worker.log_event(TOPIC, {"task": self._key, **message})


class ProgressReporter:
    """The `on_progress` of one spec of a task: reports a few times a second, and stops the render if it is cancelled.

    A report contains the measures of all steps since the last one. Previews are sent less often, the first at once. The
    intervals grow with the batch, so that a batch sends no more than a single render.

    Args:
        task: sends the reports.
        index: of the spec in its batch.
        batch_size: specs of the batch.
    """

    def __init__(self, task: RenderTask, index: int = 0, batch_size: int = 1) -> None:
        self._task = task
        self._index = index
        self._batch_size = batch_size
        self._points: list[list[float | None]] = []
        self._sent = self._preview_sent = float("-inf")

    def __call__(self, progress: "Progress") -> None:
        self._task.raise_if_cancelled()
        if progress.step:  # step 0 has a clip to show and no measures yet
            self._points.append([progress.step, progress.seconds, progress.objective, progress.shown_activation])
        now = time.monotonic()
        preview = progress.preview if now - self._preview_sent >= PREVIEW_EVERY * self._batch_size else None
        recent = now - self._sent < PROGRESS_EVERY * self._batch_size
        if preview is None and recent and progress.step < progress.steps:
            return
        message: dict[str, Any] = {"kind": "progress", "steps": progress.steps, "points": self._points}
        if preview is not None:
            message["frames"], message["preview"] = preview_image.encode(preview)
            self._preview_sent = now
        self._task.send(index=self._index, **message)
        self._points, self._sent = [], now


class WarmUp(WorkerPlugin):
    """Loads TensorFlow and the default network as soon as a worker starts, and reports its device and versions.

    Dask installs it on every worker, also on one that replaces another or joins later.
    """

    name = "c3dvis-warm-up"

    def setup(self, worker: Worker) -> None:
        """Start the warm-up in a thread, so that the worker answers meanwhile."""
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
        gc.freeze()  # what is loaded now stays loaded; later collections skip it
        _warm.set()


def _load() -> dict[str, Any]:
    """Import and build what most renders need; returns the device and versions, as `worker_status` reads them."""
    import c3dvis
    from c3dvis.networks.compute.device import configure, describe_device

    configure()
    device = describe_device()
    network = RenderSpec().network
    if installed_weights.present(describe(network)):
        try:
            c3dvis.load_network(network)
        except C3dvisError:
            traceback.print_exc()  # a render of that network fails with the same error
    versions = {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "keras-vis", "distributed")}
    return {
        "device": device["device"],
        "kind": device["kind"],
        "precision": device["precision"],
        "versions": {"c3dvis": c3dvis.__version__, "python": platform.python_version(), **versions},
    }
