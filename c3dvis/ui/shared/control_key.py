"""Session keys of widgets whose value is held in a page's state."""

import streamlit as st

_KEYS = "control keys"


def control_key(name: str, value: object) -> str:
    """The session key for a widget that is to show a value.

    A widget that the browser does not draw at the moment, as in a closed popover, keeps the value it had and sends it
    with the next press. So a value that was changed elsewhere is not assigned to the widget: it is drawn as a new one.

    Args:
        name: of the control.
        value: from the page's state.
    """
    keys: dict[str, tuple[str, int]] = st.session_state.setdefault(_KEYS, {})
    key, count = keys.get(name, (name, 0))
    if st.session_state.get(key, value) != value:
        key, count = f"{name}.{count + 1}", count + 1
    keys[name] = key, count
    return key
