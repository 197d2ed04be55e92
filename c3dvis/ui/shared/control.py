"""Widgets whose value is held in a page's state, and nowhere else."""

from collections.abc import Callable
from typing import Any, TypedDict

import streamlit as st

_KEYS = "control keys"


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
        if keys[name][0] == key and st.session_state[key] != value:
            choose(st.session_state[key])

    return {"key": key, "on_change": on_change}
