"""Shows a failure of a page as one sentence, never as a traceback.

It encloses each page, and each fragment too, since Streamlit reruns a fragment without its page.
"""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from c3dvis.errors import C3dvisError
from c3dvis.ui.shared.plain_text import draw_error

_log = logging.getLogger(__name__)


@contextmanager
def error_boundary(page: str) -> Iterator[None]:
    """Turn an exception into an error message on the page, as a context manager or as a decorator.

    A `C3dvisError` is shown with its own text. Any other exception is shown with its class alone, and logged.

    Args:
        page: title of the page, for the log.
    """
    try:
        yield
    except C3dvisError as error:
        draw_error(error.message)
    except Exception as error:  # the visitor gets a sentence, the log the traceback
        if is_of_a_value(error):
            _log.warning("The %s page was sent a value that its control cannot have", page, exc_info=error)
            draw_error("This browser sent a value that a control of the page cannot have. Reload the page.")
        else:
            _log.exception("The %s page failed", page)
            draw_error(
                f"The page met an unexpected {type(error).__name__} and stopped here. Reload it; if that does "
                "not help, the server's log has the details."
            )


def is_of_a_value(error: Exception) -> bool:
    """Whether Streamlit has failed on a widget's value of a kind that the widget does not have.

    No browser sends one, but whoever writes messages may, also for a control that is not drawn yet.
    """
    frames = traceback.extract_tb(error.__traceback__)
    return any(frame.name == "get_serialized" and "streamlit" in frame.filename for frame in frames)
