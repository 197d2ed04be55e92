"""The value of one field: parsed from text, checked, and converted to its canonical type.

This module checks each field alone; `RenderSpec` checks combinations of fields.
"""

import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

from c3dvis.errors import InvalidSpec
from c3dvis.spec.fields import FIELDS, Field

MAX_FILTERS = 16
"""Filters in a weighted sum."""

_DIGEST = re.compile(r"([0-9a-f]{64})?")


def shortened(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "…"


def invalid(name: str, expected: str, received: object) -> InvalidSpec:
    return InvalidSpec(f"{name} must be {expected}; received {shortened(repr(received))}.")


def parse_field(name: str, text: str) -> Any:
    """One field's value from its text in a link or on the command line.

    Raises:
        InvalidSpec: the text does not read as a value of that field's kind.
    """
    kind = FIELDS[name].kind
    text = text.strip()
    try:
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
        if kind == "position":
            return None if text in ("", "centre") else tuple(int(part) for part in text.split(","))
        if kind == "filter":
            if "*" not in text and "," not in text:
                return int(text)
            pairs = (part.split("*") if "*" in part else (part, "1") for part in text.split(","))
            return tuple((int(index), float(weight)) for index, weight in pairs)
    except ValueError:
        raise invalid(name, _expected(FIELDS[name]), text) from None
    return text


def field_text(name: str, value: Any) -> str:
    """One field's value as text that `parse_field` reads."""
    kind = FIELDS[name].kind
    if isinstance(value, tuple | list) and kind == "filter":
        return ",".join(f"{index}*{weight:.9g}" for index, weight in value)
    if kind == "position":
        return "centre" if value is None else ",".join(map(str, value))
    if isinstance(value, float):
        return repr(value) if value != int(value) or abs(value) >= 1e15 else str(int(value))
    return str(value)


def _expected(field: Field) -> str:
    if field.kind == "position":
        return "three whole numbers t,h,w (0 or more)"
    if field.kind == "filter":
        return f"a filter's index (0 or more), or up to {MAX_FILTERS} index*weight pairs separated by commas"
    if field.kind == "choice":
        return "one of " + ", ".join(field.choices)
    if field.kind == "str":
        return "a name of 1 to 200 characters"
    if field.kind == "digest":
        return "the SHA-256 of a clip, 64 hex digits, or nothing"
    if field.kind == "int":
        return f"a whole number from {int(field.minimum)} to {int(field.maximum)}"
    return f"a finite number from {field.minimum:g} to {field.maximum:g}"


def checked(name: str, value: Any) -> Any:
    """The value in its canonical type.

    Raises:
        InvalidSpec: it has another type, is not finite or is out of range.
    """
    field = FIELDS[name]
    try:
        return _CANONICAL[field.kind](value, field)
    except (TypeError, ValueError, OverflowError):
        raise invalid(name, _expected(field), value) from None


def _checked_choice(value: Any, field: Field) -> str:
    if value not in field.choices:
        raise ValueError
    return value


def _checked_name(value: Any, _: Field) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 200 or not value.isprintable():
        raise ValueError
    return value


def _checked_digest(value: Any, _: Field) -> str:
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise ValueError
    return value


def _checked_position(value: Any, _: Field) -> tuple[int, ...] | None:
    return None if value is None else tuple(map(_index, _list(value, 3, 3)))


def _checked_filter(value: Any, _: Field) -> int | tuple[tuple[int, float], ...]:
    if not isinstance(value, list | tuple):
        return _index(value)
    pairs = [_list(pair, 2, 2) for pair in _list(value, 1, MAX_FILTERS)]
    weights = {_index(index): _number(weight, -1000, 1000) for index, weight in pairs}
    if len(weights) != len(pairs) or 0 in weights.values():
        raise ValueError
    if len(weights) == 1 and 1.0 in weights.values():
        return next(iter(weights))
    return tuple(sorted(weights.items()))


def _list(value: Any, shortest: int, longest: int) -> Sequence[Any]:
    if not isinstance(value, list | tuple) or not shortest <= len(value) <= longest:
        raise ValueError
    return value


def _index(value: Any) -> int:
    """The index of a filter or of a position along one axis."""
    return _whole(value, 0, 2**20 - 1)


def _whole(value: Any, minimum: float, maximum: float) -> int:
    """A whole number of any type (also NumPy's) as an int."""
    if isinstance(value, bool) or not minimum <= operator.index(value) <= maximum:
        raise ValueError
    return int(value)


def _number(value: Any, minimum: float, maximum: float) -> float:
    if isinstance(value, bool | str | bytes) or not minimum <= float(value) <= maximum:  # NaN is in no range
        raise ValueError
    return float(value) + 0.0  # -0.0 and 0.0 are one spec


_CANONICAL: dict[str, Callable[[Any, Field], Any]] = {
    "str": _checked_name,
    "int": lambda value, field: _whole(value, field.minimum, field.maximum),
    "float": lambda value, field: _number(value, field.minimum, field.maximum),
    "choice": _checked_choice,
    "filter": _checked_filter,
    "position": _checked_position,
    "digest": _checked_digest,
}
"""For the kind of each field, the function that checks a value and returns it in its canonical type."""
