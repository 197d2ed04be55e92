"""The part of the sidebar that says how a volume is looked for: presets, weights, engine, size.

Each control is given the value that its key already holds as its default too. A slow browser may put a control on the
page anew between two presses; it then starts from the default, and would send that as if the visitor had chosen it.
"""

from collections.abc import Callable
from typing import Any, Literal

import streamlit as st

from c3dvis.errors import InvalidSpec
from c3dvis.spec import FIELDS, MOTION_PRESETS, PRESETS, RenderSpec
from c3dvis.spec.titles import TITLES

# Weights are felt by factors, so the sliders move in steps of about three; the defaults are among them.
_WEIGHTS = (0.0, 0.01, 0.03, 0.1, 0.2, 0.3, 1.0, 3.0, 10.0, 20.0, 30.0, 100.0)
_MOST_JITTER = {"jitter_pixels": 24, "jitter_frames": 8}
_FREE = {
    "iterations",
    "tv_time_weight",
}  # a preset stays itself when these move: they have controls of their own


def draw_presets(current: Callable[[], RenderSpec], load: Callable[[RenderSpec], None]) -> None:
    """The preset buttons; a press loads its values into the controls, over the spec they stand for then."""
    values = {name: st.session_state.get(f"c.{name}", value) for name, value in current().to_dict().items()}

    def same(preset: dict[str, Any], free: set[str]) -> bool:
        return all(values[name] == value for name, value in preset.items() if name not in free)

    st.session_state["preset"] = next((n for n, p in PRESETS.items() if same(p, _FREE)), None)
    st.session_state["motion"] = next((n for n, p in MOTION_PRESETS.items() if same(dict(p), set())), None)

    def apply(kind: str, table: dict[str, Any]) -> None:
        name = st.session_state[kind]
        if name is None:  # a press on the chosen one takes it away: choose it again, in full
            name = next((n for n, p in table.items() if same(dict(p), _FREE)), None)
        if name is not None:
            load(_changed(current(), table[name]))

    st.segmented_control(
        "Preset", list(PRESETS), key="preset", on_change=apply, args=("preset", PRESETS), width="stretch",
        help="clear is ours; keras-vis is the original library with its own numbers; raw has no regulariser.",
    )  # fmt: skip
    st.segmented_control(
        "Motion", list(MOTION_PRESETS), key="motion", on_change=apply, args=("motion", MOTION_PRESETS),
        disabled=values["engine"] == "keras-vis", width="stretch",
        help="How much the picture may move: sets the temporal TV.",
    )  # fmt: skip


def _changed(spec: RenderSpec, values: dict[str, Any]) -> RenderSpec:
    try:
        return spec.replace(**values)
    except InvalidSpec:  # keras-vis has no neuron objective
        return spec.replace(objective="filter", position=None, filter=spec.filters[0][0], **values)


def draw_weights(engine: str) -> None:
    """One slider for each term of the energy, each with a line on what more of it does."""
    if engine == "keras-vis":
        _weight("activation_weight", _label("Activation", FIELDS["activation_weight"].help))
        _weight("lp_weight", _label("Lp norm", FIELDS["lp_weight"].help))
        _weight(
            "tv_weight",
            _label("TV", "More of it smooths space and time alike: keras-vis tells them not apart."),
        )
        return
    for name, title in TITLES.items():
        label = _label(title, FIELDS[name].help)
        if name in _MOST_JITTER:
            most = max(_MOST_JITTER[name], st.session_state[f"c.{name}"])
            st.slider(label, 0, most, st.session_state[f"c.{name}"], key=f"c.{name}")
        else:
            _weight(name, label)


def _label(title: str, line: str) -> str:
    return f"{title} :gray[:small[· {line}]]"


def _weight(name: str, label: str) -> None:
    """A slider over the usual weights, and over any other that a link brought."""
    brought: set[float] = st.session_state.setdefault("brought", set())
    value = st.session_state[f"c.{name}"]
    if value not in _WEIGHTS:
        brought.add(value)
    options = sorted({*_WEIGHTS, *brought})
    st.select_slider(label, options, value, key=f"c.{name}", format_func=lambda weight: f"{weight:g}")


def draw_advanced(on_engine: Callable[[], None]) -> None:
    """Engine, steps and seed, and behind a fold the clip's size and the finer settings."""
    with st.container(horizontal=True, gap="small"):
        _number("iterations", "Steps", width=126)
        _number("seed", "Seed", width=126)
    with st.expander("Advanced"):
        st.segmented_control(
            "Engine", FIELDS["engine"].choices, key="c.engine", on_change=on_engine, required=True,
            help=FIELDS["engine"].help,
        )  # fmt: skip
        for name, label in (("frames", "Frames"), ("height", "Height, pixels"), ("width", "Width, pixels")):
            _number(name, label)
        if st.session_state["c.engine"] == "keras-vis":
            return
        _number("variants", "Clips that differ")
        _number("variant", "Which of them")
        _number("lp_p", "Lp order")
        _number("tv_beta", "TV exponent")
        _number("learning_rate", "Learning rate")
        for name in ("parametrization", "precision"):
            choices = FIELDS[name].choices
            at = choices.index(st.session_state[f"c.{name}"])
            st.selectbox(name.capitalize(), choices, at, key=f"c.{name}", help=FIELDS[name].help)


def _number(name: str, label: str, width: int | Literal["stretch"] = "stretch") -> None:
    field = FIELDS[name]
    kind = int if field.kind == "int" else float
    st.number_input(
        label, kind(field.minimum), kind(field.maximum), kind(st.session_state[f"c.{name}"]),
        step=kind(field.step), key=f"c.{name}",
        help=field.help, width=width, format=None if kind is int else "%g",
    )  # fmt: skip
