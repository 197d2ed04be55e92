"""The filters of a layer that respond most: each with its feature map over the clip, beside its own picture."""

from collections.abc import Sequence

import numpy as np
import streamlit as st
from cachetools import LRUCache
from PIL import Image

from c3dvis import media
from c3dvis.media.overlay import overlay
from c3dvis.probe import FilterResponse, Target
from c3dvis.spec import RenderSpec
from c3dvis.ui.components.layer_strip import layer_strip
from c3dvis.ui.components.wall import Cell, CellPixels, wall
from c3dvis.ui.probe.looking import SHOWN_FILTERS, Looking
from c3dvis.ui.probe.page_state import ProbeState, picture_spec, target_query
from c3dvis.ui.shared import followed_renders, navigation
from c3dvis.ui.shared.plain_text import draw_caption, draw_error, plain
from c3dvis.ui.shared.server_resources import ServerResources

_SIDE = 100  # pixels of a small clip
_GAP = 4
_QUALITY = 80  # of a cell's WebP
_CACHE = "probe cells"
_ABSENT = 96  # grey in place of a picture that is not rendered


def draw_filters(resources: ServerResources, state: ProbeState, looking: Looking) -> None:
    """Draw the layer strip and the filters of the layer."""

    def chosen() -> None:
        layer = st.session_state["p.strip"].chosen
        if layer in state.info.layers:
            state.choose_layer(layer)

    st.markdown("## What it excites, layer by layer")
    layer_strip(state.info, state.clip_size, state.layer, key="p.strip", on_chosen=chosen)
    st.markdown(f"### Filters of {plain(state.layer)} that respond most")
    draw_caption(
        "By their mean response, in standard deviations from their response to noise. On the left the response over "
        "the clip, on the right what the filter looks for. Press one to see it large."
    )
    filters = looking.strongest_filters
    with st.container(key="probe filters"):
        if not filters:
            none = looking.found is not None
            draw_caption(f"{state.layer} needs a larger clip than this." if none else "In a moment.")
            return
        specs = [picture_spec(state, Target(one.layer, one.filter)) for one in filters]
        cells = _cells(resources, state, looking, filters, specs)
        wall(cells, key="p.wall", label=f"Filters of {state.layer} that respond most to the clip", side=185)
    _draw_render_missing(resources, state, specs)


def _cells(
    resources: ServerResources, state: ProbeState, looking: Looking, filters: Sequence[FilterResponse],
    specs: Sequence[RenderSpec | None],
) -> list[Cell]:  # fmt: skip
    keys = [resources.key(spec) if spec else None for spec in specs]
    thumbnails = resources.store.thumbnails([key for key in keys if key])
    small = media.thumbnail(looking.clip, _SIDE)
    cells = []
    for one, job, key in zip(filters, looking.map_jobs, keys, strict=True):
        values = looking.answer(job)
        picture = thumbnails.get(key) if key else None
        caption = f"{one.standardised:+.1f} σ, mean {one.mean:.3g}, peak {one.peak:.3g}"
        if not picture:
            caption += "; its own picture is not rendered"
        name = f"{one.layer}.{one.filter}.{picture.key if picture else ''}"
        pixels = (
            _pixels(f"{looking.key_of_clip}.{name}", small, values, picture.clip() if picture else None)
            if values is not None
            else None
        )
        query = target_query(state, Target(one.layer, one.filter))
        state_text = "stored" if pixels else "queued"
        cells.append(
            Cell(str(one.filter), f"Filter {one.filter}", caption, state_text, navigation.link("probe", query), pixels)
        )
    return cells


def _pixels(key: str, small: np.ndarray, values: np.ndarray, picture: np.ndarray | None) -> CellPixels:
    """The overlay and the picture side by side; kept in the session, since compressing takes a while."""
    kept: LRUCache[str, CellPixels] = st.session_state.setdefault(_CACHE, LRUCache(8 * SHOWN_FILTERS))
    if key not in kept:
        shown = overlay(small, values)
        frames, height = shown.shape[:2]
        gap = np.full((frames, height, _GAP, 3), 255, np.uint8)
        pair = np.concatenate([shown, gap, _beside(picture, frames, height)], axis=2)
        image, grid = media.encode_frames(pair, quality=_QUALITY, effort=0)
        kept[key] = CellPixels(key, (frames, height, pair.shape[2]), grid.columns, image)
    return kept[key]


def _beside(picture: np.ndarray | None, frames: int, height: int) -> np.ndarray:
    """A picture (t, h, w, 3) as (frames, height, height, 3), repeated in time; grey where there is none."""
    if picture is None:
        return np.full((frames, height, height, 3), _ABSENT, np.uint8)
    scaled = [
        np.asarray(Image.fromarray(frame).resize((height, height), Image.Resampling.BICUBIC)) for frame in picture
    ]
    return np.stack([scaled[number % len(scaled)] for number in range(frames)])


def _draw_render_missing(resources: ServerResources, state: ProbeState, specs: Sequence[RenderSpec | None]) -> None:
    keys = {spec: key for spec in specs if spec and (key := resources.key(spec))}
    present = resources.store.thumbnails(list(keys.values()), images=False)
    active = [spec for spec in keys if resources.is_active(spec)]
    missing = [spec for spec, key in keys.items() if key not in present and spec not in active]
    if active:
        st.fragment(lambda: _wait_for(resources, active), run_every=1.0)()
    for spec in missing:
        if why := followed_renders.failure(resources.job(spec)):
            draw_error(f"Filter {spec.filter}: {why}")
    if missing:

        def render() -> None:
            state.error = followed_renders.submit(resources, missing, background=True)

        what = "the missing picture" if len(missing) == 1 else f"the {len(missing)} missing pictures"
        st.button(f"Render {what}", key="p.render all", icon=":material/play_arrow:", on_click=render)


def _wait_for(resources: ServerResources, active: Sequence[RenderSpec]) -> None:
    for spec in active:
        followed_renders.follow(resources.job(spec))
    left = sum(resources.is_active(spec) for spec in active)
    if left < len(active):
        st.rerun()
    st.caption(f"{left} of their own pictures are being rendered.")
