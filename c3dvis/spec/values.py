"""The value of one field: parsed from text, checked, and converted to its canonical type.

This module checks each field alone; `RenderSpec` checks combinations of fields.
"""

import math
from typing import Any

from c3dvis.errors import InvalidSpec
from c3dvis.spec.fields import CHOICES, FIELDS, Field

MAX_FILTERS = 16
"""Filters in a weighted sum."""


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


def _expected(field: Field) -> str:
    if field.kind == "position":
        return "three whole numbers t,h,w (0 or more)"
    if field.kind == "filter":
        return f"a filter's index (0 or more), or up to {MAX_FILTERS} index*weight pairs separated by commas"
    if field.kind == "choice":
        return "one of " + ", ".join(field.choices)
    if field.kind == "str":
        return "a name of 1 to 200 characters"
    noun = "a whole number" if field.kind == "int" else "a finite number"
    return f"{noun} from {field.minimum:g} to {field.maximum:g}"


def _whole(value: Any) -> int | None:
    """`value` as an int if it is a whole number of any kind (also NumPy's), else None."""
    if isinstance(value, bool | str | bytes):
        return None
    try:
        return value.__index__()
    except (AttributeError, TypeError):
        return None


def checked(name: str, value: Any) -> Any:
    """The value in its canonical type, or InvalidSpec."""
    field = FIELDS[name]
    error = invalid(name, _expected(field), value)
    if field.kind == "choice":
        if value not in CHOICES[name]:
            raise error
        return value
    if field.kind == "str":
        if not isinstance(value, str) or not 1 <= len(value) <= 200 or not value.isprintable():
            raise error
        return value
    if field.kind == "int":
        number = _whole(value)
        if number is None or not field.minimum <= number <= field.maximum:
            raise error
        return number
    if field.kind == "float":
        return _checked_float(value, field, error)
    if field.kind == "position":
        return _checked_position(value, error)
    return _checked_filter(value, error)


def _checked_float(value: Any, field: Field, error: InvalidSpec) -> float:
    if isinstance(value, bool | str | bytes):
        raise error
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise error from None
    if not math.isfinite(number) or not field.minimum <= number <= field.maximum:
        raise error
    return number + 0.0  # -0.0 and 0.0 are one spec


def _checked_position(value: Any, error: InvalidSpec) -> tuple[int, int, int] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise error
    numbers = [_whole(part) for part in value]
    if any(number is None or not 0 <= number < 2**20 for number in numbers):
        raise error
    return (numbers[0], numbers[1], numbers[2])  # type: ignore[return-value]


def _checked_filter(value: Any, error: InvalidSpec) -> int | tuple[tuple[int, float], ...]:
    number = _whole(value)
    if number is not None:
        if not 0 <= number < 2**20:
            raise error
        return number
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= MAX_FILTERS:
        raise error
    pairs = []
    for pair in value:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise error
        index, weight = _whole(pair[0]), pair[1]
        if index is None or not 0 <= index < 2**20 or isinstance(weight, bool | str | bytes):
            raise error
        try:
            weight = float(weight)
        except (TypeError, ValueError, OverflowError):
            raise error from None
        if not math.isfinite(weight) or abs(weight) > 1000 or weight == 0:
            raise error
        pairs.append((index, weight))
    if len({index for index, _ in pairs}) != len(pairs):
        raise error
    if len(pairs) == 1 and pairs[0][1] == 1.0:
        return pairs[0][0]
    return tuple(sorted(pairs))
