"""A clip taken apart, in three views that play in step: the texture, its motion, and the clip they give together."""

from collections.abc import Mapping

import numpy as np

from c3dvis.results.texture_motion import TextureMotion
from c3dvis.ui.components.binary_message import binary_message
from c3dvis.ui.components.mount import mount

MAGIC = b"C3TM"
STEP = 4
"""Pixels between two velocities that are sent."""

_LEAST_SPEED = 0.1  # pixels per frame that have full colour: a still clip stays grey


def texture_motion_message(
    apart: TextureMotion, *, key: str, label: str, sentences: Mapping[str, tuple[str, str]]
) -> bytes:
    """The message that the component's script receives.

    Its payload is the texture, RGB bytes; the rebuilt clip, RGB bytes; and the velocity at every fourth pixel, down and
    right, as int8: 127 is `speed`, the speed that has full colour.

    Args:
        apart: texture and motion.
        key: identifies the clip. While the key stays the same, the component keeps its frame.
        label: name of the clip for screen readers.
        sentences: from `interpretation.share_sentences`.
    """
    velocity = apart.velocity()[:, STEP // 2 :: STEP, STEP // 2 :: STEP]
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


def texture_motion_view(message: bytes, *, key: str) -> None:
    """Show a `texture_motion_message`; with the same Streamlit `key` it stays mounted when the page runs again."""
    mount("texture_motion", message, key=key)
