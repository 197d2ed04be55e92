"""The link of what a page shows and the command line that repeats it, each with a copy button."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from c3dvis.ui.components.mount import mount


def share_link(query: Mapping[str, str | Sequence[str]], command: str = "", *, key: str) -> None:
    """Draw the copy buttons.

    Args:
        query: of the link to this page.
        command: the command line; empty where there is none.
        key: Streamlit key.
    """
    mount("share_link", {"query": urlencode(query, doseq=True), "command": command}, key=key)
