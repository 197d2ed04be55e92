"""`render()`: from a spec to a result, and `render_batch()` for several filters of one layer.

Neither function stores results or uses the queue.
"""

import importlib.metadata
import platform
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

import c3dvis
from c3dvis.errors import C3dvisError, Cancelled, InvalidSpec, RenderFailed
from c3dvis.maximize import fast_engine
from c3dvis.maximize.batch_item import BatchItem
from c3dvis.maximize.engine_result import EngineResult
from c3dvis.maximize.memory import check_memory
from c3dvis.maximize.progress import OnProgress
from c3dvis.maximize.quality import Quality
from c3dvis.maximize.schedule import Schedule
from c3dvis.networks.compute.device import describe_device, deterministic
from c3dvis.networks.compute.network import Network, load_network
from c3dvis.networks.registry import describe, sized
from c3dvis.results import RenderResult
from c3dvis.spec import ALGORITHM_VERSION, RenderSpec
from c3dvis.spec.clip_digest import clip_digest
from c3dvis.spec.text import size_text


@deterministic()
def render(
    spec: RenderSpec,
    on_progress: OnProgress | None = None,
    *,
    network: Network | None = None,
    start_clip: np.ndarray | None = None,
) -> RenderResult:
    """Make the clip that a spec asks for.

    Args:
        spec: what to render.
        on_progress: called with a `Progress` at the start and every few steps. It may raise `Cancelled`.
        network: whose filter it is, of `c3dvis.from_keras` for example; by default the spec's, read from its weights
            file. A spec without a size takes the network's own.
        start_clip: (T, H, W, 3) uint8 of the spec's size: the search changes this clip, as far as the spec's
            `start_strength` allows. The result's spec names it by its content hash.

    Returns:
        The clip, its measures and its history.

    Raises:
        UnknownNetwork, UnknownLayer, InvalidSpec: the network does not have what the spec asks for, or this machine
            does not have the memory.
        WeightsMissing, WeightsDamaged: the network's weights cannot be read.
        RenderFailed: a value overflowed.
        Cancelled: raised by `on_progress`.
    """
    began = time.perf_counter()
    spec = network.prepared(spec) if network else sized(spec)
    if start_clip is not None:
        spec = spec.replace(start_clip=clip_digest(start_clip))
    _check_start(spec, start_clip, (network.info if network else describe(spec.network)).domain.channels)
    network, quality = _prepare(spec, network)
    if spec.engine == "keras-vis":
        from c3dvis.maximize.keras_vis.engine import maximize_with_keras_vis

        found = maximize_with_keras_vis(network, spec, quality.shown_activation, on_progress, began)
    else:
        found = fast_engine.maximize(network, spec, quality, on_progress, began, start_clip)
    searched = time.perf_counter() - began
    result = _result(spec, network, quality, found, searched)
    if start_clip is None:
        return result
    return replace(result, metrics={**result.metrics, "start_activation": quality.shown_activation(start_clip)})


def render_with_variants(
    spec: RenderSpec, on_progress: OnProgress | None = None, start_clip: np.ndarray | None = None
) -> list[RenderResult]:
    """`render` of a spec, and after its result those of its other variants, which the same search has found."""
    others = [spec.replace(variant=variant) for variant in range(spec.variants) if variant != spec.variant]
    return [render(spec, on_progress, start_clip=start_clip), *map(render, others)]


@deterministic()
def render_batch(specs: Sequence[RenderSpec], on_progress: Sequence[OnProgress]) -> list[RenderResult | C3dvisError]:
    """Make the clips of specs of one `schedule.family` as one batch.

    On a CPU in bfloat16 each clip has the bytes that `render` gives it. Elsewhere TensorFlow's kernels may round a
    batch differently from a single clip.

    Args:
        specs: equal but for their filters.
        on_progress: one for each spec. A spec whose `on_progress` raises `Cancelled` is left out; the others go on.

    Returns:
        For each spec its result, or the error that prevented it: `Cancelled` or `RenderFailed`. `seconds` of a
        result are its share of the batch's time; its history counts from the start of the batch.

    Raises:
        UnknownNetwork, UnknownLayer, InvalidSpec, WeightsMissing, WeightsDamaged: as `render` does.
    """
    began = time.perf_counter()
    specs = [sized(spec) for spec in specs]
    (network, _), *_ = prepared = [_prepare(spec) for spec in specs]
    items = [
        BatchItem(spec, quality, listener)
        for spec, (_, quality), listener in zip(specs, prepared, on_progress, strict=True)
    ]
    fast_engine.maximize_batch(network, items, began)
    searched = (time.perf_counter() - began) / len(specs)
    ended: list[RenderResult | C3dvisError] = []
    for item, (_, quality) in zip(items, prepared, strict=True):
        try:
            ended.append(_result(item.spec, network, quality, item.result(), searched, len(specs)))
        except (Cancelled, RenderFailed) as error:
            ended.append(error)
    return ended


def _check_start(spec: RenderSpec, start_clip: np.ndarray | None, channels: int) -> None:
    if not spec.start_clip:
        return
    if start_clip is None:
        raise InvalidSpec(
            f"The render starts from a clip: expected the frames whose content hash is {spec.start_clip[:12]}…, "
            "received none. Give them as start_clip."
        )
    if channels > 3:
        raise InvalidSpec(
            "A start clip has red, green and blue: expected a network of up to three channels, received one of "
            f"{channels}."
        )
    if start_clip.shape[:3] != spec.size:
        raise InvalidSpec(
            f"The start clip has another size than the render: expected {size_text(spec.size)}, received "
            f"{size_text(start_clip.shape[:3])}. Give both the same."
        )


def _prepare(spec: RenderSpec, network: Network | None = None) -> tuple[Network, Quality]:
    info = network.info if network else describe(spec.network)
    info.check(spec)
    if describe_device()["kind"] == "CPU":  # on a GPU TensorFlow says when its memory runs out
        check_memory(spec, info)
    network = network or load_network(spec.network)
    return network, Quality(network, spec, network.precision(spec.precision))


def _result(
    spec: RenderSpec, network: Network, quality: Quality, found: EngineResult, searched: float, batch_size: int = 1
) -> RenderResult:
    """The result with its measures; `searched` is how many seconds the optimisation took."""
    began = time.perf_counter()
    metrics = quality.measure(found.clip, Schedule.of(spec, network.info).canvas if spec.engine == "fast" else None)
    seconds = searched + time.perf_counter() - began
    domain = network.input_domain
    return RenderResult(
        spec=spec,
        clip=domain.picture(found.clip),
        channels=found.clip if domain.channels > 3 else None,
        metrics=metrics,
        history=found.history,
        fingerprint=network.fingerprint,
        algorithm=ALGORITHM_VERSION,
        provenance={
            "device": describe_device(found.precision)["device"],
            "precision": found.precision,
            "seconds": seconds,
            "search_seconds": searched,
            "batch_size": batch_size,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "c3dvis": c3dvis.__version__,
            "tensorflow": importlib.metadata.version("tensorflow"),
            "keras": importlib.metadata.version("keras"),
            "python": platform.python_version(),
        },
    )
