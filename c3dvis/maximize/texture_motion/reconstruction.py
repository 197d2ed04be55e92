"""From a clip to the texture and the displacements that rebuild it best, without a network. NumPy and SciPy alone.

1. The flow between each frame and its neighbour nearer to the middle one (`flow.py`).
2. The flows chained to the middle frame: the first displacements.
3. In turns: the texture from the displacements (each texture pixel is the mean of the clip's pixels that show it), and
   better displacements from the texture (`flow.step`, with a window over neighbouring frames too).

The result depends on the clip alone, and is the same each time.
"""

import math

import numpy as np
from scipy import ndimage

from c3dvis.maximize.texture_motion.flow import flow, smoothed, step
from c3dvis.media.warp import cell, sample
from c3dvis.results.texture_motion import positions

_ROUNDS = 6
_WINDOW, _WINDOW_FRAMES = 2.5, 0.8  # pixels and frames, standard deviations
_SMOOTHING = 1.2  # pixels, standard deviation: with less, the field folds where content changes its form
_SHARPENINGS = 2  # of the texture: the mean over frames that were sampled between pixels is too soft
_LEAST_WEIGHT = 0.05  # of a texture pixel, in pixels of the clip, below which no frame shows it
_FILLING = 4.0  # pixels, standard deviation: texture that no frame shows is filled from this far


def reconstruct(clip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The texture and the displacements of a clip, as `TextureMotion` has them but in float32.

    Args:
        clip: (T, H, W, 3) uint8, H and W at least 2.

    Returns:
        texture: (H + 2 margin, W + 2 margin, 3) float32 in [0, 1]. The margin is at most half the larger side.
        displacement: (T, H, W, 2) float32 in pixels.
    """
    frames = clip.astype(np.float32) / 255
    displacement = _chained(frames)
    largest = max(frames.shape[1:3]) // 2
    margin = min(math.ceil(float(np.abs(displacement).max())) + 2, largest)
    texture = _texture(frames, displacement, margin)
    for _ in range(_ROUNDS):
        warped = sample(texture, *positions(displacement, margin))
        displacement = displacement + step(warped, frames, _WINDOW, _WINDOW_FRAMES)
        displacement = smoothed(displacement, _SMOOTHING, (1, 2))
        texture = _texture(frames, displacement, margin)
    return np.clip(texture, 0, 1), displacement


def _chained(frames: np.ndarray) -> np.ndarray:
    """(T, H, W, 2) displacements from each frame to the middle one, by the flows between neighbouring frames."""
    middle = len(frames) // 2
    outwards = [*range(middle + 1, len(frames)), *range(middle - 1, -1, -1)]
    nearer = [t - 1 if t > middle else t + 1 for t in outwards]
    displacement = np.zeros((*frames.shape[:3], 2), np.float32)
    if not outwards:
        return displacement
    flows = flow(frames[nearer], frames[outwards])
    for u, t, neighbour in zip(flows, outwards, nearer, strict=True):
        displacement[t] = u + sample(displacement[neighbour], *positions(u[np.newaxis]))[0]
    return displacement


def _texture(frames: np.ndarray, displacement: np.ndarray, margin: int) -> np.ndarray:
    """The texture whose pixels are the weighted means of the clip's pixels that show them."""
    height, width = (side + 2 * margin for side in frames.shape[1:3])
    rows, columns = positions(displacement, margin)
    base, down, right = cell(rows, columns, height, width)
    corners = (
        (0, (1 - down) * (1 - right)), (1, (1 - down) * right), (width, down * (1 - right)), (width + 1, down * right),
    )  # fmt: skip
    index = np.concatenate([(base + offset).ravel() for offset, _ in corners])
    weights = np.concatenate([weight.ravel() for _, weight in corners])

    def collected(values: np.ndarray) -> np.ndarray:
        """For each texture pixel the weighted sum of a clip's pixels (T, H, W, 3) that show it."""
        channels = [
            np.bincount(index, weights * np.tile(values[..., channel].ravel(), 4), height * width)
            for channel in range(3)
        ]
        return np.stack(channels, -1).reshape(height, width, 3).astype(np.float32)

    weight = np.bincount(index, weights, height * width).reshape(height, width, 1).astype(np.float32)
    texture = _filled(collected(frames) / np.maximum(weight, 1e-3), weight > _LEAST_WEIGHT)
    for _ in range(_SHARPENINGS):
        missing = frames - sample(texture, rows, columns)
        texture = texture + 0.9 * collected(missing) / np.maximum(weight, 0.3)
    return texture


def _filled(texture: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The texture with smooth colours where no frame shows it; `seen` is (H, W, 1)."""
    if seen.all():
        return texture
    known = seen.astype(np.float32)
    near, share = (ndimage.gaussian_filter(each, (_FILLING, _FILLING, 0)) for each in (texture * known, known))
    mean = texture[seen[..., 0]].mean(axis=0)
    return np.where(seen, texture, np.where(share > 1e-3, near / np.maximum(share, 1e-3), mean))
