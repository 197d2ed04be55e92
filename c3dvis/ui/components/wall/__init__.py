"""The wall: many clips side by side, played in step by one clock; a press on one chooses it."""

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from c3dvis.results import Thumbnail
from c3dvis.ui.components.mount import mount

MAGIC = b"C3DW"


@dataclass(frozen=True)
class Picture:
    """Pixels of a cell: a sheet of frames as WebP, or, where `columns` is 0, RGB bytes frame after frame.

    Args:
        key: names these pixels, so that the browser decodes them once.
        shape: (frames, height, width).
    """

    key: str
    shape: tuple[int, int, int]
    columns: int
    data: bytes


@dataclass(frozen=True)
class Cell:
    """One place on the wall.

    Args:
        name: what is chosen by a press.
        title: under the picture.
        note: a second line.
        state: `stored`, `dead`, `queued`, `running`, `failed` or `absent`; all but the first are said in words where
            there is no picture.
        link: where a press leads in a new tab.
    """

    name: str
    title: str
    note: str = ""
    state: str = "stored"
    link: str = ""
    picture: Picture | None = None


def small(thumbnail: Thumbnail) -> Picture:
    """The thumbnail of a stored result."""
    return Picture(thumbnail.key, thumbnail.shape, thumbnail.columns, thumbnail.image)


def whole(clip: np.ndarray, key: str) -> Picture:
    """A (T, H, W, 3) uint8 clip at its own pixels."""
    frames, height, width = clip.shape[:3]
    return Picture(key, (frames, height, width), 0, np.ascontiguousarray(clip).tobytes())


def message(cells: Sequence[Cell], *, label: str, side: int, scrub: bool) -> bytes:
    """What the browser gets: magic, length of the header (uint32, little endian), JSON header, pixels of all cells.

    Args:
        label: what a screen reader calls the wall.
        side: width of a cell in CSS pixels.
        scrub: with a slider over the frames and single steps.
    """
    at = 0
    described: list[dict[str, Any]] = []
    for cell in cells:
        about: dict[str, Any] = {
            "name": cell.name, "title": cell.title, "note": cell.note, "state": cell.state, "link": cell.link,
        }  # fmt: skip
        if cell.picture:
            length = len(cell.picture.data)
            about["picture"] = {
                "key": cell.picture.key,
                "shape": cell.picture.shape,
                "columns": cell.picture.columns,
                "from": at,
                "to": at + length,
            }
            at += length
        described.append(about)
    text = json.dumps({"label": label, "side": side, "scrub": scrub, "cells": described}).encode()
    pixels = b"".join(cell.picture.data for cell in cells if cell.picture)
    return MAGIC + struct.pack("<I", len(text)) + text + pixels


def wall(
    cells: Sequence[Cell], *, key: str, label: str, side: int, on_chosen: Callable[[], None], scrub: bool = False
) -> None:
    """Draw the wall; a press calls `on_chosen`, which finds the cell's name in `st.session_state[key].chosen`."""
    mount("wall", message(cells, label=label, side=side, scrub=scrub), key=key, on_chosen_change=on_chosen)
