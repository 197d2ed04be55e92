"""Clips whose velocity is known: gratings, plaids, and a pattern that turns or grows."""

import numpy as np

SIZE = (12, 80, 80)
Velocity = tuple[float, float]  # pixels per frame: down, right


def waves(velocity: Velocity, *components: tuple[float, float], size: tuple[int, int, int] = SIZE) -> np.ndarray:
    """Sine waves that drift together, (T, H, W, 3) uint8; one is a grating, two or more are a plaid.

    Args:
        components: wavelength in pixels, and the direction across the wave in radians (0 is right, π/2 is down).
    """
    t, y, x = np.mgrid[tuple(slice(length) for length in size)]
    y, x = y - velocity[0] * t, x - velocity[1] * t
    total = sum(np.sin(2 * np.pi / length * (np.cos(angle) * x + np.sin(angle) * y)) for length, angle in components)
    grey = 127.5 + 110 / len(components) * total
    return np.repeat(np.rint(grey).astype(np.uint8)[..., np.newaxis], 3, axis=-1)


def turning(turn: float, growth: float, size: tuple[int, int, int] = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """A pattern of blobs that turns and grows about the centre.

    Args:
        turn: radians per frame.
        growth: share per frame.

    Returns:
        The clip (T, H, W, 3) uint8, and its velocity (H, W, 2), which is the same in every frame.
    """
    t, y, x = np.mgrid[tuple(slice(length) for length in size)].astype(float)
    y, x = y - (size[1] - 1) / 2, x - (size[2] - 1) / 2
    angle, scale = turn * (t - size[0] // 2), np.exp(growth * (t - size[0] // 2))
    right, down = ((np.cos(angle) * x + np.sin(angle) * y) / scale, (np.cos(angle) * y - np.sin(angle) * x) / scale)
    channels = [
        np.sin(right / 2.3 + k) * np.sin(down / 1.9 + 2 * k) + 0.5 * np.sin((right + down) / 4.1) for k in range(3)
    ]
    clip = np.rint(127.5 + 80 * np.stack(channels, -1)).astype(np.uint8)
    velocity = np.stack([growth * y + turn * x, growth * x - turn * y], -1)[0]
    return clip, velocity
