"""The volume player: a clip on a canvas, with slices through space and time."""

import numpy as np

from c3dvis.ui.components.binary_message import binary_message
from c3dvis.ui.components.mount import mount

MAGIC = b"C3DV"


def player_message(
    clip: np.ndarray | None,
    *,
    clip_key: str,
    label: str,
    shape: tuple[int, int, int] | None = None,
    live: bool = False,
    placeholder: str = "",
    mark: str = "",
) -> bytes:
    """The message that the player's script receives: a `binary_message` with the RGB bytes of the clip.

    Args:
        clip: (T, H, W, 3) uint8, or None for an empty player.
        clip_key: identifies the clip. While the key stays the same, the player keeps its frame.
        label: name of the clip for screen readers.
        shape: (T, H, W) of the finished clip. A smaller preview is drawn at the size of the finished clip.
        live: whether the clip is a preview of a render that is running.
        placeholder: text in an empty player.
        mark: text in a corner of the picture, such as `unfinished`.

    Raises:
        ValueError: the clip has another shape or type, or there is neither a clip nor a shape.
    """
    if clip is None and shape is None:
        raise ValueError("an empty player needs the shape of the clip to come, received neither clip nor shape")
    if clip is not None and (clip.ndim != 4 or clip.shape[-1] != 3 or clip.dtype != np.uint8):
        raise ValueError(f"a clip is (T, H, W, 3) uint8; received {clip.shape} {clip.dtype}")
    clip_shape = shape if clip is None else clip.shape[:3]
    header = {
        "key": clip_key,
        "label": label,
        "shape": clip_shape,
        "display": shape or clip_shape,
        "live": live,
        "placeholder": placeholder,
        "mark": mark,
    }
    return binary_message(MAGIC, header, b"" if clip is None else np.ascontiguousarray(clip).tobytes())


def volume_player(message: bytes, *, key: str) -> None:
    """Show a `player_message`; with the same Streamlit `key` the player stays mounted when the page runs again."""
    mount("player", message, key=key)
