"""Dream on this clip: a render that starts from the clip, beside it."""

import numpy as np
import streamlit as st
from PIL import Image

from c3dvis.errors import InvalidSpec
from c3dvis.networks.classes import target_title
from c3dvis.spec import FIELDS, RenderSpec
from c3dvis.spec.clip_digest import clip_digest
from c3dvis.spec.text import command, file_stem
from c3dvis.ui.components.wall import Cell, clip_pixels, wall
from c3dvis.ui.probe.looking import Looking
from c3dvis.ui.probe.page_state import ProbeState, picture_spec
from c3dvis.ui.shared import followed_renders, navigation
from c3dvis.ui.shared.control import bound
from c3dvis.ui.shared.downloads import draw_result_downloads
from c3dvis.ui.shared.navigation import live_part
from c3dvis.ui.shared.plain_text import draw_caption, draw_error, plain
from c3dvis.ui.shared.render_estimate import estimate_sentence
from c3dvis.ui.shared.render_progress import draw_progress
from c3dvis.ui.shared.server_resources import ServerResources

STEPS = 96
"""Of a dream: it starts from a clip, not from noise, and needs fewer than a render."""

_REFRESH = 0.5  # seconds


def draw_dream(resources: ServerResources, state: ProbeState, looking: Looking) -> None:
    """Draw the strength, the button, and the clip beside the dream."""
    st.markdown("## Dream on this clip")
    target = looking.target
    spec = picture_spec(state, target) if target else None
    if spec is None:
        st.caption("In a moment.")
        return
    start = _resized(looking.clip, spec.height, spec.width)
    try:
        spec = spec.replace(
            frames=len(start), iterations=STEPS, start_clip=clip_digest(start), start_strength=state.strength
        )
        state.info.check(spec)
    except InvalidSpec as error:
        draw_caption(error.message)
        return
    draw_caption(f"The clip, changed until {target_title(spec)} responds to it more.")

    def set_strength(strength: float) -> None:
        state.strength = strength

    field = FIELDS["start_strength"]
    st.slider(
        "Strength", float(field.minimum), float(field.maximum), state.strength, step=field.step, help=plain(field.help),
        **bound("p.strength", state.strength, set_strength),
    )  # fmt: skip
    busy = resources.is_active(spec)
    live_part(state, lambda: _draw(resources, state, spec, start, busy), _REFRESH if busy else None)


def _draw(resources: ServerResources, state: ProbeState, spec: RenderSpec, start: np.ndarray, was_busy: bool) -> None:
    busy = resources.is_active(spec)
    if busy != was_busy:  # a press in this part, or the end of the render, makes it refresh, or not
        st.rerun()
    result = None if busy else resources.result(spec)
    job = resources.job(spec)
    snapshot = job.snapshot(state.watcher) if job else None
    if busy:
        followed_renders.follow(job)
    cells = [Cell("clip", "The clip", pixels=clip_pixels(start, spec.start_clip))]
    if result:
        before, after = (float(result.metrics[name] or 0) for name in ("start_activation", "shown_activation"))
        caption = f"response {after:.3g} in place of {before:.3g}"
        link = navigation.link("", spec.to_query())
        cells.append(Cell("dream", "The dream", caption, "stored", link, clip_pixels(result.clip, result.key)))
    elif snapshot and snapshot.preview is not None:
        pixels = clip_pixels(snapshot.preview, f"preview.{snapshot.attempt}.{snapshot.step}")
        cells.append(Cell("dream", "The dream", f"step {snapshot.step}", "running", "", pixels))
    else:
        cells.append(Cell("dream", "The dream", "", "running" if busy else "absent"))
    wall(cells, key="p.dream wall", label="The clip and the dream", side=300, scrub=True)
    if result:
        draw_result_downloads(result)
        st.code(command(spec, f"{file_stem(spec, short=True)}.mp4"), language="bash", wrap_lines=True)
    elif snapshot and busy:

        def cancel() -> None:
            if job:
                resources.cancel(job, state.watcher)

        draw_progress(snapshot, resources.queue.status().state, cancel, watched_by_others=False)
    else:
        _draw_offer(resources, state, spec, start, followed_renders.failure(job))


def _draw_offer(
    resources: ServerResources, state: ProbeState, spec: RenderSpec, start: np.ndarray, error: str | None
) -> None:
    def dream() -> None:
        state.error = followed_renders.dream(resources, spec, start)

    if error:
        draw_error(error)
    st.button("Dream on this clip", key="p.dream", type="primary", icon=":material/bedtime:", on_click=dream)
    sentences = (
        "The frames of the window are then kept on this server beside the result; the file is not.",
        estimate_sentence(resources, spec),
    )
    draw_caption(" ".join(filter(None, sentences)))


def _resized(clip: np.ndarray, height: int, width: int) -> np.ndarray:
    """A clip (T, H, W, 3) uint8 at another height and width."""
    if clip.shape[1:3] == (height, width):
        return np.ascontiguousarray(clip)
    return np.stack(
        [np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BILINEAR)) for frame in clip]
    )
