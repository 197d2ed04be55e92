"""The upload of a file, for those who may upload."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from c3dvis.access.sign_in import current_may, open_for_uploads


def draw_upload(
    label: str, extensions: Sequence[str] | None, *, key: str, max_megabytes: int, **options: Any
) -> Any | None:
    """Draw the control that uploads one file; nothing for those who may not upload.

    Args:
        label: of the control.
        extensions: of the files that it takes, without a point; None takes any.
        key: of the widget.
        max_megabytes: of the file.
        **options: further ones of `st.file_uploader`.

    Returns:
        The open file, or None.
    """
    if not current_may("upload"):
        return None
    open_for_uploads()
    return st.file_uploader(label, extensions, key=key, max_upload_size=max_megabytes, **options)
