"""Figures of results for a paper: chosen frames and slices, and a caption that says how they were made."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

import c3dvis
from c3dvis.errors import InvalidSpec
from c3dvis.media import figure, slices
from c3dvis.networks import registry
from c3dvis.networks.classes import class_name
from c3dvis.results.render_result import RenderResult
from c3dvis.spec import FIELDS, RenderSpec
from c3dvis.spec.defaults_and_presets import ENGINE_DEFAULTS
from c3dvis.spec.field_titles import SLIDER_TITLES, field_title
from c3dvis.spec.text import counted, size_text

_IN_WORDS = (
    "network", "layer", "filter", "objective", "position", "engine", "seed", "iterations", "frames", "height", "width",
)  # fmt: skip


@dataclass(frozen=True)
class FigureContent:
    """What a figure shows of each clip.

    Attributes:
        frames: indices of the frames, from 0; on the figure the first is frame 1, as in the player.
        row: y of the x–t slice; None for no such slice.
        column: x of the y–t slice; None for no such slice.
        scale: pixels of the figure for each pixel of a clip, in height and in width; 1 to 8.
    """

    frames: tuple[int, ...] = ()
    row: int | None = None
    column: int | None = None
    scale: int = 4

    @classmethod
    def usual(cls, size: tuple[int, int, int]) -> "FigureContent":
        """Of clips of a size (frames, height, width): four frames from the first to the last, and the middle slices."""
        frames, height, width = size
        numbers = np.linspace(0, frames - 1, min(4, frames)).round().astype(int)
        return cls(tuple(numbers.tolist()), height // 2, width // 2)

    def check(self, spec: RenderSpec) -> None:
        """Check that a clip has what the figure shows.

        Raises:
            InvalidSpec: it has not, or the figure is empty, or its scale is out of range.
        """
        expected = {
            "frames": (self.frames, spec.frames, 1),
            "slice at y": ((self.row,) if self.row is not None else (), spec.height, 0),
            "slice at x": ((self.column,) if self.column is not None else (), spec.width, 0),
        }
        if not any(values for values, _, _ in expected.values()):
            raise InvalidSpec("The figure is empty: expected at least one frame or one slice.")
        for name, (values, size, first) in expected.items():
            for value in values:
                if not 0 <= value < size:
                    raise InvalidSpec(
                        f"The figure's {name} must be from {first} to {size - 1 + first} in clips of "
                        f"{'×'.join(map(str, spec.size))} (frames×height×width); received {value + first}."
                    )
        if self.scale not in figure.SCALES:
            raise InvalidSpec(
                f"The figure's scale must be from {figure.SCALES[0]} to {figure.SCALES[-1]}; received {self.scale}."
            )


def draw_figure(results: Sequence[RenderResult], content: FigureContent, fmt: str) -> bytes:
    """A figure of one or more results: a row for each, or a grid if it shows one picture of each.

    Args:
        results: one or more.
        content: what to show of each clip.
        fmt: `png`, or `pdf` with vector text.

    Raises:
        InvalidSpec: a clip does not have what the figure shows.
        ValueError: another format, or no result.
    """
    facts = [_facts(result) for result in results]
    common = {name: text for name, text in facts[0].items() if all(one.get(name) == text for one in facts)}
    names = [_sentence([text for name, text in one.items() if name not in common]) for one in facts]
    rows = []
    for result, name in zip(results, names, strict=True):
        content.check(result.spec)
        rows.append(figure.PanelRow(clip_panels(result.clip, content), name))
    if len(results) > 1 and len(rows[0].panels) == 1:
        common["picture"] = f"of each clip {rows[0].panels[0].title}"
        rows = [figure.PanelRow([replace(row.panels[0], title=row.heading) for row in rows])]
    made = _sentence([text for name, text in common.items() if name not in SLIDER_TITLES])
    weights = ", ".join(text for name, text in common.items() if name in SLIDER_TITLES)
    sentences = (made, f"Weights: {weights}" if weights else "", f"Made with c3dvis {c3dvis.__version__}")
    caption = f"{'. '.join(filter(None, sentences))}."
    about = {"Title": results[0].spec.title if len(results) == 1 else f"{len(results)} results of c3dvis"}
    recipes = json.dumps([result.spec.to_dict() for result in results])
    about["Subject" if fmt == "pdf" else "Comment"] = recipes
    return figure.draw_figure(rows, caption, fmt, content.scale, about)


def clip_panels(clip: np.ndarray, content: FigureContent) -> list[figure.Panel]:
    """The panels of a clip (T, H, W, 3) uint8: its frames, then its slices."""
    frames, height, width = clip.shape[:3]
    panels = [figure.Panel(clip[number], f"frame {number + 1}") for number in content.frames]
    row_height = max(1, round(min(height, width) / 2 / frames))  # a slice is about half as high as a frame
    if content.row is not None:
        row = slices.xt(clip, content.row)
        panels.append(figure.Panel(row, f"y = {content.row}", "x", "frame", 1, row_height))
    if content.column is not None:
        column = slices.yt(clip, content.column)
        panels.append(figure.Panel(column, f"x = {content.column}", "y", "frame", 1, row_height))
    return panels


def _facts(result: RenderResult) -> dict[str, str]:
    """What the caption says of a result, by a name; results that differ are told apart by these texts."""
    spec = result.spec
    values, defaults = spec.to_dict(), ENGINE_DEFAULTS[spec.engine]
    name = class_name(spec)
    took = result.history[-1]["step"] if result.history else 0
    steps = counted(spec.iterations, "step")
    facts = {
        "network": f"{registry.title(spec.network)} ({spec.network}, {result.fingerprint[:12]})",
        "layer": f"layer {spec.layer}",
        "target": f"{spec.target} ({name})" if name else spec.target,
        "engine": f"engine {spec.engine}",
        "seed": f"seed {spec.seed}",
        "steps": f"{steps}, stopped after {took}" if 0 < took < spec.iterations else steps,
        "size": f"{size_text(spec.size)} pixels",
    }
    weights = {name: title for name, title in SLIDER_TITLES.items() if defaults[name] or values[name]}
    facts |= {name: f"{title} {values[name]:g}" for name, title in weights.items()}
    usual = RenderSpec(engine=spec.engine).to_dict()
    others = [name for name in FIELDS if name not in facts and name not in _IN_WORDS]
    facts |= {name: f"{field_title(name)} {values[name]}" for name in others if values[name] != usual[name]}
    return {name: text for name, text in facts.items() if text}


def _sentence(parts: Sequence[str]) -> str:
    """The parts as one sentence without a full stop."""
    text = ", ".join(parts)
    return text[:1].upper() + text[1:]
