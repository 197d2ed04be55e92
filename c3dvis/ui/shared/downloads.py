"""Download buttons: one result in every format, or all results of a page as a ZIP or a contact sheet.

Each file is encoded when its button is pressed, so that drawing the buttons costs nothing.
"""

import io
import zipfile
from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from c3dvis import media
from c3dvis.errors import C3dvisError
from c3dvis.results import RenderResult
from c3dvis.results.file_formats import FORMATS, TEXTURE_MOTION_FORMATS, encode_result
from c3dvis.spec import RenderSpec
from c3dvis.spec.text import file_stem
from c3dvis.ui.shared.figure_export import draw_figure_export
from c3dvis.ui.shared.server_resources import ServerResources

MAX_ROWS = 6
"""Results up to which a figure begins with a row for each; of more it begins with one frame each."""


def draw_result_downloads(result: RenderResult) -> None:
    """Draw the downloads of one result: the clip and its parts in each format, HDF5, recipe."""
    stem = file_stem(result.spec)
    with st.container(horizontal=True, gap="small", key="downloads"):
        for fmt, entry in (FORMATS | (TEXTURE_MOTION_FORMATS if result.texture_motion else {})).items():
            st.download_button(
                entry.label,
                data=partial(encode_result, result, fmt),
                file_name=stem + entry.extension,
                mime=entry.mime,
                on_click="ignore",
                help=entry.title,
                key=f"download.{fmt}",
            )
        draw_figure_export(lambda: [result], result.spec.size, stem, key="figure")


def draw_page_downloads(resources: ServerResources, specs: Sequence[RenderSpec], name: str) -> None:
    """Draw the downloads of all results that a page shows; nothing where none of the specs is stored.

    Args:
        resources: of the server.
        specs: that the page shows, stored or not.
        name: of the files, without extension.
    """
    keys = [key for spec in specs if (key := resources.key(spec))]
    if not resources.store.present(keys):
        return

    def encoder(encode: Callable[[Sequence[RenderResult]], bytes]) -> Callable[[], bytes]:
        return lambda: encode(_stored_results(resources, specs))

    stem = name.replace("/", ".").replace(" ", "-")
    with st.container(horizontal=True, gap="small"):
        st.download_button(
            "ZIP", data=encoder(zip_archive), file_name=f"{stem}.zip", mime="application/zip",
            on_click="ignore", key="page.zip", help="GIF, HDF5 and recipe of each result on this page",
        )  # fmt: skip
        st.download_button(
            "Contact sheet", data=encoder(contact_sheet), file_name=f"{stem}.png", mime="image/png",
            on_click="ignore", key="page.sheet", help="The middle frame of each result on this page, as one PNG",
        )  # fmt: skip
        frames, height, width = (min(spec.size[axis] for spec in specs) for axis in range(3))
        draw_figure_export(
            partial(_stored_results, resources, specs), (frames, height, width), stem, key="page.figure",
            grid=len(specs) > MAX_ROWS,
        )  # fmt: skip


def zip_archive(results: Sequence[RenderResult]) -> bytes:
    """A ZIP with the GIF, the HDF5 and the recipe of each result."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:  # GIF and HDF5 are compressed already
        for result in results:
            stem = file_stem(result.spec)
            for fmt in ("gif", "h5", "json"):
                archive.writestr(stem + FORMATS[fmt].extension, encode_result(result, fmt))
    return file.getvalue()


def contact_sheet(results: Sequence[RenderResult]) -> bytes:
    """A PNG with the middle frame of each result, labelled with its filter."""
    return media.contact_sheet([result.clip for result in results], [result.spec.filter_text for result in results])


def _stored_results(resources: ServerResources, specs: Sequence[RenderSpec]) -> list[RenderResult]:
    results = [result for spec in specs if (result := resources.store.get(spec))]
    if not results:
        raise C3dvisError("The results on this page are no longer stored. Render them again.")
    return results
