"""Widgets whose value is held in a page's state, and nowhere else."""

from collections.abc import Callable
from math import isfinite
from typing import Any, TypedDict

import streamlit as st

_KEYS = "control keys"


def is_of_kind(chosen: object, value: object) -> bool:
    """Whether a browser's value is of the kind that a control has, which `value` has too; None is none of any.

    A browser that is not honest may send any kind for any control.
    """
    if isinstance(value, bool) or isinstance(chosen, bool):
        return isinstance(value, bool) and isinstance(chosen, bool)
    if isinstance(value, int | float):
        return isinstance(chosen, int | float) and isfinite(chosen)
    return value is None or chosen is None or isinstance(chosen, type(value))


class Binding(TypedDict):
    """The arguments that tie a widget to the state."""

    key: str
    on_change: Callable[[], None]


def bound(name: str, value: object, choose: Callable[[Any], object]) -> Binding:
    """Tie a widget to a value of the page's state; the widget's own default must be that value.

    A browser keeps the value of a widget that it does not draw at the moment, as in a closed popover, and may send it
    with the next press. So a value that was changed elsewhere is not assigned to the widget: it is drawn as a new one,
    and what the browser says of the old one is not heard.

    Args:
        name: of the control; also its key until the value is changed elsewhere.
        value: from the page's state.
        choose: called with the value that the visitor sets.
    """
    keys: dict[str, tuple[str, int]] = st.session_state.setdefault(_KEYS, {})
    key, count = keys.get(name, (name, 0))
    if st.session_state.get(key, value) != value:
        key, count = f"{name}.{count + 1}", count + 1
    keys[name] = key, count

    def on_change() -> None:
        chosen = st.session_state[key]
        if keys[name][0] == key and chosen != value and is_of_kind(chosen, value):
            choose(chosen)

    return {"key": key, "on_change": on_change}
