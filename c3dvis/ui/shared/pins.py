"""The specs that one visitor has pinned to compare them. They are in the address of every page."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

import streamlit as st

from c3dvis.networks import nearest_spec
from c3dvis.spec import RenderSpec
from c3dvis.spec.text import query_text

MAX_PINS = 6
"""Specs that fit side by side."""

_PARAMETERS = ("pin", "spec")  # the second is what links of earlier versions have


def pinned() -> list[RenderSpec]:
    """The pinned specs of this session, in the order in which they were pinned."""
    return st.session_state.setdefault("pins", [])


def pin(spec: RenderSpec) -> bool:
    """Pin a spec; returns False if `MAX_PINS` others are pinned already."""
    specs = pinned()
    if spec not in specs:
        if len(specs) == MAX_PINS:
            return False
        specs.append(spec)
    return True


def replace(specs: list[RenderSpec]) -> None:
    """Pin these specs in place of the present ones."""
    st.session_state["pins"] = list(specs)


def query() -> dict[str, list[str]]:
    """The pins as parameters of an address: each is a query of its own."""
    return {"pin": [query_text(spec) for spec in pinned()]} if pinned() else {}


def read(address: Mapping[str, list[str]]) -> tuple[list[RenderSpec], list[str]]:
    """The pins in the query of an address, and a sentence for each part that was dropped."""
    texts = next((address[name] for name in _PARAMETERS if address.get(name)), [])
    specs: list[RenderSpec] = []
    problems: list[str] = []
    for text in texts[:MAX_PINS]:
        spec, misfits = nearest_spec.read_link(dict(parse_qsl(text)))
        problems += misfits
        if spec in specs:
            problems.append(f"The link names {spec.title} twice, with equal settings; it is shown once.")
        else:
            specs.append(spec)
    if len(texts) > MAX_PINS:
        problems.append(
            f"The link names {len(texts)} specs; {MAX_PINS} fit beside each other, and the rest was dropped."
        )
    return specs, problems
