"""The sidebar's controls of how a clip is rendered: presets, weights of the loss terms, engine, steps, size."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import streamlit as st

from c3dvis.errors import InvalidSpec
from c3dvis.spec import FIELDS, MOTION_PRESETS, PRESETS, RenderSpec
from c3dvis.spec.field_titles import SLIDER_TITLES
from c3dvis.spec.text import size_text
from c3dvis.ui.shared.control import Binding, bound

Presets = Mapping[str, Mapping[str, Any]]
Bind = Callable[..., Binding]
"""Ties a widget to the value of a field, by the field's name."""

# A weight matters by its order of magnitude, so the sliders move by factors of about three. Includes all defaults.
_WEIGHTS = (0.0, 0.01, 0.03, 0.1, 0.2, 0.3, 1.0, 3.0, 10.0, 20.0, 30.0, 100.0)
_MAX_ON_SLIDER = {"contrast": 80.0, "jitter_pixels": 24, "jitter_frames": 8}
_IGNORED_BY_PRESETS = {"iterations", "tv_time_weight"}  # steps and motion have controls of their own


def draw_presets(
    values: Mapping[str, Any], current_spec: Callable[[], RenderSpec], load_spec: Callable[[RenderSpec], None]
) -> None:
    """Draw the preset buttons.

    Args:
        values: of all fields.
        current_spec: gives the spec of the controls.
        load_spec: sets the controls; called with the current spec, changed by the preset that was pressed.
    """

    def draw(title: str, presets: Presets, ignored: Collection[str], **options: Any) -> None:
        # The first preset whose values the controls have.
        matching = next((name for name, preset in presets.items() if _has(values, preset, ignored)), None)

        def apply(name: str | None) -> None:
            # A press on the selected preset deselects it: apply all of its values again.
            if name := name or matching:
                load_spec(_with_preset(current_spec(), presets[name]))

        st.segmented_control(
            title,
            list(presets),
            default=matching,
            width="stretch",
            **bound(title.lower(), matching, apply, presets),
            **options,
        )

    draw(
        "Preset", PRESETS, _IGNORED_BY_PRESETS,
        help="clear: at natural contrast, c3dvis's default; texture: one still picture and its motion, nothing else; "
        "natural: with the spectrum of natural video; strongest: the filter's response alone, whichever others "
        "respond too; keras-vis: the original library with its settings; raw: no regularisers.",
    )  # fmt: skip
    draw(
        "Motion", MOTION_PRESETS, (), disabled=values["engine"] == "keras-vis",
        help="still, slow, or free: as fast as the filter asks for. Sets the weight of temporal TV.",
    )  # fmt: skip


def _has(values: Mapping[str, Any], preset: Mapping[str, Any], ignored: Collection[str]) -> bool:
    return all(values[field] == value for field, value in preset.items() if field not in ignored)


def _with_preset(spec: RenderSpec, preset: Mapping[str, Any]) -> RenderSpec:
    try:
        return spec.replace(**preset)
    except InvalidSpec:  # keras-vis has no neuron objective
        return spec.replace(objective="filter", position=None, filter=spec.filters[0][0], **preset)


def draw_weights(values: Mapping[str, Any], bind: Bind) -> None:
    """Draw one slider for each weight that the engine has, labelled with the effect of a larger value."""
    if values["engine"] == "keras-vis":
        _weight_slider(
            "Activation", values["activation_weight"], FIELDS["activation_weight"].help, bind("activation_weight")
        )
        _weight_slider("Lp norm", values["lp_weight"], FIELDS["lp_weight"].help, bind("lp_weight"))
        effect = "A higher weight smooths space and time: keras-vis has one for both."
        _weight_slider("TV", values["tv_space_weight"], effect, bind("tv_weight"))
        return
    for name, title in SLIDER_TITLES.items():
        if name in _MAX_ON_SLIDER:
            value, most = values[name], _MAX_ON_SLIDER[name]
            with _with_effect(FIELDS[name].help):
                st.slider(
                    title, type(most)(0), max(most, value), value, format="%g" if isinstance(most, float) else "%d",
                    **bind(name),
                )  # fmt: skip
        else:
            _weight_slider(title, values[name], FIELDS[name].help, bind(name))


@contextmanager
def _with_effect(effect: str) -> Iterator[None]:
    """Draw a slider, and below it the effect of a larger value, which is not part of the slider's name."""
    with st.container(gap=None):
        yield
        st.caption(effect)


def _weight_slider(title: str, value: float, effect: str, binding: Binding) -> None:
    """Draw a slider over the usual weights and the one that is set now, which a link or a preset may have chosen."""
    options = sorted({*_WEIGHTS, value})
    with _with_effect(effect):
        st.select_slider(title, options, value, format_func=lambda weight: f"{weight:g}", **binding)


def draw_engine_and_size(
    values: Mapping[str, Any], bind: Bind, choose_engine: Callable[[Any], None], held: tuple[int, int, int] | None
) -> None:
    """Draw steps and seed, and in an expander the engine, the size of the clip and the less common settings.

    Args:
        values: of all fields.
        bind: ties a widget to the value of a field.
        choose_engine: called with another engine when it is chosen.
        held: the one size that the layer can have; its controls are disabled while the clip has that size.
    """

    def number_input(
        name: str, label: str, width: int | Literal["stretch"] = "stretch", disabled: bool = False
    ) -> None:
        field = FIELDS[name]
        kind = int if field.kind == "int" else float
        st.number_input(
            label, kind(field.minimum), kind(field.maximum), kind(values[name]), step=kind(field.step),
            help=field.help, width=width, format=None if kind is int else "%g", disabled=disabled, **bind(name),
        )  # fmt: skip

    with st.container(horizontal=True, gap="small"):
        number_input("iterations", "Steps", width=126)
        number_input("seed", "Seed", width=126)
    with st.expander("Advanced"):
        st.segmented_control(
            "Engine", FIELDS["engine"].choices, default=values["engine"], required=True, help=FIELDS["engine"].help,
            **bind("engine", choose_engine, FIELDS["engine"].choices),
        )  # fmt: skip
        is_held = held == (values["frames"], values["height"], values["width"])
        for name, label in (("frames", "Frames"), ("height", "Height, pixels"), ("width", "Width, pixels")):
            number_input(name, label, disabled=is_held)
        if held and is_held:
            st.caption(f"This layer has weights for clips of {size_text(held)} alone.")
        if values["engine"] == "keras-vis":
            return
        number_input("variants", "Variants: clips that differ")
        number_input("variant", "Variant shown, counted from 0")
        number_input("lp_p", "Lp order")
        number_input("tv_beta", "TV exponent")
        number_input("learning_rate", "Learning rate")
        for name in ("parametrization", "precision"):
            choices = FIELDS[name].choices
            st.selectbox(
                name.capitalize(),
                choices,
                choices.index(values[name]),
                help=FIELDS[name].help,
                **bind(name, among=choices),
            )
