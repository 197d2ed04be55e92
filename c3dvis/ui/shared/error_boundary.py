"""What a visitor sees of a failure: one sentence, never a traceback.

Around each page, and around each fragment too, since a fragment that looks again runs without its page.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from c3dvis.errors import C3dvisError

_log = logging.getLogger(__name__)


@contextmanager
def guarded(page: str) -> Iterator[None]:
    """Around the drawing of a page, or before the function that draws a part of it.

    A failure of ours is shown as its sentence, any other goes to the log too.
    """
    try:
        yield
    except C3dvisError as error:
        st.error(str(error), icon=":material/error:")
    except Exception as error:  # a visitor gets a sentence, the log the rest
        _log.exception("The %s page failed", page)
        st.error(
            f"The page met an unexpected {type(error).__name__} and stopped here. Reload it; if that does "
            "not help, the server's log says more.",
            icon=":material/error:",
        )
