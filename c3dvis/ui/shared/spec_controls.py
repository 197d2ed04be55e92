"""The sidebar's controls: they hold one spec, under session keys `c.<field>`, and nothing else.

`load` puts a spec into them, `read` gives the spec they stand for, `draw` shows them. What the controls do
not show of a spec (another objective's fields) is carried along unchanged.
"""

import secrets
from typing import Any

import streamlit as st

from c3dvis.errors import C3dvisError, InvalidSpec
from c3dvis.networks import registry
from c3dvis.networks.fit import default_layer, fit
from c3dvis.networks.registry import NetworkInfo
from c3dvis.spec import FIELDS, RenderSpec, parse_field
from c3dvis.spec.fields import ENGINE_DEFAULTS
from c3dvis.spec.titles import OBJECTIVES
from c3dvis.ui.components.layer_strip import layer_strip, shape_text
from c3dvis.ui.shared.search_settings import draw_advanced, draw_presets, draw_weights

_CARRIED = "controls.spec"


def key(field: str) -> str:
    """Session key of a field's widget."""
    return f"c.{field}"


def load(spec: RenderSpec) -> None:
    """Set every control to a spec. Only before they are drawn, or in a callback."""
    st.session_state[_CARRIED] = spec
    for name, value in spec.to_dict().items():
        st.session_state[key(name)] = value
    st.session_state[key("filter")] = spec.filter if isinstance(spec.filter, int) else spec.filter_text
    st.session_state[key("centre")] = spec.position is None
    st.session_state[key("tv_weight")] = spec.tv_space_weight
    info = registry.describe(spec.network)
    t, h, w, _ = info.output_shape(spec.layer, spec.frames, spec.height, spec.width)
    for axis, value in zip("thw", spec.position or (t // 2, h // 2, w // 2), strict=True):
        st.session_state[key(f"position.{axis}")] = value


def read() -> tuple[RenderSpec, str | None]:
    """What the controls stand for; called before they are drawn, so that the centre need not wait for them.

    Returns:
        The spec and None; or the last good spec and the sentence that says what is wrong.
    """
    state = st.session_state
    carried: RenderSpec = state[_CARRIED]
    if key("network") not in state:  # another page was shown: its run dropped these widgets' values
        load(carried)
    for name in ("engine", "objective"):  # a run that was cut short before it drew them leaves them without a value
        if state.get(key(name)) is None:
            state[key(name)] = getattr(carried, name)
    info = registry.describe(state[key("network")])
    shape = _shapes(info)[state[key("layer")]]
    if isinstance(state[key("filter")], int):
        state[key("filter")] = min(state[key("filter")], shape[-1] - 1)
    for axis, size in zip("thw", shape[:3] if len(shape) == 4 else (), strict=False):
        name = key(f"position.{axis}")
        state[name] = max(0, min(state.get(name, size // 2), size - 1))
    try:
        spec = _collect(carried)
        info.check(spec)
    except C3dvisError as error:
        return carried, str(error)
    state[_CARRIED] = spec
    return spec, None


def draw() -> None:
    """Show the controls."""
    _draw_target(st.session_state[_CARRIED])
    draw_presets(lambda: st.session_state[_CARRIED], load)
    draw_weights(st.session_state[key("engine")])
    draw_advanced(_on_engine)


def _size() -> tuple[int, int, int]:
    frames, height, width = (st.session_state[key(name)] for name in ("frames", "height", "width"))
    return frames, height, width


def _shapes(info: NetworkInfo) -> dict[str, tuple[int, ...]]:
    """Output shape of every layer at the chosen size."""
    return {row.name: row.output_shape for row in info.table(*_size()) if row.targetable}


def _draw_target(carried: RenderSpec) -> None:
    state = st.session_state
    st.selectbox(
        "Network",
        registry.names(),
        registry.names().index(state[key("network")]),
        key=key("network"),
        format_func=registry.title,
        on_change=_on_network,
    )
    info = registry.describe(state[key("network")])
    shapes = _shapes(info)
    layer_strip(info, _size(), state[key("layer")], key="strip", on_chosen=_on_strip)
    layer = state[key("layer")]
    st.selectbox("Layer", info.layers, info.layers.index(layer), key=key("layer"), on_change=_on_layer)
    st.caption(f"Output {shape_text(shapes[layer])}")
    _draw_filter(shapes[layer][-1])
    st.segmented_control(
        "Maximise",
        sorted({"filter", "neuron", carried.objective}),
        key=key("objective"),
        format_func=lambda objective: OBJECTIVES[objective],
        required=True,
        help=FIELDS["objective"].help,
    )
    if state[key("objective")] == "neuron":
        _draw_position(shapes[layer])


def _draw_filter(filters: int) -> None:
    state = st.session_state
    if isinstance(state[key("filter")], str):
        st.text_input("Filters", state[key("filter")], key=key("filter"), help=FIELDS["filter"].help)
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        number = state[key("filter")]
        st.number_input(
            "Filter", 0, filters - 1, number, step=1, key=key("filter"), help=f"0 to {filters - 1}", width=128
        )
        for label, name, step in (("‹", "Previous filter", -1), ("›", "Next filter", 1)):
            st.button(label, key=f"filter{step}", help=name, on_click=_step_filter, args=(step, filters))
        st.button(
            "",
            icon=":material/casino:",
            key="dice",
            help="A filter by chance",
            on_click=_dice,
            args=(filters,),
        )


def _draw_position(shape: tuple[int, ...]) -> None:
    state = st.session_state
    st.toggle("At the centre of the layer", state[key("centre")], key=key("centre"))
    if state[key("centre")] or len(shape) != 4 or min(shape) < 1:
        return
    with st.container(horizontal=True, gap="small"):
        for axis, size in zip("thw", shape[:3], strict=True):
            name = key(f"position.{axis}")
            st.number_input(f"{axis}, 0 to {size - 1}", 0, size - 1, state[name], step=1, key=name, width=82)


def _collect(carried: RenderSpec) -> RenderSpec:
    state = st.session_state
    values = {name: state.get(key(name), getattr(carried, name)) for name in FIELDS}
    if isinstance(values["filter"], str):
        values["filter"] = parse_field("filter", values["filter"])
    values["position"] = None
    if values["objective"] == "neuron" and not state.get(key("centre"), True):
        values["position"] = tuple(state[key(f"position.{axis}")] for axis in "thw")
    if values["engine"] == "keras-vis":  # what the original fixes has no control
        shown = {"iterations", "activation_weight", "lp_weight"}
        for name, value in ENGINE_DEFAULTS["keras-vis"].items():
            if name not in shown:
                values[name] = value
        values["tv_space_weight"] = values["tv_time_weight"] = state[key("tv_weight")]
    return RenderSpec(**values)


def _on_strip() -> None:
    chosen = st.session_state["strip"].chosen
    if chosen in registry.describe(st.session_state[key("network")]).layers:
        st.session_state[key("layer")] = chosen
        _on_layer()


def _on_layer() -> None:
    """Another layer has other positions: take the neuron at its centre."""
    st.session_state[key("centre")] = True


def _on_network() -> None:
    info = registry.describe(st.session_state[key("network")])
    frames, height, width = info.default_size
    carried: RenderSpec = st.session_state[_CARRIED]
    moved = carried.replace(
        network=info.name, layer=default_layer(info), position=None, frames=frames, height=height, width=width
    )
    load(fit(moved)[0])


def _on_engine() -> None:
    engine = st.session_state.get(key("engine"))
    if engine is None:  # the page was left while the choice was on its way
        return
    carried: RenderSpec = st.session_state[_CARRIED]
    try:
        load(carried.replace(engine=engine))
    except InvalidSpec:  # keras-vis knows neither neurons nor weights in time: the target stays, the rest is its own
        plain: dict[str, Any] = {"objective": "filter", "position": None, "filter": carried.filters[0][0]}
        kept = ("network", "layer", "frames", "height", "width", "seed")
        load(RenderSpec(engine=engine, **{name: getattr(carried, name) for name in kept}, **plain))


def _step_filter(step: int, filters: int) -> None:
    st.session_state[key("filter")] = (st.session_state[key("filter")] + step) % filters


def _dice(filters: int) -> None:
    st.session_state[key("filter")] = secrets.randbelow(filters)
