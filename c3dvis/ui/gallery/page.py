"""The Gallery page: a layer's filters as a wall of moving thumbnails, page by page, rendered in the background."""

import streamlit as st

from c3dvis.durations import time_left
from c3dvis.networks import registry
from c3dvis.spec import RenderSpec
from c3dvis.spec.text import differences, query_text
from c3dvis.ui.components.layer_strip import layer_strip, shape_text
from c3dvis.ui.components.wall import Cell, small, wall
from c3dvis.ui.gallery import renders
from c3dvis.ui.gallery.page_state import PER_PAGE, SHOWN, SORTS, GalleryView, current
from c3dvis.ui.gallery.renders import Layer
from c3dvis.ui.shared import downloads, measures, navigation, weights_notice
from c3dvis.ui.shared.error_boundary import guarded
from c3dvis.ui.shared.services import Services, services
from c3dvis.ui.status import page as status

_POLL = 1.0  # seconds between two looks at renders under way


def page() -> None:
    """Draw the page; a failure of ours is shown as its one sentence."""
    with guarded("Gallery"):
        shared = services()
        seen = current()
        if seen.chosen is not None:
            spec, seen.chosen = seen.base.replace(filter=seen.chosen), None
            seen.place.write(seen.query())
            navigation.go("Explore", spec.to_query())
        _draw_head(shared, seen)
        active = renders.look(shared, seen.specs()).active
        st.fragment(_grid, run_every=_POLL if active else None)(shared, seen, bool(active))
        status.line(shared)
        with st.sidebar:
            _draw_sidebar(seen)
        seen.place.write(seen.query())


def _draw_head(shared: Services, seen: GalleryView) -> None:
    base = seen.base
    st.markdown(f"### {base.layer}")
    info = registry.describe(base.network)
    shape = info.output_shape(base.layer, base.frames, base.height, base.width)
    st.caption(f"{info.title}, output {shape_text(shape)}, engine {base.engine}, seed {base.seed}")
    for sentence in seen.problems:
        st.warning(sentence, icon=":material/link_off:")
    weights_notice.draw(shared, base.network)


def _draw_sidebar(seen: GalleryView) -> None:
    base, state = seen.base, st.session_state
    info = registry.describe(base.network)
    size = (base.frames, base.height, base.width)
    state["g.network"], state["g.layer"] = base.network, base.layer
    state["g.sort"], state["g.show"] = seen.sort, seen.show

    def turn() -> None:
        seen.turn(network=state["g.network"], layer=state["g.layer"])

    def turn_strip() -> None:
        if state["g.strip"].chosen in info.layers:
            seen.turn(network=base.network, layer=state["g.strip"].chosen)

    def arrange() -> None:
        seen.arrange(state["g.sort"] or "filter", state["g.show"] or "all")

    # Folded: a list of choices costs a browser more than the wall does, and is made when the fold is opened.
    with st.popover("Network, layer, order", width="stretch", icon=":material/tune:"):
        st.selectbox("Network", registry.names(), key="g.network", format_func=registry.title, on_change=turn)
        st.selectbox("Layer", info.layers, key="g.layer", on_change=turn)
        st.selectbox(
            "Sort by", list(SORTS), key="g.sort", format_func=lambda sort: SORTS[sort], on_change=arrange,
            help="What is not rendered yet comes last.",
        )  # fmt: skip
        st.selectbox("Show", list(SHOWN), key="g.show", format_func=lambda show: SHOWN[show], on_change=arrange)
    layer_strip(info, size, base.layer, key="g.strip", on_chosen=turn_strip)
    changed = differences(RenderSpec(network=base.network, layer=base.layer, filter=base.filter), base)
    if changed:
        st.caption(f"Rendered with: {', '.join(changed)}")
        st.button("Use the usual settings", key="g.usual", on_click=seen.use_usual)


@guarded("Gallery")
def _grid(shared: Services, seen: GalleryView, was_active: bool) -> None:
    layer = renders.look(shared, seen.specs())
    if bool(layer.active) != was_active:
        st.rerun()  # the whole page: it starts to look again, or stops to
    if seen.chosen is not None:
        st.rerun()
    order = renders.arranged(shared, seen, layer)
    pages = max(1, -(-len(order) // PER_PAGE))
    seen.page = min(seen.page, pages)
    shown = order[(seen.page - 1) * PER_PAGE : seen.page * PER_PAGE]
    _draw_work(shared, seen, layer, shown)
    if not shown:
        st.info(f"No filter of this layer is here under “{SHOWN[seen.show]}”.", icon=":material/filter_alt:")
        return
    _draw_wall(shared, seen, layer, shown)
    _draw_pager(seen, pages, len(order))
    downloads.draw(shared, [layer.specs[number] for number in shown], f"{seen.base.layer} page {seen.page}")


def _draw_wall(shared: Services, seen: GalleryView, layer: Layer, shown: list[int]) -> None:
    thumbnails = shared.store.thumbnails([layer.keys[n] for n in shown if layer.keys[n]])
    cells = []
    for number in shown:
        spec, key = layer.specs[number], layer.keys[number]
        link = f"explore?{query_text(spec)}"
        thumbnail = thumbnails.get(key)
        if thumbnail is None:
            cells.append(Cell(str(number), f"Filter {number}", state=layer.state(number), link=link))
            continue
        state = "dead" if thumbnail.metrics.get("dead") else "stored"
        note = "" if state == "dead" else measures.note(thumbnail.metrics, seen.sort)
        cells.append(Cell(str(number), f"Filter {number}", note, state, link, small(thumbnail)))

    def choose() -> None:
        chosen = st.session_state["g.wall"].chosen
        seen.chosen = int(chosen) if chosen and chosen.isdecimal() and int(chosen) < len(layer.specs) else None

    wall(cells, key="g.wall", label=f"Filters of {seen.base.layer}", side=132, on_chosen=choose)


def _draw_work(shared: Services, seen: GalleryView, layer: Layer, shown: list[int]) -> None:
    """How much is here, what is under way, and the buttons that start and stop it."""
    total = len(layer.specs)
    parts = [f"{len(layer.stored)} of {total} rendered"]
    if layer.failed:
        parts.append(f"{len(layer.failed)} failed")
    if layer.active:
        left = time_left(renders.seconds_left(shared, layer))
        parts += [f"{len(layer.active)} under way", *([left] if left else [])]
        share = len(layer.stored) / total
        st.progress(min(1.0, share), text=", ".join(parts))
    else:
        st.caption(", ".join(parts))
    wanting = [n for n in shown if n not in layer.stored and n not in layer.active]
    rest = [n for n in range(total) if n not in layer.stored and n not in layer.active]
    blocked = weights_notice.missing(seen.base.network)
    with st.container(horizontal=True, gap="small"):
        st.button(
            f"Render this page ({len(wanting)})", key="g.render page", disabled=blocked or not wanting,
            on_click=renders.start, args=(shared, seen, layer, wanting), icon=":material/play_arrow:",
        )  # fmt: skip
        st.button(
            f"Render the layer ({len(rest)})", key="g.render layer", disabled=blocked or not rest,
            on_click=renders.start, args=(shared, seen, layer, rest),
        )  # fmt: skip
        if layer.active:
            st.button(
                "Stop", key="g.stop", icon=":material/stop:", on_click=renders.stop, args=(shared, seen, layer),
                help="Renders that someone watches on the Explore page go on.",
            )  # fmt: skip
    if seen.failed:
        st.error(seen.failed, icon=":material/error:")
    for number, why in list(layer.failed.items())[:3]:
        st.error(f"Filter {number}: {why}", icon=":material/error:")


def _draw_pager(seen: GalleryView, pages: int, filters: int) -> None:
    if pages == 1:
        return

    def turn_page(step: int) -> None:
        seen.page = min(pages, max(1, seen.page + step))

    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button("‹ Before", key="g.before", disabled=seen.page == 1, on_click=turn_page, args=(-1,))
        st.markdown(f"Page {seen.page} of {pages}, {filters} filters", width="content")
        st.button("Next ›", key="g.next", disabled=seen.page == pages, on_click=turn_page, args=(1,))
