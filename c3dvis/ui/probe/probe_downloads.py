"""Downloads of the Probe page: the overlay as a video, responses, feature maps, and a figure."""

from functools import partial

import numpy as np
import streamlit as st

import c3dvis
from c3dvis import media
from c3dvis.media import figure
from c3dvis.media.overlay import key_texts, with_key
from c3dvis.probe.tables import feature_maps_hdf5, responses_csv
from c3dvis.results.figure import FigureContent, clip_panels
from c3dvis.ui.probe.looking import Heat, Looking
from c3dvis.ui.probe.page_state import ProbeState

_FPS = 10.0


def draw_downloads(state: ProbeState, looking: Looking) -> None:
    """Draw the downloads of what is there; each file is made when its button is pressed."""
    heat, found = looking.heat, looking.found
    stem = _stem(state, looking)
    maps = [
        (one, values)
        for one, job in zip(looking.strongest_filters, looking.map_jobs, strict=True)
        if (values := looking.answer(job)) is not None
    ]
    with st.container(horizontal=True, gap="small", key="probe downloads"):

        def button(label: str, ending: str, mime: str, data: object, what: str, ready: bool) -> None:
            st.download_button(
                label, data=data or b"", file_name=f"{stem}{ending}", mime=mime, on_click="ignore",  # type: ignore[arg-type]
                key=f"p.download{ending}", help=what, disabled=not ready,
            )  # fmt: skip

        button(
            "Overlay, MP4", ".mp4", "video/mp4", heat and partial(overlay_video, looking.shown, heat, looking.title),
            "The clip with the heat map, and its key", heat is not None,
        )  # fmt: skip
        button(
            "Responses, CSV", ".csv", "text/csv", found and partial(responses_csv, found),
            "Mean and standardised response of every filter of every layer", found is not None,
        )  # fmt: skip
        button(
            "Feature maps, HDF5", ".h5", "application/x-hdf5",
            partial(feature_maps_hdf5, state.network, source_of(looking), looking.clip, {state.layer: maps}),
            "Of the layer's filters that respond most, with the clip", bool(maps),
        )  # fmt: skip
        button(
            "Figure, PDF", ".pdf", "application/pdf", partial(overlay_figure, looking, stem),
            "Frames and slices of the clip and the overlay, with axes and a caption", heat is not None,
        )  # fmt: skip


def overlay_video(shown: np.ndarray, heat: Heat, title: str) -> bytes:
    """An MP4 of an overlay (T, H, W, 3) with the key of its colours."""
    keyed = with_key(shown, heat.strongest, signed=heat.signed)
    return media.encode(keyed, "mp4", fps=_FPS, metadata={"title": title})


def overlay_figure(looking: Looking, stem: str) -> bytes:
    """A PDF with frames and slices of the clip, and below them of the overlay."""
    clip, heat = looking.clip, looking.heat
    assert heat
    content = FigureContent.usual(clip.shape[:3])
    rows = [
        figure.PanelRow(clip_panels(clip, content), "The clip"),
        figure.PanelRow(clip_panels(looking.shown, content), looking.title),
    ]
    low, high = key_texts(heat.strongest, heat.signed)
    window = looking.state.window
    caption = (
        f"{looking.title}: dark is {low}, light is {high}. {len(clip)} frames of {source_of(looking)}, from "
        f"{window.start_seconds:g} s on, every {window.stride:g}. Made with c3dvis {c3dvis.__version__}."
    )
    return figure.draw_figure(rows, caption, "pdf", 2, {"Title": stem})


def source_of(looking: Looking) -> str:
    """What the clip was read from."""
    return looking.state.file or "the sample clip of c3dvis"


def _stem(state: ProbeState, looking: Looking) -> str:
    target = looking.target
    parts = [
        "probe",
        state.network,
        state.view,
        *([target.layer.replace("/", "."), str(target.filter)] if target else []),
    ]
    return "_".join(parts)
