"""A button that shows an icon alone; its name is for screen readers and the tooltip."""

from collections.abc import Callable
from typing import Any

import streamlit as st


def icon_button(name: str, icon: str, *, key: str, on_click: Callable[..., None], args: tuple[Any, ...]) -> None:
    """Draw the button.

    Args:
        name: what it does; `page.css` hides it from sight.
        icon: name of a Material symbol.
        key: Streamlit key.
        on_click: called with `args` when it is pressed.
        args: of `on_click`.
    """
    with st.container(key=f"icon button {key}", width="content"):
        st.button(name, icon=f":material/{icon}:", key=key, help=name, on_click=on_click, args=args)
