"""What a visitor takes along: the clip in every format, the whole result, recipe, command and link."""

from collections.abc import Callable

import streamlit as st

from c3dvis import media
from c3dvis.results import RenderResult
from c3dvis.spec.text import file_stem
from c3dvis.ui.components.share import share_line

_SHORT = {"gif": "GIF", "mp4": "MP4", "webp": "WebP", "apng": "APNG", "png": "PNG sheet", "npy": "NPY"}


def draw(result: RenderResult) -> None:
    """Buttons that encode when pressed, so that showing a result costs no encoding."""
    stem = file_stem(result.spec)
    with st.container(horizontal=True, gap="small", key="downloads"):
        for fmt, entry in media.FORMATS.items():
            st.download_button(
                _SHORT.get(fmt, fmt.upper()),
                data=_encoder(result, fmt),
                file_name=stem + entry.extension,
                mime=entry.mime,
                on_click="ignore",
                help=entry.title,
                key=f"download.{fmt}",
            )
        st.download_button(
            "HDF5", data=result.to_bytes, file_name=f"{stem}.h5", mime="application/x-hdf5",
            on_click="ignore", key="download.h5",
            help="The whole result: clip, measures, curve and where it came from",
        )  # fmt: skip
        st.download_button(
            "Recipe", data=result.spec.to_json(), file_name=f"{stem}.json", mime="application/json",
            on_click="ignore", help="The spec as JSON: repeats this render anywhere", key="download.json",
        )  # fmt: skip
    share_line(result.spec, key="share")


def _encoder(result: RenderResult, fmt: str) -> Callable[[], bytes]:
    def encode() -> bytes:
        about = {"title": result.spec.title, "spec": result.spec.to_dict()}
        return media.encode(result.clip, fmt, metadata=about)

    return encode
