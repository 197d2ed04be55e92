"""The HTML pages of an atlas, rendered from `templates/`: valid HTML5, without need of JavaScript or other hosts."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from c3dvis import __version__
from c3dvis.atlas.plan import AtlasPlan
from c3dvis.networks import registry
from c3dvis.results import RenderResult
from c3dvis.results.file_formats import FORMATS
from c3dvis.results.interpretation import Metrics, activation_curve, dead_filter, interpret, number, unfinished
from c3dvis.spec import RenderSpec
from c3dvis.spec.text import command, file_stem

TABLE_COLUMNS = 4
"""Filters of each layer on the first page, as in the original project's table."""


class FrameSheet(NamedTuple):
    """The image that the player plays: file name, frames in a row of it, frames per second."""

    name: str
    columns: int
    fps: float


class _Curve(NamedTuple):
    """The shown activation over the steps: points of an SVG polyline, the last step, the largest value."""

    points: str
    steps: int
    top: float


def folder_of(layer: str) -> str:
    """The folder of a layer: a layer's name may have slashes, which become dots, so that it is one folder."""
    return layer.replace("/", ".")


def index_page(plan: AtlasPlan, metrics: Mapping[RenderSpec, Metrics], failed: Mapping[RenderSpec, str]) -> str:
    """The first page: each layer × its first filters, the architecture, what did not succeed.

    Args:
        metrics: of the results of the filters that have a page.
        failed: why a filter has no result, by spec.
    """
    base = plan.base
    return _render(
        "index.html",
        info=plan.info,
        base=base,
        layers=plan.layers,
        total=len(plan.specs),
        columns=max(min(TABLE_COLUMNS, len(specs)) for specs in plan.layers.values()),
        table_columns=TABLE_COLUMNS,
        rows=plan.info.table(*base.size),
        metrics=metrics,
        failed=failed,
    )


def layer_page(
    plan: AtlasPlan, layer: str, metrics: Mapping[RenderSpec, Metrics], failed: Mapping[RenderSpec, str]
) -> str:
    """A layer's filters as a grid; arguments as for `index_page`."""
    previous, following = _neighbours(list(plan.layers), layer)
    return _render(
        "layer.html",
        info=plan.info,
        layer=layer,
        specs=plan.layers[layer],
        shape=plan.info.output_shape(layer, *plan.layers[layer][0].size),
        previous=previous and (f"../{folder_of(previous)}/index.html", previous),
        next=following and (f"../{folder_of(following)}/index.html", following),
        metrics=metrics,
        failed={spec: reason for spec, reason in failed.items() if spec.layer == layer},
    )


def filter_page(
    result: RenderResult, digest: str, siblings: Sequence[RenderSpec], files: Mapping[str, str], sheet: FrameSheet
) -> str:
    """One filter: player, measures, activation over the steps, downloads, recipe.

    Args:
        digest: of what the page's files are made from.
        siblings: the layer's filters in the atlas, in order.
        files: name of the file of each format of `FORMATS`; the GIF is always among them.
        sheet: what the player plays.
    """
    spec, info = result.spec, registry.describe(result.spec.network)
    filters = info.output_shape(spec.layer, *spec.size)[3]
    previous, following = _neighbours(siblings, spec)
    origin = (f"{name} {result.provenance.get(name)}" for name in ("device", "created", "c3dvis", "tensorflow"))
    return _render(
        "filter.html",
        info=info,
        spec=spec,
        result=result,
        digest=digest,
        previous=previous and (f"{previous.filter_text}.html", f"Filter {previous.filter_text}"),
        next=following and (f"{following.filter_text}.html", f"Filter {following.filter_text}"),
        files=files,
        formats=FORMATS,
        sheet=sheet,
        dead=dead_filter(),
        unfinished=unfinished(spec, result.metrics),
        measures=interpret(result.spec, result.metrics, filters),
        curve=_curve(result),
        command=command(spec, f"{file_stem(spec, short=True)}.gif"),
        origin=", ".join(text for text in origin if not text.endswith(" None")),
    )


def absent_page(spec: RenderSpec, reason: str | None) -> str:
    """The page of a planned filter that has no picture, so that every link to it opens a page.

    Args:
        reason: why its render failed; None if it was not rendered.
    """
    return _render("absent.html", info=registry.describe(spec.network), spec=spec, reason=reason)


def _neighbours(ordered: Sequence[Any], one: Any) -> tuple[Any, Any]:
    """The items before and after one item of a sequence; None where there is none."""
    at = ordered.index(one)
    return ordered[at - 1] if at else None, ordered[at + 1] if at + 1 < len(ordered) else None


def _curve(result: RenderResult) -> _Curve | None:
    """None unless the shown activation was measured at two steps."""
    points = activation_curve(result.history)
    if len(points) < 2:
        return None
    last, top = max(step for step, _ in points) or 1, max(value for _, value in points) or 1.0
    drawn = " ".join(f"{300 * step / last:.1f},{80 - 76 * max(0.0, value) / top:.1f}" for step, value in points)
    return _Curve(drawn, last, top)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(folder=folder_of, measure=number)
    environment.globals["version"] = __version__
    return environment


def _render(template: str, **context: Any) -> str:
    return _environment().get_template(template).render(context)
