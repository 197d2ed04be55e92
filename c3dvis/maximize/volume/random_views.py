"""The random views through which the network sees a volume during the optimisation, all from the spec's seed.

A picture to which the filter responds only at one exact position and size is noise. At each step the volume is shifted
and scaled a little before the network sees it, which suppresses such noise (Olah et al. 2017, "transformation
robustness").
"""

import numpy as np

SCALE = 0.05
"""Largest random scale: ±5 %, the same for height and width. It comes with `jitter_pixels` above 0."""


def random_views(steps: int, jitter_pixels: int, jitter_frames: int, seed: int) -> np.ndarray:
    """Shift and scale of every step, (steps, 6) float32: shift in frames, rows and columns, then the scale of each.

    Shifts are whole numbers within ±`jitter_frames` and ±`jitter_pixels`. The scale of the frames is 0. The first steps
    of a longer optimisation have the views of a shorter one.
    """
    generator = np.random.Generator(np.random.PCG64([seed, 1]))
    draws = generator.random((steps, 4))
    reach = np.array([jitter_frames, jitter_pixels, jitter_pixels])
    shift = np.floor(draws[:, :3] * (2 * reach + 1)) - reach
    scale = (2 * draws[:, 3:] - 1) * (SCALE if jitter_pixels else 0.0)
    return np.concatenate([shift, np.zeros((steps, 1)), scale, scale], axis=1).astype(np.float32)
