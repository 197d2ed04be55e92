"""`render()`: from a spec to a result. No store, no queue."""

import importlib.metadata
import platform
import time
from datetime import UTC, datetime
from typing import Any

import c3dvis
from c3dvis.maximize import fast
from c3dvis.maximize.progress import OnProgress
from c3dvis.maximize.quality import Quality
from c3dvis.maximize.schedule import Schedule
from c3dvis.networks.device import configure, describe_device, resolve_precision
from c3dvis.networks.network import load_network
from c3dvis.networks.registry import describe
from c3dvis.results import RenderResult
from c3dvis.spec import ALGORITHM_VERSION, RenderSpec


def render(spec: RenderSpec, on_progress: OnProgress | None = None) -> RenderResult:
    """Make the volume that a spec asks for.

    Args:
        spec: what to render.
        on_progress: called with a `Progress` at the start and every few steps; it may raise `Cancelled`.

    Returns:
        The clip, its measures and its history.

    Raises:
        UnknownNetwork, UnknownLayer, InvalidSpec: the spec asks for what the network has not.
        WeightsMissing, WeightsDamaged: the network's weights cannot be read.
        RenderFailed: the numbers overflowed.
        Cancelled: raised by `on_progress`.
    """
    began = time.perf_counter()
    configure()
    info = describe(spec.network)
    info.check(spec)
    network = load_network(spec.network)
    quality = Quality(network, spec, resolve_precision(spec.precision))
    if spec.engine == "keras-vis":
        from c3dvis.maximize.keras_vis import maximize_with_keras_vis

        outcome = maximize_with_keras_vis(network, spec, quality.shown_activation, on_progress, began)
    else:
        outcome = fast.maximize(network, spec, quality, on_progress, began)
    searched = time.perf_counter() - began
    metrics = quality.measure(outcome.clip, Schedule.of(spec, info).canvas if spec.engine == "fast" else None)
    return RenderResult(
        spec=spec,
        clip=outcome.clip,
        metrics=metrics,
        history=outcome.history,
        fingerprint=network.fingerprint,
        algorithm=ALGORITHM_VERSION,
        provenance=_provenance(outcome.precision, searched, time.perf_counter() - began),
    )


def _provenance(precision: str, searched: float, seconds: float) -> dict[str, Any]:
    return {
        "device": describe_device(precision)["device"],
        "precision": precision,
        "seconds": seconds,
        "search_seconds": searched,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "c3dvis": c3dvis.__version__,
        "tensorflow": importlib.metadata.version("tensorflow"),
        "keras": importlib.metadata.version("keras"),
        "python": platform.python_version(),
    }
