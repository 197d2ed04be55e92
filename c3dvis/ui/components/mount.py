"""Puts a component on the page: reads its script and style sheet, and sends it its data."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st


def mount(name: str, data: Mapping[str, Any] | bytes, *, key: str, **options: Any) -> None:
    """Put the component of the folder `c3dvis/ui/components/<name>/` on the page.

    Args:
        name: folder of the component, and the name of its `.js` file and, if it draws something, its `.css` file.
        data: what the script receives, as bytes. A mapping is sent as JSON text: given a mapping, Streamlit would
            search it for data frames, and import pandas to do so.
        key: Streamlit key. With the same key the component stays mounted when the page runs again.
        options: passed on to the component, such as its width and callbacks.
    """
    message = data if isinstance(data, bytes) else json.dumps(data).encode()
    _component(name)(key=key, data=message, **options)


@cache
def _component(name: str) -> Callable[..., Any]:
    folder = Path(__file__).parent / name
    style = folder / f"{name}.css"
    return st.components.v2.component(
        f"c3dvis.{name}",
        js=(folder / f"{name}.js").read_text(encoding="utf-8"),
        css=style.read_text(encoding="utf-8") if style.exists() else None,
    )
