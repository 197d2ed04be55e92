"""The Compare page: two to six clips side by side, of pinned specs or of one spec with several values of one field."""

import streamlit as st

from c3dvis.networks import registry
from c3dvis.networks.classes import class_distinctions, full_title, target_title
from c3dvis.results import RenderResult
from c3dvis.results.interpretation import TITLES
from c3dvis.spec import FIELDS, RenderSpec
from c3dvis.spec.field_titles import field_title
from c3dvis.spec.text import differences, query_text
from c3dvis.ui.compare.page_state import Comparison
from c3dvis.ui.components.share_link import share_link
from c3dvis.ui.components.wall import Cell, clip_pixels, wall
from c3dvis.ui.shared import followed_renders, navigation, pins
from c3dvis.ui.shared.control import bound
from c3dvis.ui.shared.downloads import draw_page_downloads
from c3dvis.ui.shared.error_boundary import error_boundary
from c3dvis.ui.shared.icon_button import icon_button
from c3dvis.ui.shared.measures import measure_caption, measure_text
from c3dvis.ui.shared.navigation import current_state, live_part, write_address
from c3dvis.ui.shared.page_links import PageLink, draw_page_links
from c3dvis.ui.shared.page_title import draw_title
from c3dvis.ui.shared.plain_text import draw_caption, draw_error, plain
from c3dvis.ui.shared.render_progress import progress_text
from c3dvis.ui.shared.server_resources import ServerResources, server_resources
from c3dvis.ui.shared.status_line import draw_status_line
from c3dvis.ui.shared.sweep import SWEEP_VALUES, Sweep
from c3dvis.ui.shared.table import draw_table
from c3dvis.ui.shared.weights_notice import cannot_render, draw_proof_notice, draw_weights_notice

_FIELD_TITLES = {name: (title := field_title(name))[0].upper() + title[1:] for name in SWEEP_VALUES}
_ROW_WIDTH = 760  # CSS pixels that a small laptop has for all cells
_REFRESH = 0.6  # seconds between two refreshes while renders are queued or running


def page() -> None:
    """Draw the page."""
    with error_boundary("Compare"):
        resources = server_resources()
        sidebar = st.sidebar.container()  # first, since the rest of the page moves aside when it appears
        comparison = current_state("comparison", Comparison)
        write_address(comparison)
        draw_title("Compare")
        comparison.draw_link_problems()
        specs = comparison.specs()
        if specs:
            draw_caption(_description(comparison))
            draw_weights_notice(resources, specs[0].network)
            for network in dict.fromkeys(spec.network for spec in specs):
                draw_proof_notice(network)
            active = any(resources.is_active(spec) for spec in specs)
            live_part(comparison, lambda: _draw_clips(resources, comparison, active), _REFRESH if active else None)
        else:
            _draw_introduction(resources)
        draw_status_line(resources)
        with sidebar:
            _draw_sidebar(comparison)


def _description(comparison: Comparison) -> str:
    description = "The pinned, side by side and in step."
    if sweep := comparison.sweep:
        values = f"{len(sweep.values)} values of {_FIELD_TITLES[sweep.name]}"
        description = f"{target_title(sweep.spec)} at {values}, all other settings equal."
    else:
        shared = {(spec.network, spec.layer) for spec in comparison.specs()}
        if len(shared) == 1:
            ((network, layer),) = shared
            description += f" All: {layer} in {registry.title(network)}."
    return f"{description} Press a picture to open it."


def _draw_introduction(resources: ServerResources) -> None:
    """Say what the page is for, and offer comparisons whose clips are stored."""
    st.markdown(
        "Here up to six clips play side by side, in step: **different filters**, to see what sets them apart; "
        "**one filter with several seeds**, to see what it looks for and what is chance; or **one setting with several "
        "values**, to see what the setting does."
    )
    st.markdown(
        "Open a filter on the Explore page and press “Pin to compare” or “Other seeds”, or begin with one of these:"
    )
    usual = RenderSpec()
    keys = {spec: key for number in range(16) if (key := resources.key(spec := usual.replace(filter=number)))}
    present = resources.store.present(list(keys.values()))
    stored = [spec for spec, key in keys.items() if key in present][: pins.MAX_PINS]
    links = [PageLink(f"Five seeds of filter {usual.filter}", "compare", Sweep.usual(usual, "seed").query())]
    if len(stored) > 1:
        label = f"{len(stored)} filters of {usual.layer}"
        links.insert(0, PageLink(label, "compare", {"pin": [query_text(spec) for spec in stored]}))
    draw_page_links(links)


def _draw_sidebar(comparison: Comparison) -> None:
    pinned, sweep = pins.pinned(), comparison.sweep
    if pinned or sweep:
        _draw_sweep(comparison)
    st.markdown(f"**Pinned: {len(pinned)} of {pins.MAX_PINS}**")
    for index, (spec, title) in enumerate(zip(pinned, class_distinctions(pinned), strict=True)):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"{index + 1}. {plain(title)}", width="stretch")
            key = f"k.unpin.{query_text(spec)}"  # a second press that was meant for this spec removes no other
            icon_button(f"Remove {index + 1}", "close", key=key, on_click=comparison.unpin, args=([spec],))
    with st.container(horizontal=True, gap="small"):
        if pinned:
            st.button("Remove all", key="k.clear", on_click=comparison.unpin, args=(list(pinned),))
        if comparison.removed:
            st.button("Put back", key="k.put back", icon=":material/undo:", on_click=comparison.put_back)


def _draw_sweep(comparison: Comparison) -> None:
    sweep = comparison.sweep
    st.markdown("**One setting, several values**")
    swept = sweep.name if sweep else ""
    titles = {"": "No sweep: show the pinned", **_FIELD_TITLES}
    names = list(titles)
    st.selectbox(
        "Setting", names, names.index(swept), format_func=lambda name: titles[name],
        **bound("k.sweep", swept, comparison.start_sweep, names),
    )  # fmt: skip
    if not sweep:
        return
    draw_caption(f"{FIELDS[sweep.name].help} Swept for {full_title(sweep.spec)}.")
    text = sweep.values_text(", ") if comparison.typed_values is None else comparison.typed_values
    values_help = f"Numbers, separated by commas; at most {pins.MAX_PINS}."
    st.text_input("Values", text, help=values_help, **bound("k.values", text, comparison.set_values))


@error_boundary("Compare")
def _draw_clips(resources: ServerResources, comparison: Comparison, was_active: bool) -> None:
    specs = comparison.specs()
    active = [spec for spec in specs if resources.is_active(spec)]
    if bool(active) != was_active:
        st.rerun()  # the whole page: it starts or stops to refresh
    results = {spec: result for spec in specs if spec not in active and (result := resources.result(spec))}
    heads = [f"{index}. {title}" for index, title in enumerate(class_distinctions(specs), start=1)]
    cells = [
        _cell(resources, comparison, str(index), head, spec, results.get(spec))
        for index, (head, spec) in enumerate(zip(heads, specs, strict=True))
    ]
    if comparison.error:
        draw_error(comparison.error)
    wall(cells, key="k.wall", label="Compared volumes", side=_ROW_WIDTH // len(specs) - 10, scrub=True)
    missing = [spec for spec in specs if spec not in results and spec not in active]
    if missing or active:
        _draw_render_buttons(resources, comparison, missing, active)
    _draw_measures(heads, specs, results)
    if not comparison.sweep:  # a sweep differs in one field alone
        _draw_differences(specs)
    draw_page_downloads(resources, specs, "compare")
    share_link({**comparison.query(), **pins.query()}, key="k.share")


def _cell(
    resources: ServerResources, comparison: Comparison, name: str, title: str, spec: RenderSpec,
    result: RenderResult | None,
) -> Cell:  # fmt: skip
    link = navigation.link("", spec.to_query())
    if result:
        state = "dead" if result.metrics.get("dead") else "stored"
        pixels = clip_pixels(result.clip, result.key)
        return Cell(name, title, measure_caption(spec, result.metrics), state, link, pixels)
    job = resources.job(spec)
    if job and not job.is_finished:
        followed_renders.follow(job)
        snapshot = job.snapshot(comparison.watcher)
        caption = progress_text(snapshot, resources.queue.status().state)
        pixels = None
        if snapshot.preview is not None:
            pixels = clip_pixels(snapshot.preview, f"{job.key}.{snapshot.attempt}.{snapshot.step}")
        return Cell(name, title, caption, "running" if snapshot.state == "running" else "queued", link, pixels)
    if why := followed_renders.failure(job):
        return Cell(name, title, why, "failed", link)
    return Cell(name, title, state="absent", link=link)


def _draw_render_buttons(
    resources: ServerResources, comparison: Comparison, missing: list[RenderSpec], active: list[RenderSpec]
) -> None:
    def start() -> None:
        comparison.error = followed_renders.submit(resources, missing)

    def stop() -> None:
        for spec in reversed(active):
            job = resources.job(spec)
            if job:
                resources.cancel(job, comparison.watcher)

    with st.container(horizontal=True, gap="small"):
        if missing:
            blocked = any(cannot_render(spec.network) for spec in missing)
            st.button(f"Render what is missing ({len(missing)})", key="k.render", type="primary", disabled=blocked,
                      on_click=start)  # fmt: skip
        if any(job and resources.may_cancel(job) for job in map(resources.job, active)):
            st.button("Stop", key="k.stop", icon=":material/stop:", on_click=stop)


def _draw_measures(heads: list[str], specs: list[RenderSpec], results: dict[RenderSpec, RenderResult]) -> None:
    if len(results) < 2:
        return
    rows = [
        [title, *(measure_text(results[spec].metrics, name) if spec in results else "–" for spec in specs)]
        for name, title in TITLES.items()
    ]
    draw_table(["Measure", *heads], rows, numeric=True)


def _draw_differences(specs: list[RenderSpec]) -> None:
    """List the fields in which each spec differs from the first."""
    lines = []
    for index, spec in enumerate(specs[1:], start=2):
        changed = differences(specs[0], spec)
        lines.append(f"- **{index}** differs from **1** in {plain(', '.join(changed)) if changed else 'nothing'}")
    if lines:
        st.markdown("\n".join(lines))
