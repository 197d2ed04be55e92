"""The sidebar's controls of how a clip is rendered: presets, weights of the loss terms, engine, steps, size.

Each widget is also given the value of its session key as its default value. If a slow browser mounts a widget again
between two clicks, the widget starts from its default value. The browser sends any other default as if the visitor had
chosen it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import streamlit as st

from c3dvis.errors import InvalidSpec
from c3dvis.spec import FIELDS, MOTION_PRESETS, PRESETS, RenderSpec
from c3dvis.spec.field_titles import SLIDER_TITLES
from c3dvis.spec.text import size_text

Presets = Mapping[str, Mapping[str, Any]]

# A weight matters by its order of magnitude, so the sliders move by factors of about three. Includes all defaults.
_WEIGHTS = (0.0, 0.01, 0.03, 0.1, 0.2, 0.3, 1.0, 3.0, 10.0, 20.0, 30.0, 100.0)
_MAX_ON_SLIDER = {"contrast": 80.0, "jitter_pixels": 24, "jitter_frames": 8}
_IGNORED_BY_PRESETS = {"iterations", "tv_time_weight"}  # steps and motion have controls of their own


def draw_presets(current_spec: Callable[[], RenderSpec], load_spec: Callable[[RenderSpec], None]) -> None:
    """Draw the preset buttons.

    Args:
        current_spec: gives the spec of the controls.
        load_spec: sets the controls; called with the current spec, changed by the preset that was pressed.
    """
    values = {name: st.session_state.get(f"c.{name}", value) for name, value in current_spec().to_dict().items()}

    def matching(presets: Presets, ignored: Collection[str]) -> str | None:
        """The first preset whose values the controls have."""
        for name, preset in presets.items():
            if all(values[field] == value for field, value in preset.items() if field not in ignored):
                return name
        return None

    def apply(key: str, presets: Presets, ignored: Collection[str]) -> None:
        # A press on the selected preset deselects it: apply all of its values again.
        name = st.session_state[key] or matching(presets, ignored)
        if name is not None:
            load_spec(_with_preset(current_spec(), presets[name]))

    st.session_state["preset"] = matching(PRESETS, _IGNORED_BY_PRESETS)
    st.session_state["motion"] = matching(MOTION_PRESETS, ())
    st.segmented_control(
        "Preset", list(PRESETS), key="preset", on_change=apply, args=("preset", PRESETS, _IGNORED_BY_PRESETS),
        width="stretch",
        help="clear: at natural contrast, c3dvis's default; natural: with the spectrum of natural video; strongest: "
        "with as much contrast as the search likes; keras-vis: the original library with its settings; "
        "raw: no regularisers.",
    )  # fmt: skip
    st.segmented_control(
        "Motion", list(MOTION_PRESETS), key="motion", on_change=apply, args=("motion", MOTION_PRESETS, ()),
        disabled=values["engine"] == "keras-vis", width="stretch",
        help="How much the picture may move: sets the weight of temporal TV.",
    )  # fmt: skip


def _with_preset(spec: RenderSpec, preset: Mapping[str, Any]) -> RenderSpec:
    try:
        return spec.replace(**preset)
    except InvalidSpec:  # keras-vis has no neuron objective
        return spec.replace(objective="filter", position=None, filter=spec.filters[0][0], **preset)


def draw_weights(engine: str) -> None:
    """Draw one slider for each weight that the engine has, labelled with the effect of a larger value."""
    if engine == "keras-vis":
        _weight_slider("activation_weight", "Activation", FIELDS["activation_weight"].help)
        _weight_slider("lp_weight", "Lp norm", FIELDS["lp_weight"].help)
        _weight_slider("tv_weight", "TV", "A higher weight smooths space and time: keras-vis has one for both.")
        return
    for name, title in SLIDER_TITLES.items():
        if name in _MAX_ON_SLIDER:
            value, most = st.session_state[f"c.{name}"], _MAX_ON_SLIDER[name]
            with _with_effect(FIELDS[name].help):
                st.slider(title, type(most)(0), max(most, value), value, key=f"c.{name}")
        else:
            _weight_slider(name, title, FIELDS[name].help)


@contextmanager
def _with_effect(effect: str) -> Iterator[None]:
    """Draw a slider, and below it the effect of a larger value, which is not part of the slider's name."""
    with st.container(gap=None):
        yield
        st.caption(effect)


def _weight_slider(name: str, title: str, effect: str) -> None:
    """Draw a slider over the usual weights and the one that is set now, which a link or a preset may have chosen."""
    value = st.session_state[f"c.{name}"]
    options = sorted({*_WEIGHTS, value})
    with _with_effect(effect):
        st.select_slider(title, options, value, key=f"c.{name}", format_func=lambda weight: f"{weight:g}")


def draw_engine_and_size(on_engine: Callable[[], None], held: tuple[int, int, int] | None) -> None:
    """Draw steps and seed, and in an expander the engine, the size of the clip and the less common settings.

    Args:
        on_engine: called when another engine is chosen.
        held: the one size that the layer can have; its controls are disabled while the clip has that size.
    """
    with st.container(horizontal=True, gap="small"):
        _number_input("iterations", "Steps", width=126)
        _number_input("seed", "Seed", width=126)
    with st.expander("Advanced"):
        st.segmented_control(
            "Engine", FIELDS["engine"].choices, key="c.engine", on_change=on_engine, required=True,
            help=FIELDS["engine"].help,
        )  # fmt: skip
        is_held = held == tuple(st.session_state[f"c.{name}"] for name in ("frames", "height", "width"))
        for name, label in (("frames", "Frames"), ("height", "Height, pixels"), ("width", "Width, pixels")):
            _number_input(name, label, disabled=is_held)
        if held and is_held:
            st.caption(f"This layer has weights for clips of {size_text(held)} alone.")
        if st.session_state["c.engine"] == "keras-vis":
            return
        _number_input("variants", "Variants: clips that differ")
        _number_input("variant", "Variant shown, counted from 0")
        _number_input("lp_p", "Lp order")
        _number_input("tv_beta", "TV exponent")
        _number_input("learning_rate", "Learning rate")
        for name in ("parametrization", "precision"):
            choices = FIELDS[name].choices
            index = choices.index(st.session_state[f"c.{name}"])
            st.selectbox(name.capitalize(), choices, index, key=f"c.{name}", help=FIELDS[name].help)


def _number_input(name: str, label: str, width: int | Literal["stretch"] = "stretch", disabled: bool = False) -> None:
    field = FIELDS[name]
    kind = int if field.kind == "int" else float
    st.number_input(
        label, kind(field.minimum), kind(field.maximum), kind(st.session_state[f"c.{name}"]),
        step=kind(field.step), key=f"c.{name}",
        help=field.help, width=width, format=None if kind is int else "%g", disabled=disabled,
    )  # fmt: skip
