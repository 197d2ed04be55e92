"""The Compare page: two to six clips side by side, of pinned specs or of one spec with several values of one field."""

import streamlit as st

from c3dvis.results import RenderResult
from c3dvis.spec import FIELDS, RenderSpec
from c3dvis.spec.field_titles import field_title
from c3dvis.spec.text import differences, query_text
from c3dvis.ui.compare.page_state import current_comparison
from c3dvis.ui.components.wall import Cell, clip_pixels, wall
from c3dvis.ui.shared import navigation
from c3dvis.ui.shared.downloads import draw_page_downloads
from c3dvis.ui.shared.error_boundary import error_boundary
from c3dvis.ui.shared.measures import COMPARED_MEASURES, measure_caption, measure_text
from c3dvis.ui.shared.page_title import draw_title
from c3dvis.ui.shared.pinned_specs import MAX_SPECS, SWEEP_VALUES, Comparison
from c3dvis.ui.shared.plain_text import draw_caption, draw_error, plain
from c3dvis.ui.shared.render_progress import progress_text
from c3dvis.ui.shared.server_resources import ServerResources, server_resources
from c3dvis.ui.shared.status_line import draw_status_line
from c3dvis.ui.shared.table import draw_table
from c3dvis.ui.shared.weights_notice import draw_weights_notice, weights_missing

_FIELD_TITLES = {name: (title := field_title(name))[0].upper() + title[1:] for name in SWEEP_VALUES}
_ROW_WIDTH = 760  # CSS pixels that a small laptop has for all cells
_REFRESH = 0.6  # seconds between two refreshes while renders are queued or running


def page() -> None:
    """Draw the page."""
    with error_boundary("Compare"):
        resources = server_resources()
        sidebar = st.sidebar.container()  # first, since the rest of the page moves aside when it appears
        comparison = current_comparison()
        if comparison.chosen_spec is not None:
            spec, comparison.chosen_spec = comparison.chosen_spec, None
            comparison.address.write(comparison.query())
            navigation.switch_page("Explore", spec.to_query())
        draw_title("Compare")
        comparison.draw_link_problems()
        specs = comparison.specs()
        if specs:
            draw_caption(_description(comparison))
            draw_weights_notice(resources, specs[0].network)
            active = any(resources.is_active(spec) for spec in specs)
            st.fragment(_clips, run_every=_REFRESH if active else None)(resources, comparison, active)
        else:
            st.info(
                "Nothing is pinned yet: open a filter on the Explore page and press “Pin to compare” or “Other seeds”.",
                icon=":material/push_pin:",
            )
        draw_status_line(resources)
        with sidebar:
            _draw_sidebar(comparison)
        comparison.address.write(comparison.query())


def _description(comparison: Comparison) -> str:
    description = "Side by side, in step."
    if comparison.swept_field:
        values = f"{len(comparison.swept_values)} values of {_FIELD_TITLES[comparison.swept_field]}"
        description = f"{_target(comparison.pinned[0])} at {values}, all other settings equal."
    return f"{description} Press a picture to open it."


def _target(spec: RenderSpec) -> str:
    """The title of a spec without its network."""
    return spec.title.rpartition(" · ")[0]


def _draw_sidebar(comparison: Comparison) -> None:
    if not comparison.pinned:
        return
    session = st.session_state
    st.markdown("**One setting, several values**")
    session["k.sweep"] = comparison.swept_field or ""

    def start_sweep() -> None:
        comparison.start_sweep(session["k.sweep"])

    titles = {"": "No sweep: show the pinned specs", **_FIELD_TITLES}
    st.selectbox("Setting", list(titles), key="k.sweep", format_func=lambda name: titles[name], on_change=start_sweep)
    if comparison.swept_field:
        draw_caption(f"{FIELDS[comparison.swept_field].help} Swept for {comparison.pinned[0].title}.")
        session["k.values"] = ", ".join(f"{value:g}" for value in comparison.swept_values)

        def set_values() -> None:
            comparison.set_values(session["k.values"])

        st.text_input("Values", key="k.values", on_change=set_values, help="Numbers, separated by commas; at most six.")
        return
    st.markdown("**Pinned**")
    for index, spec in enumerate(comparison.pinned):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"{index + 1}. {plain(_target(spec))}, seed {spec.seed}", width="stretch")
            st.button("", key=f"k.unpin.{index}", icon=":material/close:", help="Remove", on_click=comparison.unpin,
                      args=(index,))  # fmt: skip
    st.button("Remove all", key="k.clear", on_click=comparison.clear)
    if len(comparison.pinned) == MAX_SPECS:
        st.caption(f"Full: {MAX_SPECS} fit beside each other.")


@error_boundary("Compare")
def _clips(resources: ServerResources, comparison: Comparison, was_active: bool) -> None:
    specs = comparison.specs()
    active = [spec for spec in specs if resources.is_active(spec)]
    if bool(active) != was_active or comparison.chosen_spec is not None:
        st.rerun()
    results = {spec: result for spec in specs if spec not in active and (result := resources.result(spec))}
    cells = [_cell(resources, comparison, index, spec, results.get(spec)) for index, spec in enumerate(specs)]

    def choose() -> None:
        chosen = st.session_state["k.wall"].chosen
        if chosen and chosen.isdecimal() and int(chosen) < len(specs):
            comparison.chosen_spec = specs[int(chosen)]

    if comparison.error:
        draw_error(comparison.error)
    wall(cells, key="k.wall", label="Compared volumes", side=_ROW_WIDTH // len(specs) - 10, scrub=True,
         on_chosen=choose)  # fmt: skip
    missing = [spec for spec in specs if spec not in results and spec not in active]
    if missing or active:
        _draw_render_buttons(resources, comparison, missing, active)
    _draw_measures(specs, results)
    if not comparison.swept_field:  # the cells of a sweep have their value as title
        _draw_differences(specs)
    draw_page_downloads(resources, specs, "compare")


def _cell(
    resources: ServerResources, comparison: Comparison, index: int, spec: RenderSpec, result: RenderResult | None
) -> Cell:
    name = str(index)
    title = f"{index + 1}. {_target(spec)}"
    if comparison.swept_field:
        value = getattr(spec, comparison.swept_field)
        title = f"{index + 1}. {_FIELD_TITLES[comparison.swept_field]} {value:g}"
    link = f"explore?{query_text(spec)}"
    if result:
        state = "dead" if result.metrics.get("dead") else "stored"
        pixels = clip_pixels(result.clip, result.key)
        return Cell(name, title, measure_caption(result.metrics), state, link, pixels)
    job = resources.job(spec)
    if job and not job.is_finished:
        snapshot = job.snapshot(comparison.watcher)
        caption = progress_text(snapshot, resources.queue.status().state)
        pixels = None
        if snapshot.preview is not None:
            pixels = clip_pixels(snapshot.preview, f"{job.key}.{snapshot.attempt}.{snapshot.step}")
        return Cell(name, title, caption, "running" if snapshot.state == "running" else "queued", link, pixels)
    if job and job.state == "failed":
        return Cell(name, title, str(job.error), "failed", link)
    return Cell(name, title, state="absent", link=link)


def _draw_render_buttons(
    resources: ServerResources, comparison: Comparison, missing: list[RenderSpec], active: list[RenderSpec]
) -> None:
    def start() -> None:
        comparison.error = resources.submit(missing)

    def stop() -> None:
        for spec in reversed(active):
            job = resources.job(spec)
            if job:
                job.cancel(comparison.watcher)

    with st.container(horizontal=True, gap="small"):
        if missing:
            blocked = any(weights_missing(spec.network) for spec in missing)
            st.button(f"Render what is missing ({len(missing)})", key="k.render", type="primary", disabled=blocked,
                      on_click=start)  # fmt: skip
        if active:
            st.button("Stop", key="k.stop", icon=":material/stop:", on_click=stop)


def _draw_measures(specs: list[RenderSpec], results: dict[RenderSpec, RenderResult]) -> None:
    if len(results) < 2:
        return
    heads = ["", *(str(index + 1) for index in range(len(specs)))]
    rows = [
        [title, *(measure_text(results[spec].metrics, name) if spec in results else "–" for spec in specs)]
        for name, title in COMPARED_MEASURES.items()
    ]
    draw_table(heads, rows, numeric=True)


def _draw_differences(specs: list[RenderSpec]) -> None:
    """List the fields in which each spec differs from the first."""
    lines = []
    for index, spec in enumerate(specs[1:], start=2):
        changed = differences(specs[0], spec)
        lines.append(f"- **{index}** differs from **1** in {plain(', '.join(changed)) if changed else 'nothing'}")
    if lines:
        st.markdown("\n".join(lines))
