"""Widgets whose value is held in a page's state, and nowhere else."""

import math
from collections.abc import Callable, Collection
from typing import Any, TypedDict

import streamlit as st

_KEYS = "control keys"  # session key: for each control its key, and how often that was changed
_HEARD = "control values"  # session key: for each key the value that the browser had last, as far as is known
_REMEMBERED = 50  # keys of a control that a late message may still name


class Binding(TypedDict):
    """The arguments that tie a widget to the state."""

    key: str
    on_change: Callable[[], None]


def bound(
    name: str, value: object, choose: Callable[[Any], object], among: Collection[object] | None = None
) -> Binding:
    """Tie a widget to a value of the page's state; the widget's own default must be that value.

    A browser sends the values of all widgets with each press: also of those that it does not draw at the moment, as in
    a closed popover, and also if it does not know yet what the press before has changed. So a value that was changed
    elsewhere is not assigned to the widget: it is drawn as a new one, and of the old one only what the visitor does
    with it is heard.

    Args:
        name: of the control; also its key until the value is changed elsewhere.
        value: from the page's state.
        choose: called with the value that the visitor sets.
        among: what a choice has; any other value, or one of another kind than the present one, is no visitor's, and
            nothing follows from it.
    """
    keys: dict[str, tuple[str, int]] = st.session_state.setdefault(_KEYS, {})
    heard: dict[str, object] = st.session_state.setdefault(_HEARD, {})
    key, count = keys.get(name, (name, 0))
    if st.session_state.get(key, value) != value:
        key, count = f"{name}.{count + 1}", count + 1
        heard.pop(f"{name}.{count - _REMEMBERED}", None)
    keys[name], heard[key] = (key, count), value

    def on_change() -> None:
        chosen = st.session_state[key]
        if key in heard and chosen != heard[key] and _is_possible(chosen, value, among):
            heard[key] = chosen
            choose(chosen)

    return {"key": key, "on_change": on_change}


def _is_possible(chosen: object, value: object, among: Collection[object] | None) -> bool:
    """Whether a control can have a value: what a browser sends may be anything."""
    if among is not None:
        return any(chosen == each and type(chosen) is type(each) for each in among)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return type(chosen) is type(value)
    return isinstance(chosen, int | float) and not isinstance(chosen, bool) and math.isfinite(chosen)


def bound_beside_default(
    name: str, value: object, choose: Callable[[Any], object], default: object, among: Collection[object]
) -> Binding:
    """As `bound`, for a widget whose own default is always `default`, since it depends on it what the widget is."""
    binding = bound(name, value, choose, among)
    if value != default:
        st.session_state.setdefault(binding["key"], value)
    return binding
