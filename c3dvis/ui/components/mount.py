"""Our browser components: each a folder with a script and a style sheet, sent as they are."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st


def mount(name: str, data: Mapping[str, Any] | bytes, *, key: str, **options: Any) -> None:
    """Put the component of `c3dvis/ui/<name>/` on the page.

    Args:
        data: what its script gets, as bytes; a mapping travels as JSON text. (Streamlit would look for data
            frames in a mapping, and load pandas to do so.)
        key: one key keeps one component on the page across reruns.
        options: passed on: width, callbacks.
    """
    message = data if isinstance(data, bytes) else json.dumps(data).encode()
    _component(name)(key=key, data=message, **options)


@cache
def _component(name: str) -> Callable[..., Any]:
    folder = Path(__file__).parent / name
    return st.components.v2.component(
        f"c3dvis.{name}",
        js=(folder / f"{name}.js").read_text(encoding="utf-8"),
        css=(folder / f"{name}.css").read_text(encoding="utf-8"),
    )
