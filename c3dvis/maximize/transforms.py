"""The random views through which a volume is seen while it is searched, all from the spec's seed.

A filter's picture that only works at one exact place and size is noise; seen a little shifted and scaled at every
step, what remains is what the filter looks for (Olah et al. 2017, "transformation robustness").
"""

import numpy as np

SCALE = 0.05
"""Largest random scale: ±5 %, the same for height and width. Part of jitter: none without it."""


def random_views(steps: int, jitter_pixels: int, jitter_frames: int, seed: int) -> np.ndarray:
    """Shift and scale of every step, (steps, 6) float32: shift in frames, rows, columns, then scale alike.

    Shifts are whole numbers within ±`jitter_frames` and ±`jitter_pixels`. The first steps of a longer search are
    those of a shorter one.
    """
    generator = np.random.Generator(np.random.PCG64([seed, 1]))
    draws = generator.random((steps, 4))
    reach = np.array([jitter_frames, jitter_pixels, jitter_pixels])
    shift = np.floor(draws[:, :3] * (2 * reach + 1)) - reach
    scale = (2 * draws[:, 3:] - 1) * (SCALE if jitter_pixels else 0.0)
    return np.concatenate([shift, np.zeros((steps, 1)), scale, scale], axis=1).astype(np.float32)
