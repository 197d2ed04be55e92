"""A clip taken apart, in three views that play in step: the texture, its motion, and the clip they give together."""

from collections.abc import Mapping

import numpy as np

from c3dvis.results.texture_motion import TextureMotion
from c3dvis.ui.components.binary_message import binary_message
from c3dvis.ui.components.mount import mount

MAGIC = b"C3TM"
STEP = 4
"""Side in pixels of the squares whose mean velocity is sent."""

_LEAST_SPEED = 0.1  # pixels per frame that have full colour: a still clip stays grey


def texture_motion_message(
    apart: TextureMotion, *, key: str, label: str, sentences: Mapping[str, tuple[str, str]]
) -> bytes:
    """The message that the component's script receives.

    Its payload is the texture, RGB bytes; the rebuilt clip, RGB bytes; and the mean velocity of each 4 × 4 pixels,
    down and right, as int8: 127 is `speed`, the speed that has full colour.

    Args:
        apart: texture and motion.
        key: identifies the clip. While the key stays the same, the component keeps its frame.
        label: name of the clip for screen readers.
        sentences: from `interpretation.share_sentences`.
    """
    velocity = _averaged(apart.velocity())
    speed = max(_LEAST_SPEED, float(np.quantile(np.linalg.norm(velocity, axis=-1), 0.98)))
    scaled = np.clip(np.rint(velocity * (127 / speed)), -127, 127).astype(np.int8)
    header = {
        "key": key,
        "label": label,
        "shape": apart.displacement.shape[:3],
        "texture": apart.texture.shape[:2],
        "velocity": scaled.shape[1:3],
        "speed": speed,
        "sentences": dict(sentences),
    }
    return binary_message(MAGIC, header, apart.texture.tobytes() + apart.rebuilt().tobytes() + scaled.tobytes())


def _averaged(velocity: np.ndarray) -> np.ndarray:
    """Means over squares, (T, rows, columns, 2); a smaller square at the edge is one too."""
    starts = [np.arange(0, side, STEP) for side in velocity.shape[1:3]]
    sums = np.add.reduceat(np.add.reduceat(velocity, starts[0], axis=1), starts[1], axis=2)
    sizes = np.outer(*(np.diff([*start, side]) for start, side in zip(starts, velocity.shape[1:3], strict=True)))
    return sums / sizes[..., np.newaxis]


def texture_motion_view(message: bytes, *, key: str) -> None:
    """Show a `texture_motion_message`; with the same Streamlit `key` it stays mounted when the page runs again."""
    mount("texture_motion", message, key=key)
