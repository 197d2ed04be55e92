"""The export of a figure for a paper: which frames and slices, at what scale, as PNG or PDF."""

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from c3dvis.media.figure import SCALES
from c3dvis.results import RenderResult
from c3dvis.results.figure import FigureContent, draw_figure

_MIME = {"png": "image/png", "pdf": "application/pdf"}


def draw_figure_export(
    results: Callable[[], Sequence[RenderResult]], size: tuple[int, int, int], stem: str, key: str, grid: bool = False
) -> None:
    """Draw the button that opens the choices, and the downloads among them.

    Args:
        results: gives the results to draw, when a download is pressed.
        size: (frames, height, width) that every clip has at least.
        stem: of the file names.
        key: of the widgets.
        grid: whether to begin with one frame of each clip in place of a row for each.
    """
    with st.popover("Figure", icon=":material/image:", help="A figure for a paper, with axes and a caption", key=key):
        content = _draw_choices(size, f"{key}.{'x'.join(map(str, size))}", grid)
        is_empty = not content.frames and content.row is None and content.column is None
        if is_empty:
            st.info("Choose a frame or a slice.")
        with st.container(horizontal=True, gap="small"):
            for fmt, mime in _MIME.items():
                st.download_button(
                    f"{fmt.upper()} figure", data=partial(_encode, results, content, fmt),
                    file_name=f"{stem}.figure.{fmt}", mime=mime, on_click="ignore", key=f"{key}.{fmt}",
                    disabled=is_empty, help="Text stays text" if fmt == "pdf" else None,
                )  # fmt: skip
        st.caption("The caption names network, layer, filter, engine, seed, steps and weights.")


def _draw_choices(size: tuple[int, int, int], key: str, grid: bool) -> FigureContent:
    frames, height, width = size
    chosen = (frames // 2,) if grid else FigureContent.usual(size).frames
    shown = st.multiselect("Frames", range(frames), chosen, key=f"{key}.frames", format_func=lambda n: str(n + 1))

    def slice_at(name: str, axis: str, side: int) -> int | None:
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            is_shown = st.checkbox(f"Slice {name}", not grid, key=f"{key}.{name}")
            place = st.number_input(f"at {axis}", 0, side - 1, side // 2, key=f"{key}.{axis}", disabled=not is_shown)
        return place if is_shown else None

    row, column = slice_at("x–t", "y", height), slice_at("y–t", "x", width)
    scale = st.slider(
        "Scale", SCALES[0], SCALES[-1], FigureContent.scale, key=f"{key}.scale",
        help="Pixels of the figure for each pixel of the clip. A PDF has the same size at every scale.",
    )  # fmt: skip
    return FigureContent(tuple(sorted(shown)), row, column, scale)


def _encode(results: Callable[[], Sequence[RenderResult]], content: FigureContent, fmt: str) -> bytes:
    return draw_figure(results(), content, fmt)
