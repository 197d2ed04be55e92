"""The Gallery page: the filters of a layer as a wall of moving thumbnails, page by page."""

import streamlit as st

from c3dvis.durations import time_left
from c3dvis.networks import registry
from c3dvis.spec import RenderSpec
from c3dvis.spec.text import differences, query_text
from c3dvis.ui.components.layer_strip import layer_strip, shape_text
from c3dvis.ui.components.wall import Cell, thumbnail_pixels, wall
from c3dvis.ui.gallery.filter_order import ordered_filters
from c3dvis.ui.gallery.page_state import PER_PAGE, SHOW_TITLES, SORT_TITLES, GalleryState, current_state
from c3dvis.ui.gallery.renders import LayerRenders, layer_renders, seconds_left, start_renders, stop_renders
from c3dvis.ui.shared import navigation
from c3dvis.ui.shared.downloads import draw_page_downloads
from c3dvis.ui.shared.error_boundary import error_boundary
from c3dvis.ui.shared.measures import measure_caption
from c3dvis.ui.shared.page_title import draw_title
from c3dvis.ui.shared.plain_text import draw_caption, draw_error
from c3dvis.ui.shared.server_resources import ServerResources, server_resources
from c3dvis.ui.shared.status_line import draw_status_line
from c3dvis.ui.shared.weights_notice import draw_weights_notice, weights_missing

_REFRESH = 1.0  # seconds between two refreshes while renders are queued or running


def page() -> None:
    """Draw the page."""
    with error_boundary("Gallery"):
        resources = server_resources()
        sidebar = st.sidebar.container()  # first, since the rest of the page moves aside when it appears
        state = current_state()
        if state.chosen_filter is not None:
            spec, state.chosen_filter = state.base.replace(filter=state.chosen_filter), None
            state.address.write(state.query())
            navigation.switch_page("Explore", spec.to_query())
        _draw_head(resources, state)
        active = bool(layer_renders(resources, state.specs()).active)
        st.fragment(_filters, run_every=_REFRESH if active else None)(resources, state, active)
        draw_status_line(resources)
        with sidebar:
            _draw_sidebar(state)
        state.address.write(state.query())


def _draw_head(resources: ServerResources, state: GalleryState) -> None:
    base = state.base
    draw_title(base.layer)
    info = registry.describe(base.network)
    shape = info.output_shape(base.layer, *base.size)
    draw_caption(f"{info.title}, output {shape_text(shape)}, engine {base.engine}, seed {base.seed}")
    state.draw_link_problems()
    draw_weights_notice(resources, base.network)


def _draw_sidebar(state: GalleryState) -> None:
    base, session = state.base, st.session_state
    info = registry.describe(base.network)
    session["g.network"], session["g.layer"] = base.network, base.layer
    session["g.sort"], session["g.show"] = state.sort, state.show

    def set_layer() -> None:
        state.set_layer(network=session["g.network"], layer=session["g.layer"])

    def set_layer_of_strip() -> None:
        if session["g.strip"].chosen in info.layers:
            state.set_layer(network=base.network, layer=session["g.strip"].chosen)

    def set_order() -> None:
        state.set_order(session["g.sort"] or "filter", session["g.show"] or "all")

    # In a popover, whose content is created when it is opened: select boxes cost a browser more than the wall does.
    with st.popover("Network, layer, order", width="stretch", icon=":material/tune:"):
        st.selectbox("Network", registry.names(), key="g.network", format_func=registry.title, on_change=set_layer)
        st.selectbox("Layer", info.layers, key="g.layer", on_change=set_layer)
        st.selectbox(
            "Sort by", list(SORT_TITLES), key="g.sort", format_func=lambda sort: SORT_TITLES[sort],
            on_change=set_order, help="Filters that are not rendered yet come last.",
        )  # fmt: skip
        st.selectbox(
            "Show", list(SHOW_TITLES), key="g.show", format_func=lambda show: SHOW_TITLES[show], on_change=set_order
        )
    layer_strip(info, base.size, base.layer, key="g.strip", on_chosen=set_layer_of_strip)
    changed = differences(RenderSpec(network=base.network, layer=base.layer, filter=base.filter), base)
    if changed:
        draw_caption(f"Rendered with: {', '.join(changed)}")
        st.button("Use the default settings", key="g.defaults", on_click=state.use_default_settings)


@error_boundary("Gallery")
def _filters(resources: ServerResources, state: GalleryState, was_active: bool) -> None:
    renders = layer_renders(resources, state.specs())
    if bool(renders.active) != was_active or state.chosen_filter is not None:
        st.rerun()  # the whole page: it starts or stops to refresh, or opens the chosen filter
    numbers = ordered_filters(resources, state, renders)
    pages = max(1, -(-len(numbers) // PER_PAGE))
    state.page = min(state.page, pages)
    shown = numbers[(state.page - 1) * PER_PAGE : state.page * PER_PAGE]
    _draw_renders(resources, state, renders, shown)
    if not shown:
        st.info(f"No filter of this layer matches “{SHOW_TITLES[state.show]}”.", icon=":material/filter_alt:")
        return
    _draw_wall(resources, state, renders, shown)
    _draw_pager(state, pages, len(numbers))
    draw_page_downloads(resources, [renders.specs[n] for n in shown], f"{state.base.layer} page {state.page}")


def _draw_wall(resources: ServerResources, state: GalleryState, renders: LayerRenders, shown: list[int]) -> None:
    thumbnails = resources.store.thumbnails([renders.keys[n] for n in shown if renders.keys[n]])
    cells = []
    for number in shown:
        link = f"explore?{query_text(renders.specs[number])}"
        thumbnail = thumbnails.get(renders.keys[number])
        if thumbnail is None:
            cells.append(Cell(str(number), f"Filter {number}", state=renders.cell_state(number), link=link))
            continue
        dead = bool(thumbnail.metrics.get("dead"))
        caption = "" if dead else measure_caption(thumbnail.metrics, state.sort)
        pixels = thumbnail_pixels(thumbnail)
        cells.append(Cell(str(number), f"Filter {number}", caption, "dead" if dead else "stored", link, pixels))

    def choose() -> None:
        chosen = st.session_state["g.wall"].chosen
        valid = chosen and chosen.isdecimal() and int(chosen) < len(renders.specs)
        state.chosen_filter = int(chosen) if valid else None

    wall(cells, key="g.wall", label=f"Filters of {state.base.layer}", side=132, on_chosen=choose)


def _draw_renders(resources: ServerResources, state: GalleryState, renders: LayerRenders, shown: list[int]) -> None:
    """Draw how many filters are rendered, the progress of the others, and the buttons that start and stop them."""
    total = len(renders.specs)
    parts = [f"{len(renders.stored)} of {total} rendered"]
    if renders.failed:
        parts.append(f"{len(renders.failed)} failed")
    if renders.active:
        parts += [f"{len(renders.active)} under way", time_left(seconds_left(resources, renders))]
        st.progress(min(1.0, len(renders.stored) / total), text=", ".join(filter(None, parts)))
    else:
        st.caption(", ".join(parts))
    missing = [n for n in range(total) if n not in renders.stored and n not in renders.active]
    missing_here = [n for n in shown if n in missing]
    blocked = weights_missing(state.base.network)
    with st.container(horizontal=True, gap="small"):
        st.button(
            f"Render this page ({len(missing_here)})", key="g.render page", disabled=blocked or not missing_here,
            on_click=start_renders, args=(resources, state, renders, missing_here), icon=":material/play_arrow:",
        )  # fmt: skip
        st.button(
            f"Render the layer ({len(missing)})", key="g.render layer", disabled=blocked or not missing,
            on_click=start_renders, args=(resources, state, renders, missing),
        )  # fmt: skip
        if renders.active:
            st.button(
                "Stop", key="g.stop", icon=":material/stop:", on_click=stop_renders, args=(state, renders),
                help="Renders that someone watches on the Explore page continue.",
            )  # fmt: skip
    if state.error:
        draw_error(state.error)
    for number, reason in list(renders.failed.items())[:3]:
        draw_error(f"Filter {number}: {reason}")


def _draw_pager(state: GalleryState, pages: int, filters: int) -> None:
    if pages == 1:
        return

    def turn_page(step: int) -> None:
        state.page = min(pages, max(1, state.page + step))

    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button("‹ Previous", key="g.previous", disabled=state.page == 1, on_click=turn_page, args=(-1,))
        st.markdown(f"Page {state.page} of {pages}, {filters} filters", width="content")
        st.button("Next ›", key="g.next", disabled=state.page == pages, on_click=turn_page, args=(1,))
