"""`take_apart()`: adds texture and motion to a finished render, and measures what each keeps of the response.

The idea is the second stage of 3DKernelVisualizer (arXiv:2505.07387), V_t = warp(I, D_t); docs/method.md has the steps
and the differences.
"""

import time
from dataclasses import replace

import numpy as np

from c3dvis.errors import RenderFailed
from c3dvis.maximize.progress import OnProgress, Progress
from c3dvis.maximize.quality import Quality
from c3dvis.maximize.texture_motion.flow import smoothed
from c3dvis.maximize.texture_motion.reconstruction import reconstruct
from c3dvis.maximize.texture_motion.refinement import STEPS, refine
from c3dvis.networks.compute.device import deterministic
from c3dvis.networks.compute.network import Network, load_network
from c3dvis.results import RenderResult
from c3dvis.results.texture_motion import LIKENESS, SHARES, TextureMotion

NOISE_SEEDS = range(4)
_PER_PIXEL = 32  # steps of a stored displacement; finer ones make the file larger and change no share by 0.1 %
_GRAIN = 1.0  # pixels, standard deviation of the noise's blur: finer grain would fade when it is moved


@deterministic()
def take_apart(
    result: RenderResult, on_progress: OnProgress | None = None, *, network: Network | None = None
) -> RenderResult:
    """A result with its `texture_motion`, and with the measures `rebuilt_share`, `texture_share`, `motion_share` and
    `rebuilt_likeness`.

    The same result gives the same texture and motion.

    Args:
        result: of a render.
        on_progress: called with a `Progress` at the start and after each step. It may raise `Cancelled`.
        network: that `render` was given; by default the spec's.

    Raises:
        RenderFailed: the filter does not respond to the clip, so that there is no response to keep.
        InvalidSpec: the network has more than three channels.
        WeightsMissing, WeightsDamaged: the network's weights cannot be read.
        Cancelled: raised by `on_progress`.
    """
    began, spec = time.perf_counter(), result.spec

    def report(step: int) -> None:
        if on_progress:
            on_progress(Progress(step, STEPS, time.perf_counter() - began, 0.0))

    report(0)
    network = network or load_network(spec.network)
    network.info.check_texture_motion()
    quality = Quality(network, spec, network.precision(spec.precision))
    activation = quality.shown_activation(result.clip)
    if activation <= 0:
        raise RenderFailed(
            f"{spec.title} has no response to this clip that texture and motion could keep. Expected a response above "
            f"0. Received: {activation:.3g}. Choose a filter that responds."
        )
    found = packed(*refine(network, spec, result.clip, *reconstruct(result.clip), activation, report))
    measures = {**shares(quality, found, activation), LIKENESS: likeness(result.clip, found.rebuilt())}
    return replace(result, texture_motion=found, metrics={**result.metrics, **measures})


def packed(texture: np.ndarray, displacement: np.ndarray) -> TextureMotion:
    """A texture in [0, 1] and displacements in float32, as they are shown and stored: rounded to 1/32 px."""
    rounded = np.rint(displacement * _PER_PIXEL) / _PER_PIXEL
    return TextureMotion(np.rint(texture * 255).astype(np.uint8), rounded.astype(np.float16))


def shares(quality: Quality, found: TextureMotion, activation: float) -> dict[str, float]:
    """The response to the rebuilt clip, to the texture held still, and to the motion on grey noise, each divided by
    the response to the clip."""
    noises = [found.moved(grey_noise(found.texture, seed)) for seed in NOISE_SEEDS]
    rebuilt, still, *moved = quality.shown_activations([found.rebuilt(), found.still(), *noises]) / activation
    return dict(zip(SHARES, (float(rebuilt), float(still), float(np.mean(moved))), strict=True))


def likeness(clip: np.ndarray, rebuilt: np.ndarray) -> float | None:
    """The share of a clip's variance that a rebuilt clip explains; None for a flat clip. Both (T, H, W, 3) uint8."""
    variance = clip.var(dtype=np.float64)
    difference = np.square(clip.astype(np.float32) - rebuilt).mean(dtype=np.float64)
    return float(1 - difference / variance) if variance > 0 else None


def grey_noise(texture: np.ndarray, seed: int) -> np.ndarray:
    """Grey noise of a texture's shape, mean and standard deviation: Gaussian, blurred by 1 px.

    Args:
        texture: (H, W, 3) uint8.
        seed: of the noise.
    """
    noise = np.random.Generator(np.random.PCG64(seed)).normal(size=texture.shape[:2])
    noise = smoothed(noise, _GRAIN, (0, 1))
    noise = texture.mean() + (noise - noise.mean()) * (texture.std() / noise.std())
    return np.repeat(np.clip(np.rint(noise), 0, 255).astype(np.uint8)[..., np.newaxis], 3, axis=-1)
