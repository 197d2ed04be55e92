"""What a check of `c3dvis doctor` has found."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Args:
        name: of what was checked.
        state: `ok`, `note` (works, but could be better) or `problem`.
        detail: what was found.
        advice: what to do about it; empty if the state is `ok`.
    """

    name: str
    state: Literal["ok", "note", "problem"]
    detail: str
    advice: str = ""
