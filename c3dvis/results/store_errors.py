"""What went wrong with the folder, in words that say what to do."""

import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from c3dvis.errors import StoreError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}


def cannot_write(what: str, folder: Path, error: BaseException) -> StoreError:
    """The StoreError for a write that failed; `what` says which, as in "result could not be stored"."""
    causes = list(_causes(error))
    numbers = {cause.errno for cause in causes if isinstance(cause, OSError)}
    texts = " ".join(str(cause) for cause in causes if isinstance(cause, sqlite3.Error))
    if numbers & _FULL or "disk is full" in texts:
        reason, advice = "the disk is full", "Free some space (`c3dvis cache clear` empties the cache)"
    elif numbers & _FORBIDDEN or "readonly" in texts or "unable to open" in texts:
        reason, advice = "the folder cannot be written", "Give yourself the right to write there"
    elif "locked" in texts:
        reason, advice = "another process is holding it", "Wait for that process, or end it"
    else:
        reason, advice = f"the disk reported: {_last_words(causes)}", "Check the disk"
    return StoreError(
        f"The {what}: expected to write to {folder}, but {reason}. {advice}, or choose another folder with "
        "C3DVIS_CACHE_DIR."
    )


def cannot_read(folder: Path, error: BaseException) -> StoreError:
    """The StoreError for a folder whose list of results cannot be read."""
    return StoreError(
        f"The stored results cannot be listed: expected a readable cache folder at {folder}. "
        f"Received: {_last_words(list(_causes(error)))}. Make it readable, or choose another folder with "
        "C3DVIS_CACHE_DIR."
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all that led to it: diskcache hides the real one behind its own."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _last_words(causes: list[BaseException]) -> str:
    """The text of the first cause that has one."""
    return next((str(cause) for cause in reversed(causes) if str(cause)), type(causes[0]).__name__)
