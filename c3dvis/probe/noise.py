"""How the filters of a network respond to noise, against which their responses to real clips are standardised.

The noise clips are 8 clips of uniform noise, seeds 0 to 7, of the network's usual size, or a larger one for layers that
need it. The mean and the deviation of a filter are those over all positions of all of them, which depend little on the
size of a clip. They are computed once per network, and kept in the cache.
"""

import io
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from c3dvis.errors import OutputFailed
from c3dvis.files import write_whole
from c3dvis.networks.network_info import NetworkInfo
from c3dvis.networks.weights.progress import OnProgress
from c3dvis.probe.values import class_layer
from c3dvis.settings import cache_dir

logger = logging.getLogger(__name__)

NOISE_SEEDS = range(8)
_LEAST_SHARE = 0.1
"""Of the layer's mean deviation, the least deviation that a filter is divided by."""

NoiseScale = dict[str, np.ndarray]
"""By layer, (2, filters) float32: mean and deviation of each filter over all positions of the noise clips."""

Moments = Callable[[np.ndarray, Sequence[str]], dict[str, tuple[np.ndarray, np.ndarray]]]
"""From a clip (T, H, W, 3) uint8 and layers to each filter's mean response and mean squared response, by layer."""


def noise_clip(seed: int, size: tuple[int, int, int]) -> np.ndarray:
    """(T, H, W, 3) uint8 uniform noise."""
    return np.random.RandomState(seed).randint(0, 256, (*size, 3), np.uint8)


def standardised(means: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Responses minus their mean to noise, by their deviation to noise.

    The deviation is at least a tenth of the layer's mean deviation: else filters that are silent on noise, whose
    deviation is 0, would stand before all others however weakly they respond. In a layer that noise leaves silent as a
    whole, the responses are divided by their own largest.

    Args:
        means: (…, filters) mean responses.
        scale: (2, filters) of `NoiseScale`.
    """
    average, deviation = scale
    least = _LEAST_SHARE * float(deviation.mean())
    if least <= 0:
        largest = float(np.abs(means).max()) if means.size else 0.0
        return (means / largest if largest > 0 else np.zeros_like(means)).astype(np.float32)
    return ((means - average) / np.maximum(deviation, least)).astype(np.float32)


def noise_scale(info: NetworkInfo, fingerprint: str, moments: Moments, on_progress: OnProgress | None) -> NoiseScale:
    """The scale of a network, from the cache or computed now.

    Args:
        info, fingerprint: of the network.
        moments: computes them.
        on_progress: receives (noise clips done, noise clips); called only when they are computed.
    """
    path = cache_dir() / "probe" / f"noise-{fingerprint[:24]}.npz"
    if (stored := _read(path)) is not None:
        return stored
    by_size: dict[tuple[int, int, int], list[str]] = {}
    for layer in info.layers:
        by_size.setdefault(info.usable_size(layer), []).append(layer)
    if class_layer(info):  # its filters are the classes
        by_size = {
            size: kept for size, names in by_size.items() if (kept := [n for n in names if n != info.layers[-1]])
        }
    rows: dict[str, list[np.ndarray]] = {}
    total, done = len(by_size) * len(NOISE_SEEDS), 0
    for size, layers in by_size.items():
        for seed in NOISE_SEEDS:
            for layer, both in moments(noise_clip(seed, size), layers).items():
                rows.setdefault(layer, []).append(np.stack(both).astype(np.float64))
            done += 1
            if on_progress:
                on_progress(done, total)
    scale = {}
    for layer, each in rows.items():
        average, square = np.mean(each, 0)
        scale[layer] = np.stack([average, np.sqrt(np.maximum(square - average**2, 0))]).astype(np.float32)
    _write(path, scale)
    return scale


def _read(path: Path) -> NoiseScale | None:
    """What is kept; None where nothing is, or the file is damaged: it is then computed again."""
    try:
        with np.load(path, allow_pickle=False) as file:
            names = [str(name) for name in file["layers"]]
            scale = {name: file[f"scale{index}"] for index, name in enumerate(names)}
    except (OSError, ValueError, KeyError, EOFError):
        return None
    return scale if all(each.ndim == 2 and len(each) == 2 for each in scale.values()) else None


def _write(path: Path, scale: NoiseScale) -> None:
    """Keep a scale; where that is not possible, it is computed again the next time."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {f"scale{index}": each for index, each in enumerate(scale.values())}
    np.savez(buffer, layers=np.array(list(scale)), **arrays)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, buffer.getvalue(), durable=False)
    except (OSError, OutputFailed) as error:
        logger.warning("The responses to noise are not kept: %s", error)
