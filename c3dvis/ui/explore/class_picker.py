"""The searchable list of a network's classes, at the head of the Explore page."""

from collections import Counter
from functools import lru_cache

import streamlit as st

from c3dvis.errors import C3dvisError
from c3dvis.networks import classes, registry
from c3dvis.networks.nearest_spec import default_spec
from c3dvis.networks.weights.class_labels import read_labels
from c3dvis.ui.explore import spec_controls
from c3dvis.ui.explore.page_state import ExploreState
from c3dvis.ui.shared.control import bound_beside_default


def draw_class_picker(state: ExploreState) -> None:
    """Draw the list; nothing for a network whose classes have no names.

    A choice puts the class into focus, at a size that its layer can have, and starts no render.
    """
    spec = state.focus
    info = registry.describe(spec.network)
    names = read_labels(info)
    if not names:
        return
    titles = _titles(names)

    def choose(number: int | None) -> None:
        try:
            chosen = default_spec(info) if number is None else classes.class_spec(info, number)
        except C3dvisError as error:  # the last layer of a user's network may take no clip of a usual size
            state.notice = str(error)
            return
        spec_controls.load_spec(chosen)
        state.set_focus(chosen)

    number = spec.filter if classes.class_name(spec) else None
    st.container(key="class picker").selectbox(
        "What does a class look like to the network?", range(len(names)), index=None,
        format_func=titles.__getitem__, placeholder=f"Search {len(names)} classes by name",
        help="The network was trained to tell these classes apart. Choosing one sets the objective, the layer and the "
        "size of the clip; the render starts when you press the button.",
        **bound_beside_default("class", number, choose, default=None, among=[*range(len(names)), None]),
    )  # fmt: skip


@lru_cache(maxsize=8)
def _titles(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, each with its number if another class has the same name."""
    counts = Counter(names)
    return tuple(f"{name} ({number})" if counts[name] > 1 else name for number, name in enumerate(names))
