"""A result as HTML for a notebook."""

import base64
from html import escape
from typing import TYPE_CHECKING

from c3dvis import media
from c3dvis.results.interpretation import TITLES, dead_filter, number

if TYPE_CHECKING:
    from c3dvis.results.render_result import RenderResult

_FPS = 10
_WIDTH = 336  # pixels, of the GIF on the page
_MEASURES = ("shown_activation", "twin_gain", "robustness", "motion")


def to_html(result: "RenderResult") -> str:
    """The player with title and measures, about 0.3 MB; where scripts do not run the GIF moves, and stays.

    It contains its pictures and its script: it reads nothing from elsewhere.
    """
    spec, title = result.spec, escape(result.spec.title)
    sheet, grid = media.encode_frames(result.clip)
    gif = base64.b64encode(media.encode(result.clip, "gif", fps=_FPS)).decode()
    known = [(name, result.metrics.get(name)) for name in _MEASURES]
    said = " · ".join(f"{TITLES[name]} <b>{number(value)}</b>" for name, value in known if value is not None)
    if result.metrics.get("dead"):
        said = escape(dead_filter())
    return (
        f'<div style="font-family:system-ui,sans-serif"><div style="margin-bottom:6px">{title}</div>'
        f'<div class="player" data-frames="{spec.frames}" data-height="{spec.height}" data-width="{spec.width}" '
        f'data-columns="{grid.columns}" data-fps="{_FPS}" data-label="{title}" '
        f'data-sheet="data:image/webp;base64,{base64.b64encode(sheet).decode()}">'
        f'<img src="data:image/gif;base64,{gif}" alt="{title}" style="width:{_WIDTH}px;max-width:100%"></div>'
        f'<div style="margin-top:6px">{said}</div></div><script>{media.PLAYER.read_text("utf-8")}</script>'
    )
