"""Taking along all that a page shows: a ZIP of clips and recipes, and a contact sheet. Encoded when pressed."""

import io
import zipfile
from collections.abc import Callable, Sequence

import streamlit as st

from c3dvis import media
from c3dvis.errors import C3dvisError
from c3dvis.results import RenderResult
from c3dvis.results.file_formats import FORMATS, encode_result
from c3dvis.spec import RenderSpec
from c3dvis.spec.text import file_stem
from c3dvis.ui.shared.services import Services


def draw(shared: Services, specs: Sequence[RenderSpec], name: str) -> None:
    """Buttons for what of these specs is stored; nothing where none is.

    Args:
        name: of the files, without an ending.
    """
    keys = [key for spec in specs if (key := shared.key(spec))]
    if not shared.store.present(keys):
        return
    stem = name.replace("/", ".").replace(" ", "-")
    with st.container(horizontal=True, gap="small"):
        st.download_button(
            "ZIP", data=_later(shared, specs, as_zip), file_name=f"{stem}.zip", mime="application/zip",
            on_click="ignore", key="take.zip", help="GIF, HDF5 and recipe of each that is shown",
        )  # fmt: skip
        st.download_button(
            "Contact sheet", data=_later(shared, specs, as_sheet), file_name=f"{stem}.png", mime="image/png",
            on_click="ignore", key="take.sheet", help="The middle frame of each that is shown, as one PNG",
        )  # fmt: skip


def as_zip(results: Sequence[RenderResult]) -> bytes:
    """A ZIP with GIF, HDF5 and recipe of each."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:  # all three are compressed already
        for result in results:
            stem = file_stem(result.spec)
            for fmt in ("gif", "h5", "json"):
                archive.writestr(stem + FORMATS[fmt].extension, encode_result(result, fmt))
    return file.getvalue()


def as_sheet(results: Sequence[RenderResult]) -> bytes:
    """A PNG with the middle frame of each."""
    return media.contact_sheet([result.clip for result in results], [f"{r.spec.filter_text}" for r in results])


def _later(
    shared: Services, specs: Sequence[RenderSpec], make: Callable[[Sequence[RenderResult]], bytes]
) -> Callable[[], bytes]:
    def encode() -> bytes:
        found = [result for spec in specs if (result := shared.store.get(spec))]
        if not found:
            raise C3dvisError("What was shown is no longer stored: render it again.")
        return make(found)

    return encode
