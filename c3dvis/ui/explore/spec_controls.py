"""The sidebar's controls of a spec.

The session holds one value for each field. `load_spec` sets them, a widget changes its own (`control.bound`),
`read_spec` reads them, `draw_controls` draws the widgets. Fields that have no widget, such as those of another
objective, keep the value of the spec that was loaded. Values that were moved and not rendered are in the address
(`moved_controls.py`).
"""

import contextlib
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from c3dvis.errors import C3dvisError, InvalidSpec
from c3dvis.networks import registry
from c3dvis.networks.nearest_spec import default_layer, fit
from c3dvis.networks.network_info import BEYOND_THE_CLIP
from c3dvis.networks.registry import NetworkInfo
from c3dvis.spec import FIELDS, RenderSpec, parse_field
from c3dvis.spec.defaults_and_presets import ENGINE_DEFAULTS
from c3dvis.spec.field_titles import OBJECTIVES
from c3dvis.spec.text import size_text
from c3dvis.spec.values import checked, field_text
from c3dvis.ui.components.layer_strip import layer_strip, shape_text
from c3dvis.ui.explore.sliders_and_presets import draw_engine_and_size, draw_presets, draw_weights
from c3dvis.ui.shared.control import Binding, bound
from c3dvis.ui.shared.icon_button import icon_button

_LAST_VALID = "controls.spec"  # session key of the last valid spec of the controls
_VALUES = "controls.values"  # session key of the fields' values, possible together or not


def load_spec(spec: RenderSpec) -> None:
    """Set every control to the value of a spec."""
    load_values({name: getattr(spec, name) for name in FIELDS}, spec)


def load_values(values: Mapping[str, Any], valid: RenderSpec) -> None:
    """Set every control to the value of its field.

    Args:
        values: of all fields. Each is possible alone, together they need not be; the filter may be any text.
        valid: the spec to go back to if they are not.
    """
    st.session_state[_LAST_VALID], st.session_state[_VALUES] = valid, dict(values)


def loaded_values() -> dict[str, Any]:
    """The fields' values."""
    return st.session_state[_VALUES]


def loaded_spec() -> RenderSpec:
    """The last valid spec of the controls."""
    return st.session_state[_LAST_VALID]


@dataclass(frozen=True)
class Problem:
    """What is wrong with the values of the widgets.

    Attributes:
        reason: one sentence.
        remedy: the nearest spec that can be rendered.
        offer: label of the button that sets the widgets to it.
    """

    reason: str
    remedy: RenderSpec
    offer: str


def read_spec() -> tuple[RenderSpec, Problem | None]:
    """The spec of the controls; called before they are drawn, so that the result is sent to the browser first.

    Returns:
        The spec and None; or the last valid spec and what is wrong with the controls' values.
    """
    values, last_valid = loaded_values(), loaded_spec()
    _fit_to_layer(values)
    spec = None
    try:
        if isinstance(values["filter"], str):
            parse_field("filter", values["filter"])  # says what is wrong with it
        spec = RenderSpec(**values)
        registry.describe(spec.network).check(spec)
    except C3dvisError as error:
        remedy, misfits = fit(spec) if spec else (last_valid, [])
        offer = ", ".join(misfit.offer(remedy) for misfit in misfits) or "Take back the last change"
        return last_valid, Problem(error.message, remedy, offer)
    st.session_state[_LAST_VALID] = spec
    return spec, None


def current_spec() -> RenderSpec:
    """The spec of the controls, or the last valid one."""
    return read_spec()[0]


def take_remedy() -> None:
    """Set the controls to the nearest spec that can be rendered; the callback of the button that offers it."""
    _, problem = read_spec()
    if problem:
        load_spec(problem.remedy)


def draw_controls() -> None:
    """Draw the widgets."""
    values = loaded_values()
    _draw_target(values, loaded_spec())
    draw_presets(values, current_spec, load_spec)
    draw_weights(values, _bound)
    held = registry.describe(values["network"]).held_size(values["layer"])
    draw_engine_and_size(values, _bound, _choose_engine, held)


def _bound(name: str, choose: Callable[[Any], None] | None = None, among: Collection[object] | None = None) -> Binding:
    """Tie a widget to the value of a field; `tv_weight` is the one weight that keras-vis has for space and time.

    Args:
        name: of the field.
        choose: called with the value that the visitor sets, if that changes other fields too.
        among: what a choice has.
    """
    fields = ("tv_space_weight", "tv_time_weight") if name == "tv_weight" else (name,)

    def set_fields(value: Any) -> None:
        if value is not None:
            loaded_values().update(dict.fromkeys(fields, value))

    return bound(f"c.{name}", loaded_values()[fields[0]], choose or set_fields, among)


def _clip_size() -> tuple[int, int, int]:
    values = loaded_values()
    return values["frames"], values["height"], values["width"]


def _set_clip_size(size: tuple[int, int, int]) -> None:
    loaded_values().update(zip(("frames", "height", "width"), size, strict=True))


def _layer_shape() -> tuple[int, ...]:
    values = loaded_values()
    return registry.describe(values["network"]).layer_shapes(*_clip_size())[values["layer"]]


def _fit_to_layer(values: dict[str, Any]) -> None:
    """Keep the filter and the position within the layer, and what the objective or the engine fixes as they fix it."""
    shape = _layer_shape()
    if isinstance(values["filter"], int):
        values["filter"] = min(values["filter"], shape[-1] - 1)
    if values["objective"] != "neuron":
        values["position"] = None
    if values["position"] and len(shape) == 4:
        values["position"] = tuple(
            max(0, min(at, size - 1)) for at, size in zip(values["position"], shape[:3], strict=True)
        )
    if values["engine"] == "keras-vis":  # the fields that keras-vis fixes have no widgets
        with_widget = {"iterations", "activation_weight", "lp_weight", "tv_space_weight", "tv_time_weight"}
        fixed = ENGINE_DEFAULTS["keras-vis"].items()
        values |= {name: value for name, value in fixed if name not in with_widget}
        values["tv_time_weight"] = values["tv_space_weight"]


def _draw_target(values: Mapping[str, Any], last_valid: RenderSpec) -> None:
    """Draw the widgets of network, layer, filter and objective."""
    names, network, layer = registry.names(), values["network"], values["layer"]
    st.selectbox(
        "Network", names, names.index(network), format_func=registry.title, **_bound("network", _choose_network, names),
        help="Which trained network to look into. The Network page lists its layers and says where it comes from.",
    )  # fmt: skip
    info = registry.describe(network)
    shape = _layer_shape()
    layer_strip(info, _clip_size(), layer, key="strip", on_chosen=_on_strip)
    st.selectbox(
        "Layer", info.layers, info.layers.index(layer), **_bound("layer", _choose_layer, info.layers),
        help="One step of the network: early layers see edges in a few pixels, late ones whole things. A name with a "
        "slash is a convolution in one branch of a block.",
    )  # fmt: skip
    st.caption(f"Output {shape_text(shape)}", help=_sees(info, layer))
    _draw_filter(values, shape[-1])
    objectives = sorted({"filter", "neuron", last_valid.objective, values["objective"]})
    st.segmented_control(
        "Maximise", objectives,
        default=values["objective"], format_func=lambda objective: OBJECTIVES[objective], required=True,
        help=FIELDS["objective"].help, **_bound("objective", among=objectives),
    )  # fmt: skip
    if values["objective"] == "neuron":
        _draw_position(values["position"], shape)
    if last_valid.start_clip:
        st.caption("The search starts from a clip.", help=FIELDS["start_clip"].help)
        st.button(
            "Start from noise", key="no start clip", icon=":material/close:",
            on_click=lambda: load_spec(current_spec().replace(start_clip="")),
        )  # fmt: skip


def _sees(info: NetworkInfo, layer: str) -> str:
    """What the size of a layer's output means, and how much of the clip one position of it depends on."""
    frames, height, width = info.architecture.receptive_field(layer)[0]
    sentence = (
        "Frames × rows × columns of positions at which each filter responds, and the number of filters. One position "
        f"sees {size_text((frames, height, width))} pixels."
    )
    is_larger = any(field > size for field, size in zip((frames, height, width), _clip_size(), strict=True))
    return f"{sentence} {BEYOND_THE_CLIP}" if is_larger else sentence


def _draw_filter(values: Mapping[str, Any], filters: int) -> None:
    value = values["filter"]
    if not isinstance(value, int):
        text = field_text("filter", value)
        st.text_input("Filters", text, help=FIELDS["filter"].help, **bound("c.filter", text, _choose_filters))
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
        noun = "class" if values["objective"] == "class" else "filter"
        st.number_input(
            noun.capitalize(), 0, filters - 1, value, step=1, width=124, **_bound("filter"),
            help=f"0 to {filters - 1}. "
            + ("A class that the network tells apart." if noun == "class" else "One of the layer's detectors."),
        )  # fmt: skip
        for name, icon, step in (
            (f"Previous {noun}", "chevron_left", -1),
            (f"Next {noun}", "chevron_right", 1),
        ):
            icon_button(name, icon, key=f"filter{step}", on_click=_step_filter, args=(step,))
        icon_button(f"Random {noun}", "casino", key="dice", on_click=_random_filter, args=())


def _draw_position(position: tuple[int, ...] | None, shape: tuple[int, ...]) -> None:
    def choose_centre(is_centre: bool) -> None:
        loaded_values()["position"] = None if is_centre else tuple(size // 2 for size in shape[:3])

    st.toggle("At the centre of the layer", position is None, **bound("c.centre", position is None, choose_centre))
    if position is None or len(shape) != 4 or min(shape) < 1:
        return
    with st.container(horizontal=True, gap="small"):
        for index, (axis, size) in enumerate(zip("thw", shape[:3], strict=True)):
            at = position[index]
            binding = bound(f"c.position.{axis}", at, partial(_choose_position, index))
            st.number_input(f"{axis}, 0 to {size - 1}", 0, size - 1, at, step=1, width=82, **binding)


def _choose_position(axis: int, at: int) -> None:
    values = loaded_values()
    if values["position"]:
        values["position"] = (*values["position"][:axis], at, *values["position"][axis + 1 :])


def _choose_filters(text: str) -> None:
    """Take a weighted sum of filters; text that names none stays text."""
    values = loaded_values()
    values["filter"] = text
    with contextlib.suppress(InvalidSpec):
        values["filter"] = checked("filter", parse_field("filter", text))


def _on_strip() -> None:
    chosen = st.session_state["strip"].chosen
    if chosen in registry.describe(loaded_values()["network"]).layers:
        _choose_layer(chosen)


def _choose_layer(layer: str) -> None:
    """Choose the neuron at the centre, since another layer has other positions; a class has the last layer alone."""
    values = loaded_values()
    info = registry.describe(values["network"])
    if layer not in info.layers:  # of the network before
        return
    values.update(layer=layer, position=None)
    if values["objective"] == "class" and layer != info.layers[-1]:
        values["objective"] = "filter"
        if _clip_size() == info.usable_size(info.layers[-1]):  # the size that a class needs is slow elsewhere
            _set_clip_size(info.default_size)
    if held := info.held_size(layer):
        _set_clip_size(held)


def _choose_network(network: str) -> None:
    info = registry.describe(network)
    frames, height, width = info.default_size
    moved = current_spec().replace(
        network=info.name, layer=default_layer(info), position=None, frames=frames, height=height, width=width
    )
    load_spec(fit(moved)[0])


def _choose_engine(engine: str | None) -> None:
    if engine is None:  # the visitor left the page before the choice reached the server
        return
    spec = current_spec()
    try:
        load_spec(spec.replace(engine=engine))
    except InvalidSpec:  # keras-vis has neither neurons nor separate weights in time: keep the target and its size
        kept_names = ("network", "layer", "frames", "height", "width", "seed")
        kept: dict[str, Any] = {name: getattr(spec, name) for name in kept_names}
        load_spec(RenderSpec(engine=engine, filter=spec.filters[0][0], **kept))


def _step_filter(step: int) -> None:
    values = loaded_values()
    if isinstance(values["filter"], int):
        values["filter"] = (values["filter"] + step) % _layer_shape()[-1]


def _random_filter() -> None:
    loaded_values()["filter"] = secrets.randbelow(_layer_shape()[-1])
