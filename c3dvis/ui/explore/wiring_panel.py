"""The tab *Wiring* of the Explore page: the kernel of the filter in focus, and the filters that excite and inhibit it.

It reads the weights file, without TensorFlow. A press on a filter goes to that filter's wiring, so that a visitor walks
through the network.
"""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from c3dvis.access.sign_in import current_may
from c3dvis.media.kernel_pictures import colour_kernel, norm_kernel, signed_kernel
from c3dvis.networks import registry
from c3dvis.networks.registry import NetworkInfo
from c3dvis.networks.wiring import ChannelSource, NoKernel, Wiring, WiringInput, wiring
from c3dvis.spec import RenderSpec
from c3dvis.spec.text import counted
from c3dvis.ui.components.wall import Cell, clip_pixels, thumbnail_pixels, wall
from c3dvis.ui.explore.input_pictures import InputPicture, input_pictures, source_name
from c3dvis.ui.explore.page_state import ExploreState
from c3dvis.ui.shared import followed_renders
from c3dvis.ui.shared.error_boundary import error_boundary
from c3dvis.ui.shared.navigation import live_part
from c3dvis.ui.shared.plain_text import draw_error, plain
from c3dvis.ui.shared.server_resources import ServerResources
from c3dvis.ui.shared.weights_notice import weights_missing

_SHOWN = 6  # inputs of each sign
_HOLD = 5  # frames of the wall for each frame of a kernel
_REFRESH = 1.0  # seconds between two refreshes while a picture is rendered
_COLOURS = ("Red", "Green", "Blue")


def draw_wiring_panel(resources: ServerResources, state: ExploreState) -> None:
    """Draw the wiring of the filter in focus."""
    spec = state.focus
    if weights_missing(spec.network):
        st.info("The wiring is read from the network's weights, which are not here.")
        return
    if spec.objective == "layer" or len(spec.filters) != 1:
        st.info("Wiring is shown for one filter. Choose one in the sidebar.")
        return
    info = registry.describe(spec.network)
    try:
        found = wiring(info, spec.layer, spec.filters[0][0])
        inputs = found.exciting(_SHOWN) + found.inhibiting(_SHOWN)
        sources = [each.source for each in inputs if each.source.layer != "input"]
    except NoKernel as reason:
        found, sources = None, list(reason.parts)
        st.info(plain(str(reason)))
    active = _is_active(input_pictures(resources, spec, sources))
    live_part(state, lambda: _draw(resources, state, spec, found, sources, active), _REFRESH if active else None)


def _is_active(pictures: Mapping[str, InputPicture]) -> bool:
    return any(picture.is_active for picture in pictures.values())


@error_boundary("Explore")
def _draw(
    resources: ServerResources,
    state: ExploreState,
    spec: RenderSpec,
    found: Wiring | None,
    sources: Sequence[ChannelSource],
    was_active: bool,
) -> None:
    pictures = input_pictures(resources, spec, sources)
    if _is_active(pictures) != was_active:
        st.rerun()  # the whole page: the refreshing starts or stops
    if found is None:
        cells = [picture.cell() for picture in pictures.values()]
        _draw_inputs(cells, "parts", "Made of")
        _draw_render_button(resources, state, pictures)
        return
    info = registry.describe(spec.network)
    largest = float(np.abs(found.kernel).max())
    _draw_kernel(resources, spec, info, found, largest)
    if found.reads_the_clip:
        return
    _draw_render_button(resources, state, pictures)
    for key, title, inputs in (
        ("exciting", "Excited by", found.exciting(_SHOWN)),
        ("inhibiting", "Inhibited by", found.inhibiting(_SHOWN)),
    ):
        cells = [_input_cell(pictures, each, largest) for each in inputs]
        _draw_inputs(cells, key, title)


def _draw_kernel(
    resources: ServerResources, spec: RenderSpec, info: NetworkInfo, found: Wiring, largest: float
) -> None:
    made, taps = found.made_by, found.kernel.shape[:3]
    lines = []
    if (made.layer, made.filter) != (found.layer, found.filter):
        lines.append(f"It is filter {made.filter} of {plain(made.layer)}.")
    frames, rows, columns = taps
    each = "each with one weight" if taps == (1, 1, 1) else f"each over {frames} × {rows} × {columns} frames and pixels"
    lines.append(f"Its kernel reads {counted(len(found.inputs), 'input')}, {each}.")
    if found.dilation != (1, 1, 1):
        lines.append(f"The taps are {' × '.join(map(str, found.dilation))} apart.")
    through = sorted({name for one in found.inputs for name in one.source.via})
    if through:
        lines.append(f"On the way to it: {plain(', '.join(through))}.")
    st.caption(" ".join(lines))
    kernels = _kernel_cells(info, found)
    if found.reads_the_clip:
        kernels += _channel_cells(info, found, largest)
    if cells := [*_own_picture(resources, spec), *kernels]:
        st.markdown("**Kernel**" if kernels else "**Picture**")
        wall(cells, key="w.kernel", label="Kernel of the filter", side=150)
    st.caption(
        "The number beside a filter or colour is the sum of its weights: how much the response changes when that input "
        "rises by 1 everywhere. The squares are the weights, frame by frame, the earliest on the left. Orange excites, "
        f"blue inhibits, grey is 0; the full colours stand for ±{largest:.2g}." + _measured_in(found)
    )


def _measured_in(found: Wiring) -> str:
    if not found.is_relative:
        return ""
    return (
        " A normalisation over the clip stands between: an input counts by its own standard deviation there, and how "
        "large that is depends on the clip."
    )


def _own_picture(resources: ServerResources, spec: RenderSpec) -> list[Cell]:
    """The cell of the filter in focus, if its picture is stored and shows something."""
    key = resources.key(spec) or ""
    thumbnail = resources.store.thumbnails([key]).get(key)
    if thumbnail is None or thumbnail.metrics.get("dead"):
        return []
    return [Cell("", "This filter", "Its picture", pixels=thumbnail_pixels(thumbnail))]


def _kernel_cells(info: NetworkInfo, found: Wiring) -> list[Cell]:
    """The cell of the kernel as a whole; a kernel of one tap has nothing to show."""
    if found.kernel.shape[:3] == (1, 1, 1):
        return []
    colours = _in_colour(info, found)
    if colours is None:
        return [_kernel_cell("Own kernel", "Lightness: norm over the inputs", norm_kernel(found.norm_over_inputs))]
    return [_kernel_cell("Own kernel", "Weights on red, green and blue; grey is 0", colour_kernel(colours))]


def _channel_cells(info: NetworkInfo, found: Wiring, largest: float) -> list[Cell]:
    """The cells of the kernel on each channel of the clip."""
    in_colour = info.domain.order in ("RGB", "BGR")
    cells = []
    for each in found.inputs:
        channel = each.source.filter
        name = _COLOURS["RGB".index(info.domain.order[channel])] if in_colour else f"Channel {channel}"
        cells.append(_kernel_cell(f"{name} {_weight_text(each)}", "", signed_kernel(each.weights, largest)))
    return cells


def _kernel_cell(title: str, caption: str, clip: np.ndarray) -> Cell:
    """A kernel, moving and with its frames side by side."""
    pixels = clip_pixels(clip, hashlib.sha256(clip.tobytes()).hexdigest(), _HOLD)
    return Cell("", title, caption, pixels=pixels, taps=pixels)


def _in_colour(info: NetworkInfo, found: Wiring) -> np.ndarray | None:
    """The kernel with its last axis red, green, blue; None if it does not read a clip in colour."""
    if not found.reads_the_clip or info.domain.channels != 3 or info.domain.order not in ("RGB", "BGR"):
        return None
    return found.kernel[..., ::-1] if info.domain.order == "BGR" else found.kernel


def _input_cell(pictures: Mapping[str, InputPicture], each: WiringInput, largest: float) -> Cell:
    taps = clip_pixels(signed_kernel(each.weights, largest), "", _HOLD)
    if each.source.layer == "input":  # beside filters: a branch that passes the clip on
        return Cell("", f"Channel {each.source.filter} {_weight_text(each)}", "of the clip", taps=taps)
    return pictures[source_name(each.source)].cell(_weight_text(each), taps)


def _weight_text(each: WiringInput) -> str:
    return f"{each.strength:+.3g}".replace("-", "−")


def _draw_inputs(cells: Sequence[Cell], key: str, title: str) -> None:
    if cells:
        st.markdown(f"**{title}**")
        wall(cells, key=f"w.{key}", label=f"{title} these filters", side=132)


def _draw_render_button(resources: ServerResources, state: ExploreState, pictures: Mapping[str, InputPicture]) -> None:
    missing = [picture.spec for picture in pictures.values() if picture.is_missing]

    def render() -> None:
        state.error = followed_renders.submit(resources, missing, background=True)

    if missing:
        label = f"Render the missing pictures ({len(missing)})"
        blocked = not current_may("render")
        st.button(label, key="w.render", icon=":material/play_arrow:", disabled=blocked, on_click=render)
    for reason in dict.fromkeys(filter(None, [state.error, *(picture.error for picture in pictures.values())])):
        draw_error(reason)
