"""What a visitor takes along: the clip in every format, the whole result, recipe, command and link."""

from functools import partial

import streamlit as st

from c3dvis.results import RenderResult
from c3dvis.results.file_formats import FORMATS, encode_result
from c3dvis.spec.text import file_stem
from c3dvis.ui.components.share import share_line


def draw(result: RenderResult) -> None:
    """Buttons that encode when pressed, so that showing a result costs no encoding."""
    stem = file_stem(result.spec)
    with st.container(horizontal=True, gap="small", key="downloads"):
        for fmt, entry in FORMATS.items():
            st.download_button(
                entry.label,
                data=partial(encode_result, result, fmt),
                file_name=stem + entry.extension,
                mime=entry.mime,
                on_click="ignore",
                help=entry.title,
                key=f"download.{fmt}",
            )
    share_line(result.spec, key="share")
