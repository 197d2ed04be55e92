"""The Gallery page: the filters of a layer as a wall of moving thumbnails, page by page."""

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from c3dvis.durations import time_left
from c3dvis.networks import registry
from c3dvis.networks.classes import class_name
from c3dvis.spec import RenderSpec
from c3dvis.spec.text import changed_settings, counted, differences
from c3dvis.ui.components.layer_strip import layer_strip, shape_text
from c3dvis.ui.components.wall import Cell, thumbnail_pixels, wall
from c3dvis.ui.gallery.filter_order import ordered_filters
from c3dvis.ui.gallery.page_state import PER_PAGE, SHOW_TITLES, SORT_TITLES, GalleryState
from c3dvis.ui.gallery.renders import LayerRenders, layer_renders, seconds_left, start_renders, stop_renders
from c3dvis.ui.shared import navigation
from c3dvis.ui.shared.control import bound
from c3dvis.ui.shared.downloads import draw_page_downloads
from c3dvis.ui.shared.error_boundary import error_boundary
from c3dvis.ui.shared.measures import measure_caption
from c3dvis.ui.shared.navigation import current_state, live_part, write_address
from c3dvis.ui.shared.page_title import draw_title
from c3dvis.ui.shared.plain_text import draw_caption, draw_error
from c3dvis.ui.shared.server_resources import ServerResources, server_resources
from c3dvis.ui.shared.status_line import draw_status_line
from c3dvis.ui.shared.weights_notice import cannot_render, draw_proof_notice, draw_weights_notice

_HELP = {"Sort by": "Filters that are not rendered yet come last."}
_REFRESH = 1.0  # seconds between two refreshes while renders are queued or running


def page() -> None:
    """Draw the page."""
    with error_boundary("Gallery"):
        resources = server_resources()
        sidebar = st.sidebar.container()  # first, since the rest of the page moves aside when it appears
        explore = None if "gallery" in st.session_state else st.session_state.get("explore")
        state = current_state("gallery", GalleryState)
        if explore and not navigation.went_through_history():  # by the menu, for the first time: where the visitor was
            state.set_layer(explore.focus.network, explore.focus.layer)
        renders = layer_renders(resources, state.specs())
        state.page = min(state.page, _pages(ordered_filters(resources, state, renders)))
        write_address(state)
        _draw_head(resources, state)
        active = bool(renders.active)
        live_part(state, lambda: _draw_filters(resources, state, active), _REFRESH if active else None)
        draw_status_line(resources)
        with sidebar:
            _draw_sidebar(state)


def _draw_head(resources: ServerResources, state: GalleryState) -> None:
    base = state.base
    draw_title(base.layer)
    info = registry.describe(base.network)
    shape = info.output_shape(base.layer, *base.size)
    made = ", ".join(filter(None, [f"engine {base.engine}, seed {base.seed}", changed_settings(base)]))
    draw_caption(f"{info.title}, output {shape_text(shape)}, {made}")
    state.draw_link_problems()
    draw_weights_notice(resources, base.network)
    draw_proof_notice(base.network)


def _draw_sidebar(state: GalleryState) -> None:
    base, session = state.base, st.session_state
    info = registry.describe(base.network)

    def set_layer_of_strip() -> None:
        if session["g.strip"].chosen in info.layers:
            state.set_layer(base.network, session["g.strip"].chosen)

    def choice(label: str, name: str, value: str, titles: Mapping[str, str], choose: Callable[[str], None]) -> None:
        st.selectbox(
            label, list(titles), list(titles).index(value), format_func=lambda option: titles[option],
            help=_HELP.get(label), **bound(name, value, choose, titles),
        )  # fmt: skip

    # In a popover, whose content is created when it is opened: select boxes cost a browser more than the wall does.
    with st.popover("Network, layer, order", width="stretch", icon=":material/tune:"):
        networks = {name: registry.title(name) for name in registry.names()}
        choice("Network", "g.network", base.network, networks, lambda name: state.set_layer(name, base.layer))
        layers = {layer: layer for layer in info.layers}
        choice("Layer", "g.layer", base.layer, layers, lambda layer: state.set_layer(base.network, layer))
        choice("Sort by", "g.sort", state.sort, SORT_TITLES, lambda sort: state.set_order(sort, state.show))
        choice("Show", "g.show", state.show, SHOW_TITLES, lambda show: state.set_order(state.sort, show))
    layer_strip(info, base.size, base.layer, key="g.strip", on_chosen=set_layer_of_strip)
    changed = differences(registry.sized(RenderSpec(network=base.network, layer=base.layer, filter=base.filter)), base)
    if changed:
        draw_caption(f"Rendered with: {', '.join(changed)}")
        st.button("Use the default settings", key="g.defaults", on_click=state.use_default_settings)


def _pages(numbers: Sequence[int]) -> int:
    return max(1, -(-len(numbers) // PER_PAGE))


@error_boundary("Gallery")
def _draw_filters(resources: ServerResources, state: GalleryState, was_active: bool) -> None:
    renders = layer_renders(resources, state.specs())
    numbers = ordered_filters(resources, state, renders)
    pages = _pages(numbers)
    if bool(renders.active) != was_active or state.page > pages:
        st.rerun()  # the whole page: it starts or stops to refresh, or has fewer pages than before
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
        title = class_name(renders.specs[number]) or f"Filter {number}"
        link = navigation.link("", renders.specs[number].to_query())
        thumbnail = thumbnails.get(renders.keys[number])
        if thumbnail is None:
            cells.append(Cell(str(number), title, state=renders.cell_state(number), link=link))
            continue
        dead = bool(thumbnail.metrics.get("dead"))
        caption = "" if dead else measure_caption(renders.specs[number], thumbnail.metrics, state.sort)
        pixels = thumbnail_pixels(thumbnail)
        shown_state = renders.cell_state(number) if number in renders.active else "dead" if dead else "stored"
        cells.append(Cell(str(number), title, caption, shown_state, link, pixels))
    kind, order = SHOW_TITLES[state.show].lower(), SORT_TITLES[state.sort].lower()
    label = f"Filters of {state.base.layer}: {kind}, by {order}, page {state.page}"
    wall(cells, key="g.wall", label=label, side=132)


def _draw_renders(resources: ServerResources, state: GalleryState, renders: LayerRenders, shown: list[int]) -> None:
    """Draw how many filters are rendered, the progress of the others, and the buttons that start and stop them."""
    total = len(renders.specs)
    parts = [f"{len(renders.stored)} of {total} rendered"]
    others = [key for number, key in enumerate(renders.keys) if key and number not in renders.stored]
    if pictures := len(resources.store.thumbnails(others, images=False)):
        parts.append(f"pictures of {pictures} more come with the program")
    if renders.failed:
        parts.append(f"{len(renders.failed)} failed")
    if renders.active:
        parts += [f"{len(renders.active)} under way", time_left(seconds_left(resources, renders))]
        st.progress(min(1.0, len(renders.stored) / total), text=", ".join(filter(None, parts)))
    else:
        st.caption(", ".join(parts))
    missing = [n for n in range(total) if n not in renders.stored and n not in renders.active]
    missing_here = [n for n in shown if n in missing]
    blocked = cannot_render(state.base.network)
    with st.container(horizontal=True, gap="small"):
        st.button(
            f"Render this page ({len(missing_here)})", key="g.render page", disabled=blocked or not missing_here,
            on_click=start_renders, args=(resources, state, renders, missing_here), icon=":material/play_arrow:",
        )  # fmt: skip
        st.button(
            f"Render the layer ({len(missing)})", key="g.render layer", disabled=blocked or not missing,
            on_click=start_renders, args=(resources, state, renders, missing),
        )  # fmt: skip
        if any(map(resources.may_cancel, renders.active.values())):
            st.button(
                "Stop", key="g.stop", icon=":material/stop:", on_click=stop_renders, args=(resources, state, renders),
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
        st.markdown(f"Page {state.page} of {pages}, {counted(filters, 'filter')}", width="content")
        st.button("Next ›", key="g.next", disabled=state.page == pages, on_click=turn_page, args=(1,))
