"""The Compare page: two to six specs side by side, in step, or one setting in five values; all in the address."""

import streamlit as st

from c3dvis.errors import C3dvisError
from c3dvis.results import RenderResult
from c3dvis.spec import FIELDS, RenderSpec
from c3dvis.spec.text import differences, query_text
from c3dvis.spec.titles import within_a_sentence
from c3dvis.ui.compare.page_state import MOST, SWEEPS, CompareView, current
from c3dvis.ui.components.wall import Cell, wall, whole
from c3dvis.ui.shared import downloads, measures, navigation, weights_notice
from c3dvis.ui.shared.error_boundary import guarded
from c3dvis.ui.shared.render_progress import headline
from c3dvis.ui.shared.services import Services, services
from c3dvis.ui.status import page as status

_SETTINGS = {name: (title := within_a_sentence(name))[0].upper() + title[1:] for name in SWEEPS}
_ROW = 760  # CSS pixels that are there for all beside each other, on a small laptop
_POLL = 0.6  # seconds between two looks at renders under way


def page() -> None:
    """Draw the page; a failure of ours is shown as its one sentence."""
    with guarded("Compare"):
        shared = services()
        seen = current()
        if seen.chosen is not None:
            spec, seen.chosen = seen.chosen, None
            seen.place.write(seen.query())
            navigation.go("Explore", spec.to_query())
        st.markdown("### Compare")
        for sentence in seen.problems:
            st.warning(sentence, icon=":material/link_off:")
        specs = seen.specs()
        if specs:
            st.caption(_about(seen))
            weights_notice.draw(shared, specs[0].network)
            active = any(shared.is_active(spec) for spec in specs)
            st.fragment(_wall, run_every=_POLL if active else None)(shared, seen, active)
        else:
            st.info(
                "Nothing is pinned yet: open a filter on the Explore page and press “Pin to compare” or “Other seeds”.",
                icon=":material/push_pin:",
            )
        status.line(shared)
        with st.sidebar:
            _draw_sidebar(seen)
        seen.place.write(seen.query())


def _about(seen: CompareView) -> str:
    what = "Side by side, in step."
    if seen.sweep:
        what = f"{_name(seen.pinned[0])} at {len(seen.values)} values of {_SETTINGS[seen.sweep]}, all else alike."
    return f"{what} A press on a picture opens it."


def _name(spec: RenderSpec) -> str:
    """What it shows, without its network."""
    return spec.title.rpartition(" · ")[0]


def _draw_sidebar(seen: CompareView) -> None:
    state = st.session_state
    if not seen.pinned:
        return
    st.markdown("**One setting, five values**")
    state["k.sweep"] = seen.sweep or ""

    def sweep() -> None:
        seen.start_sweep(state["k.sweep"])

    titles = {"": "No sweep: what is pinned", **_SETTINGS}
    st.selectbox("Setting", list(titles), key="k.sweep", format_func=lambda name: titles[name], on_change=sweep)
    if seen.sweep:
        st.caption(f"{FIELDS[seen.sweep].help} Of: {seen.pinned[0].title}.")
        state["k.values"] = ", ".join(f"{value:g}" for value in seen.values)

        def set_values() -> None:
            seen.set_values(state["k.values"])

        st.text_input("Values", key="k.values", on_change=set_values, help="Numbers, separated by commas; at most six.")
        return
    st.markdown("**Pinned**")
    for index, spec in enumerate(seen.pinned):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"{index + 1}. {_name(spec)}, seed {spec.seed}", width="stretch")
            st.button("", key=f"k.drop.{index}", icon=":material/close:", help="Take it away", on_click=seen.drop,
                      args=(index,))  # fmt: skip
    st.button("Take all away", key="k.clear", on_click=seen.clear)
    if len(seen.pinned) == MOST:
        st.caption(f"Full: {MOST} fit beside each other.")


@guarded("Compare")
def _wall(shared: Services, seen: CompareView, was_active: bool) -> None:
    specs = seen.specs()
    active = [spec for spec in specs if shared.is_active(spec)]
    if bool(active) != was_active or seen.chosen is not None:
        st.rerun()
    results = {spec: result for spec in specs if spec not in active and (result := shared.result(spec))}
    cells = [_cell(shared, seen, index, spec, results.get(spec)) for index, spec in enumerate(specs)]

    def choose() -> None:
        chosen = st.session_state["k.wall"].chosen
        if chosen and chosen.isdecimal() and int(chosen) < len(specs):
            seen.chosen = specs[int(chosen)]

    if seen.failed:
        st.error(seen.failed, icon=":material/error:")
    wall(cells, key="k.wall", label="Compared volumes", side=_ROW // len(specs) - 10, scrub=True, on_chosen=choose)
    missing = [spec for spec in specs if spec not in results and spec not in active]
    if missing or active:
        _draw_work(shared, seen, missing, active)
    _draw_measures(specs, results)
    if not seen.sweep:  # else each says itself what sets it apart
        _draw_differences(specs)
    downloads.draw(shared, specs, "compare")


def _cell(shared: Services, seen: CompareView, index: int, spec: RenderSpec, result: RenderResult | None) -> Cell:
    title = f"{index + 1}. {_name(spec)}"
    if seen.sweep:
        title = f"{index + 1}. {_SETTINGS[seen.sweep]} {getattr(spec, seen.sweep):g}"
    link = f"explore?{query_text(spec)}"
    if result:
        state = "dead" if result.metrics.get("dead") else "stored"
        return Cell(
            str(index), title, measures.note(result.metrics, "gain"), state, link, whole(result.clip, result.key)
        )
    job = shared.job(spec)
    if job and not job.is_finished:
        snapshot = job.snapshot(seen.visitor)
        words = headline(snapshot, shared.queue.status().state)
        picture = None
        if snapshot.preview is not None:
            picture = whole(snapshot.preview, f"{job.key}.{snapshot.attempt}.{snapshot.step}")
        return Cell(str(index), title, words, "running" if snapshot.state == "running" else "queued", link, picture)
    if job and job.state == "failed":
        return Cell(str(index), title, str(job.error), "failed", link)
    return Cell(str(index), title, state="absent", link=link)


def _draw_work(shared: Services, seen: CompareView, missing: list[RenderSpec], active: list[RenderSpec]) -> None:
    def start() -> None:
        seen.failed = None
        try:
            for spec in missing:
                shared.queue.submit(spec)
        except C3dvisError as error:
            seen.failed = str(error)

    def stop() -> None:
        for spec in reversed(active):
            job = shared.job(spec)
            if job:
                job.cancel(seen.visitor)

    with st.container(horizontal=True, gap="small"):
        if missing:
            blocked = any(weights_notice.missing(spec.network) for spec in missing)
            st.button(f"Render what is missing ({len(missing)})", key="k.render", type="primary", disabled=blocked,
                      on_click=start)  # fmt: skip
        if active:
            st.button("Stop", key="k.stop", icon=":material/stop:", on_click=stop)


def _draw_measures(specs: list[RenderSpec], results: dict[RenderSpec, RenderResult]) -> None:
    if len(results) < 2:
        return
    heads = ["", *(str(index + 1) for index in range(len(specs)))]
    rows = [
        [title, *(measures.short(results[spec].metrics, name) if spec in results else "–" for spec in specs)]
        for name, title in measures.TITLES.items()
    ]
    lines = [heads, ["---"] + ["---:"] * len(specs), *rows]
    st.markdown("\n".join("| " + " | ".join(line) + " |" for line in lines))


def _draw_differences(specs: list[RenderSpec]) -> None:
    """What sets each apart from the first."""
    lines = []
    for index, spec in enumerate(specs[1:], start=2):
        changed = differences(specs[0], spec)
        lines.append(f"- **{index}** differs from **1** in {', '.join(changed) if changed else 'nothing'}")
    if lines:
        st.markdown("\n".join(lines))
