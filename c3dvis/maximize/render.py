"""`render()`: from a spec to a result, and several of one layer at once. No store, no queue."""

import importlib.metadata
import platform
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import c3dvis
from c3dvis.errors import C3dvisError, Cancelled, RenderFailed
from c3dvis.maximize import fast_engine
from c3dvis.maximize.progress import OnProgress
from c3dvis.maximize.quality import Metric, Quality
from c3dvis.maximize.schedule import Schedule
from c3dvis.networks.compute.device import configure, describe_device, resolve_precision
from c3dvis.networks.compute.network import Network, load_network
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
    network, quality = _prepare(spec)
    if spec.engine == "keras-vis":
        from c3dvis.maximize.keras_vis_engine import maximize_with_keras_vis

        outcome = maximize_with_keras_vis(network, spec, quality.shown_activation, on_progress, began)
    else:
        outcome = fast_engine.maximize(network, spec, quality, on_progress, began)
    searched = time.perf_counter() - began
    metrics = _measure(quality, spec, network, outcome)
    return _result(spec, network, outcome, metrics, searched, time.perf_counter() - began)


def render_together(specs: Sequence[RenderSpec], on_progress: Sequence[OnProgress]) -> list[RenderResult | C3dvisError]:
    """Make the volumes of specs of one `schedule.family` in one batch, sooner than one by one where that pays.

    On a CPU in bfloat16 each comes out as `render` alone makes it, to the byte; elsewhere kernels may round otherwise
    for several at once.

    Args:
        specs: alike but for their filters.
        on_progress: one for each; a spec whose `on_progress` raises `Cancelled` is left out, the others go on.

    Returns:
        For each spec its result, or why there is none: `Cancelled`, `RenderFailed`. Each result's seconds are its
        share; its history counts since the beginning of all.

    Raises:
        UnknownNetwork, UnknownLayer, InvalidSpec, WeightsMissing, WeightsDamaged: as `render` does.
    """
    began = time.perf_counter()
    (network, _), *_ = prepared = [_prepare(spec) for spec in specs]
    members = [
        fast_engine.Member(spec, quality, listener)
        for spec, (_, quality), listener in zip(specs, prepared, on_progress, strict=True)
    ]
    fast_engine.maximize_together(network, members, began)
    searched = (time.perf_counter() - began) / len(specs)
    ended: list[RenderResult | C3dvisError] = []
    for member, (_, quality) in zip(members, prepared, strict=True):
        since = time.perf_counter()
        try:
            outcome = member.result()
        except (Cancelled, RenderFailed) as error:
            ended.append(error)
            continue
        metrics = _measure(quality, member.spec, network, outcome)
        seconds = searched + time.perf_counter() - since
        ended.append(_result(member.spec, network, outcome, metrics, searched, seconds, len(specs)))
    return ended


def _prepare(spec: RenderSpec) -> tuple[Network, Quality]:
    configure()
    describe(spec.network).check(spec)
    network = load_network(spec.network)
    return network, Quality(network, spec, resolve_precision(spec.precision))


def _measure(quality: Quality, spec: RenderSpec, network: Network, outcome: fast_engine.Outcome) -> dict[str, Metric]:
    return quality.measure(outcome.clip, Schedule.of(spec, network.info).canvas if spec.engine == "fast" else None)


def _result(
    spec: RenderSpec,
    network: Network,
    outcome: fast_engine.Outcome,
    metrics: dict[str, Metric],
    searched: float,
    seconds: float,
    together: int = 1,
) -> RenderResult:
    return RenderResult(
        spec=spec,
        clip=outcome.clip,
        metrics=metrics,
        history=outcome.history,
        fingerprint=network.fingerprint,
        algorithm=ALGORITHM_VERSION,
        provenance={
            "device": describe_device(outcome.precision)["device"],
            "precision": outcome.precision,
            "seconds": seconds,
            "search_seconds": searched,
            "together": together,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "c3dvis": c3dvis.__version__,
            "tensorflow": importlib.metadata.version("tensorflow"),
            "keras": importlib.metadata.version("keras"),
            "python": platform.python_version(),
        },
    )
