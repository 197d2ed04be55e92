"""The wall: many clips side by side, played in step; a cell is a link."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from c3dvis.results import Thumbnail
from c3dvis.ui.components.binary_message import binary_message
from c3dvis.ui.components.mount import mount

MAGIC = b"C3DW"


@dataclass(frozen=True)
class CellPixels:
    """The pixels of a cell: a WebP sheet of all frames, or RGB bytes frame after frame.

    Args:
        key: identifies the pixels, so that the browser decodes them once.
        shape: (frames, height, width) of the clip.
        columns: frames per row of the sheet; 0 for RGB bytes.
        data: the WebP file or the RGB bytes.
        hold: for how many frames of the wall each frame stays: a kernel of three frames would flicker.
    """

    key: str
    shape: tuple[int, int, int]
    columns: int
    data: bytes
    hold: int = 1


@dataclass(frozen=True)
class Cell:
    """One cell of the wall.

    Args:
        name: tells the cells of a wall apart.
        title: first line under the pixels.
        caption: second line under the pixels.
        state: `stored`, `dead`, `queued`, `running`, `failed` or `absent`. A cell without pixels shows it in words.
        link: address within the dashboard to which a press leads; empty if there is none.
        pixels: None where there is nothing to show yet.
        taps: a kernel whose frames stand side by side under the pixels, or None.
    """

    name: str
    title: str
    caption: str = ""
    state: str = "stored"
    link: str = ""
    pixels: CellPixels | None = None
    taps: CellPixels | None = None


def thumbnail_pixels(thumbnail: Thumbnail) -> CellPixels:
    """The thumbnail of a stored result."""
    return CellPixels(thumbnail.key, thumbnail.shape, thumbnail.columns, thumbnail.image)


def clip_pixels(clip: np.ndarray, key: str, hold: int = 1) -> CellPixels:
    """All pixels of a (T, H, W, 3) uint8 clip; `hold` as of `CellPixels`."""
    frames, height, width = clip.shape[:3]
    return CellPixels(key, (frames, height, width), 0, np.ascontiguousarray(clip).tobytes(), hold)


def wall_message(cells: Sequence[Cell], *, label: str, side: int, scrub: bool) -> bytes:
    """The message that the wall's script receives: a `binary_message` with the pixels of all cells.

    Args:
        cells: in the order in which they are shown.
        label: name of the wall for screen readers.
        side: width of a cell in CSS pixels.
        scrub: whether there are a slider over the frames and buttons for single steps, and, beside each clip whose
            pixels are RGB bytes, its slices through space and time with sliders that place them.
    """
    payload: list[bytes] = []
    cell_headers: list[dict[str, Any]] = []

    def described(pixels: CellPixels | None) -> dict[str, Any] | None:
        if pixels is None:
            return None
        offset = sum(map(len, payload))
        payload.append(pixels.data)
        values = {name: value for name, value in vars(pixels).items() if name != "data"}
        return values | {"from": offset, "to": offset + len(pixels.data)}

    for cell in cells:
        cell_headers.append(vars(cell) | {"pixels": described(cell.pixels), "taps": described(cell.taps)})
    header = {"label": label, "side": side, "scrub": scrub, "cells": cell_headers}
    return binary_message(MAGIC, header, b"".join(payload))


def wall(cells: Sequence[Cell], *, key: str, label: str, side: int, scrub: bool = False) -> None:
    """Draw the wall; the arguments are those of `wall_message`."""
    mount("wall", wall_message(cells, label=label, side=side, scrub=scrub), key=key)
