"""Pinned entries of a store: never evicted and never cleared.

A pin is an empty file with the entry's key as its name. So it is set in one step, several processes may set pins at
once, and a damaged index loses none.
"""

import re
from collections.abc import Iterable
from pathlib import Path

_KEY = re.compile(r"[0-9a-f]{64}")


def pinned(folder: Path) -> set[str]:
    """Keys of the pinned entries of a store's folder."""
    return {path.name for path in _pins(folder).glob("*") if _KEY.fullmatch(path.name)}


def pin(folder: Path, keys: Iterable[str]) -> None:
    """Pin entries. Raises OSError if the folder cannot be written."""
    _pins(folder).mkdir(mode=0o700, exist_ok=True)
    for key in keys:
        (_pins(folder) / key).touch()


def unpin(folder: Path, keys: Iterable[str]) -> None:
    """Remove pins; nothing happens to keys without one. Raises OSError if the folder cannot be written."""
    for key in keys:
        (_pins(folder) / key).unlink(missing_ok=True)


def _pins(folder: Path) -> Path:
    return folder / "pinned"
