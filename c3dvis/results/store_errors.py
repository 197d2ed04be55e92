"""`StoreError`s with a sentence about the cause and the remedy, made from the errors of SQLite and the file system."""

import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from c3dvis.errors import StoreError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}


def write_error(what: str, folder: Path, error: BaseException) -> StoreError:
    """The StoreError for a failed write; `what` names it, as in "result could not be stored"."""
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
        reason, advice = f"the disk reported: {_deepest_message(causes)}", "Check the disk"
    return StoreError(
        f"The {what}: expected to write to {folder}, but {reason}. {advice}, or choose another folder with "
        "C3DVIS_CACHE_DIR."
    )


def read_error(folder: Path, error: BaseException) -> StoreError:
    """The StoreError for a folder whose index cannot be read."""
    return StoreError(
        f"The stored results cannot be listed: expected a readable cache folder at {folder}. "
        f"Received: {_deepest_message(list(_causes(error)))}. Make it readable, or choose another folder with "
        "C3DVIS_CACHE_DIR."
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and every error that led to it: diskcache raises its own in place of the real one."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _deepest_message(causes: list[BaseException]) -> str:
    """The message of the earliest cause that has one."""
    return next((str(cause) for cause in reversed(causes) if str(cause)), type(causes[0]).__name__)
