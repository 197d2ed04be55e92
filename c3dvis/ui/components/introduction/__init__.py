"""The introduction at the head of a page: the program's name, one sentence, and *What am I looking at?*.

The texts and drawings are in `introduction.js`. The browser remembers when a visitor has put it away.
"""

from c3dvis.ui.components.mount import mount


def introduction(method_path: str, *, key: str) -> None:
    """Draw the introduction.

    Args:
        method_path: of the page about the method, relative to this page.
        key: Streamlit key.
    """
    mount("introduction", {"method": method_path}, key=key)
