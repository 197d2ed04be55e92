"""The sidebar's controls of a spec. Each field's widget has the session key `c.<field>`.

`load_spec` sets the widgets, `read_spec` reads them, `draw_controls` draws them. Fields that have no widget, such as
those of another objective, keep the value of the spec that was loaded. Widgets that were moved and not rendered are in
the address (`moved_controls.py`).
"""

import contextlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
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
from c3dvis.ui.shared.icon_button import icon_button

_LAST_VALID = "controls.spec"  # session key of the last valid spec of the controls
_VALUES = "controls.values"  # session key of the fields' values that the widgets had last, possible together or not


def load_spec(spec: RenderSpec) -> None:
    """Set every widget to the values of a spec; must be called before they are drawn, or in a callback."""
    load_values({name: getattr(spec, name) for name in FIELDS}, spec)


def load_values(values: Mapping[str, Any], valid: RenderSpec) -> None:
    """Set every widget to the value of its field; must be called before they are drawn, or in a callback.

    Args:
        values: of all fields. Each is possible alone, together they need not be; the filter may be any text.
        valid: the spec to go back to if they are not.
    """
    session = st.session_state
    session[_LAST_VALID], session[_VALUES] = valid, dict(values)
    for name, value in values.items():
        session[f"c.{name}"] = value
    session["c.filter"] = (
        values["filter"] if isinstance(values["filter"], int) else field_text("filter", values["filter"])
    )
    session["c.centre"] = values["position"] is None
    session["c.tv_weight"] = values["tv_space_weight"]
    for axis, value in zip("thw", values["position"] or (None, None, None), strict=True):
        session[f"c.position.{axis}"] = value


def set_back() -> None:
    """Set the widgets to `loaded_values` if any has another value."""
    session = st.session_state
    values, last = _values_of_widgets(session[_LAST_VALID]), session[_VALUES]
    if any(values[name] != last[name] for name in FIELDS if f"c.{name}" in session):
        load_values(last, session[_LAST_VALID])


def loaded_values() -> dict[str, Any]:
    """The fields' values that the widgets had last."""
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
    """The spec of the widgets; called before they are drawn, so that the result is sent to the browser first.

    Returns:
        The spec and None; or the last valid spec and what is wrong with the widgets' values.
    """
    session = st.session_state
    last_valid: RenderSpec = session[_LAST_VALID]
    if "c.network" not in session:  # Streamlit dropped the values when another page was shown
        load_values(loaded_values(), last_valid)
    for name in ("engine", "objective"):  # without a value if the last run was interrupted before it drew them
        if session.get(f"c.{name}") is None:
            session[f"c.{name}"] = getattr(last_valid, name)
    info = registry.describe(session["c.network"])
    shape = info.layer_shapes(*_clip_size())[session["c.layer"]]
    if isinstance(session["c.filter"], int):
        session["c.filter"] = min(session["c.filter"], shape[-1] - 1)
    for axis, size in zip("thw", shape[:3] if len(shape) == 4 else (), strict=False):
        key = f"c.position.{axis}"
        chosen = session.get(key)
        session[key] = max(0, min(size // 2 if chosen is None else chosen, size - 1))
    spec, values = None, _values_of_widgets(last_valid)
    session[_VALUES] = values
    try:
        if isinstance(values["filter"], str):
            parse_field("filter", values["filter"])  # says what is wrong with it
        spec = RenderSpec(**values)
        info.check(spec)
    except C3dvisError as error:
        remedy, misfits = fit(spec) if spec else (last_valid, [])
        offer = ", ".join(misfit.offer(remedy) for misfit in misfits) or "Take back the last change"
        return last_valid, Problem(error.message, remedy, offer)
    session[_LAST_VALID] = spec
    return spec, None


def draw_controls() -> None:
    """Draw the widgets."""
    _draw_target(st.session_state[_LAST_VALID])
    draw_presets(lambda: st.session_state[_LAST_VALID], load_spec)
    draw_weights(st.session_state["c.engine"])
    held = registry.describe(st.session_state["c.network"]).held_size(st.session_state["c.layer"])
    draw_engine_and_size(_on_engine, held)


def _clip_size() -> tuple[int, int, int]:
    frames, height, width = (st.session_state[f"c.{name}"] for name in ("frames", "height", "width"))
    return frames, height, width


def _draw_target(last_valid: RenderSpec) -> None:
    """Draw the widgets of network, layer, filter and objective."""
    session = st.session_state
    names, network, layer = registry.names(), session["c.network"], session["c.layer"]
    st.selectbox(
        "Network", names, names.index(network), key="c.network", format_func=registry.title, on_change=_on_network,
        help="Which trained network to look into. The Network page lists its layers and says where it comes from.",
    )  # fmt: skip
    info = registry.describe(network)
    shapes = info.layer_shapes(*_clip_size())
    layer_strip(info, _clip_size(), layer, key="strip", on_chosen=_on_strip)
    st.selectbox(
        "Layer", info.layers, info.layers.index(layer), key="c.layer", on_change=_on_layer,
        help="One step of the network: early layers see edges in a few pixels, late ones whole things. A name with a "
        "slash is a convolution in one branch of a block.",
    )  # fmt: skip
    st.caption(f"Output {shape_text(shapes[layer])}", help=_sees(info, layer))
    _draw_filter(shapes[layer][-1])
    st.segmented_control(
        "Maximise",
        sorted({"filter", "neuron", last_valid.objective, session["c.objective"]}),
        key="c.objective", format_func=lambda objective: OBJECTIVES[objective], required=True,
        help=FIELDS["objective"].help,
    )  # fmt: skip
    if session["c.objective"] == "neuron":
        _draw_position(shapes[layer])
    if last_valid.start_clip:
        st.caption("The search starts from a clip.", help=FIELDS["start_clip"].help)
        st.button(
            "Start from noise", key="no start clip", icon=":material/close:", on_click=load_spec,
            args=(last_valid.replace(start_clip=""),),
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


def _draw_filter(filters: int) -> None:
    value = st.session_state["c.filter"]
    if isinstance(value, str):
        st.text_input("Filters", value, key="c.filter", help=FIELDS["filter"].help)
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
        noun = "class" if st.session_state["c.objective"] == "class" else "filter"
        st.number_input(
            noun.capitalize(), 0, filters - 1, value, step=1, key="c.filter", width=124,
            help=f"0 to {filters - 1}. "
            + ("A class that the network tells apart." if noun == "class" else "One of the layer's detectors."),
        )  # fmt: skip
        for name, icon, step in (
            (f"Previous {noun}", "chevron_left", -1),
            (f"Next {noun}", "chevron_right", 1),
        ):
            icon_button(name, icon, key=f"filter{step}", on_click=_step_filter, args=(step, filters))
        icon_button(f"Random {noun}", "casino", key="dice", on_click=_random_filter, args=(filters,))


def _draw_position(shape: tuple[int, ...]) -> None:
    session = st.session_state
    st.toggle("At the centre of the layer", session["c.centre"], key="c.centre")
    if session["c.centre"] or len(shape) != 4 or min(shape) < 1:
        return
    with st.container(horizontal=True, gap="small"):
        for axis, size in zip("thw", shape[:3], strict=True):
            key = f"c.position.{axis}"
            st.number_input(f"{axis}, 0 to {size - 1}", 0, size - 1, session[key], step=1, key=key, width=82)


def _values_of_widgets(last_valid: RenderSpec) -> dict[str, Any]:
    """The value of each field; text that names no filters stays text."""
    session = st.session_state
    values = {name: session.get(f"c.{name}", getattr(last_valid, name)) for name in FIELDS}
    if isinstance(values["filter"], str):
        with contextlib.suppress(InvalidSpec):
            values["filter"] = checked("filter", parse_field("filter", values["filter"]))
    values["position"] = None
    if values["objective"] == "neuron" and not session.get("c.centre", True):
        values["position"] = tuple(session[f"c.position.{axis}"] for axis in "thw")
    if values["engine"] == "keras-vis":  # the fields that keras-vis fixes have no widgets
        with_widget = {"iterations", "activation_weight", "lp_weight"}
        values |= {name: value for name, value in ENGINE_DEFAULTS["keras-vis"].items() if name not in with_widget}
        values["tv_space_weight"] = values["tv_time_weight"] = session["c.tv_weight"]
    return values


def _on_strip() -> None:
    chosen = st.session_state["strip"].chosen
    if chosen in registry.describe(st.session_state["c.network"]).layers:
        st.session_state["c.layer"] = chosen
        _on_layer()


def _on_layer() -> None:
    """Choose the neuron at the centre, since another layer has other positions; a class has the last layer alone."""
    session = st.session_state
    session["c.centre"] = True
    info = registry.describe(session["c.network"])
    if session.get("c.objective") == "class" and session["c.layer"] != info.layers[-1]:
        session["c.objective"] = "filter"
        if _clip_size() == info.usable_size(info.layers[-1]):  # the size that a class needs is slow elsewhere
            session["c.frames"], session["c.height"], session["c.width"] = info.default_size
    if held := info.held_size(session["c.layer"]):
        session["c.frames"], session["c.height"], session["c.width"] = held


def _on_network() -> None:
    info = registry.describe(st.session_state["c.network"])
    frames, height, width = info.default_size
    last_valid: RenderSpec = st.session_state[_LAST_VALID]
    moved = last_valid.replace(
        network=info.name, layer=default_layer(info), position=None, frames=frames, height=height, width=width
    )
    load_spec(fit(moved)[0])


def _on_engine() -> None:
    engine = st.session_state.get("c.engine")
    if engine is None:  # the visitor left the page before the choice reached the server
        return
    last_valid: RenderSpec = st.session_state[_LAST_VALID]
    try:
        load_spec(last_valid.replace(engine=engine))
    except InvalidSpec:  # keras-vis has neither neurons nor separate weights in time: keep the target and its size
        kept_names = ("network", "layer", "frames", "height", "width", "seed")
        kept: dict[str, Any] = {name: getattr(last_valid, name) for name in kept_names}
        load_spec(RenderSpec(engine=engine, filter=last_valid.filters[0][0], **kept))


def _step_filter(step: int, filters: int) -> None:
    st.session_state["c.filter"] = (st.session_state["c.filter"] + step) % filters


def _random_filter(filters: int) -> None:
    st.session_state["c.filter"] = secrets.randbelow(filters)
