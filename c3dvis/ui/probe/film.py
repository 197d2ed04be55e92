"""The head of the Probe page: the file, its film strip, and the window of it that the network sees."""

import base64
import io
from html import escape

import numpy as np
import streamlit as st
from PIL import Image

from c3dvis.clips import ClipInfo
from c3dvis.clips.sample import SAMPLE
from c3dvis.errors import C3dvisError, ClipTooShort
from c3dvis.networks import registry
from c3dvis.spec.text import counted
from c3dvis.ui.probe.clip_file import STRIP_HEIGHT, ClipFile, Strip
from c3dvis.ui.probe.page_state import MOST_FRAMES, SIZES, ProbeState
from c3dvis.ui.shared.control import bound
from c3dvis.ui.shared.plain_text import draw_caption, draw_error, draw_warning, plain
from c3dvis.ui.shared.upload import draw_upload

MAX_MEGABYTES = 500
UPLOAD = "probe upload"

_STRIDES = (0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)


def current_file(state: ProbeState) -> ClipFile | None:
    """The visitor's file, or the sample; None where the address names a file that is not open."""
    upload = st.session_state.get(UPLOAD)
    if upload is not None:
        return ClipFile(upload)
    return None if state.file else ClipFile()


def draw_choice(state: ProbeState) -> None:
    """Draw the choice of a file, a network and a size."""

    def uploaded() -> None:
        upload = st.session_state[UPLOAD]
        name = upload.name[:200] if upload else ""
        if name != state.file:
            state.choose_file(name)

    def choose_size(size: str | None) -> None:
        state.size = size or state.size

    with st.container(key="probe choice"):
        left, right = st.columns([3, 2], gap="large")
    with left:
        draw_upload(
            f"A clip of yours (video, GIF, picture, .npy or .nii.gz; at most {MAX_MEGABYTES} MB)", None, key=UPLOAD,
            max_megabytes=MAX_MEGABYTES, on_change=uploaded,
            help="It is decoded in a process of its own. Nothing of it is kept: it is gone when you close the page.",
        )  # fmt: skip
    with right:
        names = registry.names()
        st.selectbox(
            "Network", names, names.index(state.network), format_func=registry.title,
            **bound("p.network", state.network, state.choose_network, names),
        )  # fmt: skip
        st.segmented_control(
            "Frames", list(SIZES), default=state.size, format_func=SIZES.__getitem__, required=True,
            help="The network's classes need large frames. Small ones are several times faster.",
            **bound("p.size", state.size, choose_size, SIZES),
        )  # fmt: skip
    if state.file and st.session_state.get(UPLOAD) is None:
        st.info(
            plain(
                f"This link shows {state.file}. A link holds no file: open that one above, and the page shows what its "
                "sender saw."
            ),
            icon=":material/upload_file:",
        )
        st.button("Show the sample clip", key="p.sample", on_click=state.choose_file, args=("",))


def draw_window(state: ProbeState, file: ClipFile) -> np.ndarray | None:
    """Draw the film strip and the choice of a window.

    Returns:
        The window as the network takes it, (T, H, W, 3) uint8; None if it cannot be read, which the page then says.
    """
    try:
        with st.spinner("Reading the clip …"):
            info, strip = file.describe(), file.strip()
    except C3dvisError as error:
        draw_error(error.message)
        return None
    span = state.clip_size[0] * state.stride / info.frames_per_second
    st.html(_film(strip, info, state.start, span, file.name))
    _draw_controls(state, info)
    notes = list(info.notes)
    try:
        with st.spinner("Reading the window …"):
            read = file.window(state.window, state.clip_size[1:])
    except ClipTooShort as error:
        _offer_fill(state, error.message)
        return None
    except C3dvisError as error:
        draw_error(error.message)
        return None
    draw_caption(" ".join([_window_sentence(state, info, span), *notes, *read.notes]))
    return read.clip


def _window_sentence(state: ProbeState, info: ClipInfo, span: float) -> str:
    frames, height, width = state.clip_size
    what = f"{counted(frames, 'frame')} of {width} × {height} pixels"
    if info.kind == "image":
        return f"The network sees {what}, scaled and cropped at the centre."
    unit = "slices" if info.kind == "volume" else "seconds"
    return (
        f"The network sees {what}, {span:.3g} {unit} from {state.start:.3g} on, scaled and cropped at the centre of "
        f"{info.width} × {info.height}."
    )


def _draw_controls(state: ProbeState, info: ClipInfo) -> None:
    def set_start(start: float) -> None:
        state.start = start

    def set_stride(stride: float) -> None:
        state.stride = stride

    def set_length(length: int) -> None:
        usual = ProbeState(network=state.network, size=state.size).clip_size[0]
        state.length = None if length == usual else length

    last = max(0.0, (info.seconds or 0.0) - 1 / info.frames_per_second)
    with st.container(key="probe window"):
        start, stride, length = st.columns([4, 2, 2], gap="medium", vertical_alignment="bottom")
    with start:
        st.slider(
            "Start, slice" if info.kind == "volume" else "Start, seconds", 0.0, max(last, 0.01),
            min(state.start, max(last, 0.01)), step=max(0.01, round(1 / info.frames_per_second, 2)),
            disabled=info.kind == "image" or not last, **bound("p.start", state.start, set_start),
        )  # fmt: skip
    with stride:
        strides = sorted({*_STRIDES, state.stride})
        st.selectbox(
            "Stride", strides, strides.index(state.stride), format_func=lambda value: f"every {value:g}",
            help="Every how many frames the network sees one; below 1 each is seen several times.",
            **bound("p.stride", state.stride, set_stride),
        )  # fmt: skip
    with length:
        st.number_input(
            "Frames in the window",
            1,
            MOST_FRAMES,
            state.clip_size[0],
            **bound("p.length", state.clip_size[0], set_length),
        )


def _offer_fill(state: ProbeState, message: str) -> None:
    def fill(how: str) -> None:
        state.fill = how

    draw_warning(message, icon=":material/timer:")
    with st.container(horizontal=True, gap="small"):
        st.button("Stretch it", key="p.stretch", on_click=fill, args=("stretch",), help="The frames there are, slower")
        st.button("Loop it", key="p.loop", on_click=fill, args=("loop",), help="From the window's start again")


def _film(strip: Strip, info: ClipInfo, start: float, span: float, name: str) -> str:
    """The film strip, with the window marked on it."""
    pictures = "".join(
        f'<img src="{_jpeg(frame)}" alt="" width="{frame.shape[1]}" height="{STRIP_HEIGHT}">' for _, frame in strip
    )
    seconds = info.seconds or span or 1.0
    left, width = 100 * min(1.0, start / seconds), 100 * min(1.0, span / seconds)
    mark = "" if info.kind == "image" else f'<i style="left:{left:.2f}%;width:{min(width, 100 - left):.2f}%"></i>'
    what = escape(name or SAMPLE.name)
    label = f"Film strip of {what}: the window is {span:.2g} of {seconds:.4g} seconds, from {start:.3g} on"
    return f'<div class="c3d-film" role="img" aria-label="{label}"><div>{pictures}</div>{mark}</div>'


def _jpeg(frame: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
