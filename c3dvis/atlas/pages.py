"""The HTML of an atlas: text in, text out. Valid HTML5 that reads without JavaScript and asks no other host."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from c3dvis import __version__
from c3dvis.atlas.plan import AtlasPlan
from c3dvis.networks import registry
from c3dvis.results import RenderResult
from c3dvis.results.interpretation import Metrics, number, readings
from c3dvis.spec import RenderSpec
from c3dvis.spec.text import command, file_stem

TABLE_COLUMNS = 4
"""Filters of each layer on the first page, as in the original project's table."""

_SHORT = {"gif": "GIF", "mp4": "MP4", "webp": "WebP", "apng": "APNG", "png": "PNG sheet", "npy": "NPY", "h5": "HDF5"}


class Shown(NamedTuple):
    """A filter that has a page: the stem of its files, whether it is dead, its measures."""

    stem: str
    dead: bool
    metrics: Metrics


class Picture(NamedTuple):
    """What the player plays: a sheet of frames in so many columns, at so many frames a second."""

    name: str
    columns: int
    fps: float


def folder_of(layer: str) -> str:
    """The folder of a layer: a layer's name is a path, and dots keep it one folder."""
    return layer.replace("/", ".")


def index_page(plan: AtlasPlan, shown: Mapping[RenderSpec, Shown], failed: Mapping[RenderSpec, str]) -> str:
    """The first page: each layer × four filters, the architecture, what did not succeed."""
    info, base = plan.info, plan.base
    size = f"{base.frames} frames of {base.width} × {base.height}"
    total = len(plan.specs)
    columns = max(min(TABLE_COLUMNS, len(specs)) for specs in plan.layers.values())
    rows = []
    for layer, specs in plan.layers.items():
        cells = "".join(_cell(spec, shown, failed, f"{folder_of(layer)}/") for spec in specs[:columns])
        cells += "<td></td>" * (columns - len(specs[:columns]))
        link = f'<a href="{escape(folder_of(layer))}/index.html">{escape(layer)}</a>'
        rows.append(f'<tr><th scope="row">{link}{_count(specs)}</th>{cells}</tr>')
    architecture = []
    for row in info.table(base.frames, base.height, base.width):
        name = escape(row.name)
        if row.name in plan.layers:
            name = f'<a href="{escape(folder_of(row.name))}/index.html">{name}</a>'
        shape = " × ".join(map(str, row.output_shape)) if min(row.output_shape) > 0 else "clip too small"
        kind = escape(row.kind.replace("_", " "))
        cells = f'<td>{kind}</td><td>{shape}</td><td class="number">{row.parameters:,}</td>'
        architecture.append(f'<tr><th scope="row">{name}</th>{cells}</tr>')
    parameters = sum(row.parameters for row in info.table(base.frames, base.height, base.width))
    body = f"""
<h1>What the filters of {escape(info.title)} look for</h1>
<p>Each picture is a moving volume, {size}, that makes one filter of the network respond as strongly as could be
found. {len(shown)} of {total} filters are here.</p>
<div class="wide"><table class="volumes">
<caption>{"Layers" if len(plan.layers) > 1 else "Layer"} and their first filters; a press opens one</caption>
<tbody>
{chr(10).join(rows)}
</tbody></table></div>
{_failures(failed)}
<h2>The network</h2>
<p>{parameters:,} parameters. Licence of the weights: {escape(info.licence)}.</p>
<div class="wide"><table class="plain">
<thead><tr><th scope="col">Layer</th><th scope="col">Kind</th><th scope="col">Output</th>
<th scope="col" class="number">Parameters</th></tr></thead>
<tbody>
{chr(10).join(architecture)}
</tbody></table></div>"""
    return _page(f"Atlas of {info.title}", body, root="")


def layer_page(plan: AtlasPlan, layer: str, shown: Mapping[RenderSpec, Shown], failed: Mapping[RenderSpec, str]) -> str:
    """A layer's filters as a grid."""
    base, specs = plan.base, plan.layers[layer]
    shape = plan.info.output_shape(layer, base.frames, base.height, base.width)
    names = list(plan.layers)
    at = names.index(layer)
    around = _around(
        f"../{folder_of(names[at - 1])}/index.html" if at else None,
        f"../{folder_of(names[at + 1])}/index.html" if at + 1 < len(names) else None,
        names[at - 1],
        names[(at + 1) % len(names)],
    )
    here = sum(spec in shown for spec in specs)
    items = "\n".join(_item(spec, shown, failed) for spec in specs)
    body = f"""
<nav aria-label="Place"><a href="../index.html">{escape(plan.info.title)}</a></nav>
<h1>{escape(layer)}</h1>
<p>Output {" × ".join(map(str, shape[:3]))}, {shape[3]} filters; {here} of {len(specs)} here.</p>
{around}
<ul class="grid">
{items}
</ul>
{_failures({spec: why for spec, why in failed.items() if spec.layer == layer})}"""
    return _page(f"{layer} of {plan.info.title}", body, root="../")


def filter_page(
    result: RenderResult, digest: str, siblings: Sequence[RenderSpec], files: Mapping[str, str], picture: Picture
) -> str:
    """One filter: player, measures, curve, downloads, recipe.

    Args:
        digest: of what the page's files are made from.
        siblings: the layer's filters in the atlas, in order.
        files: name of the file of each format.
    """
    spec, info = result.spec, registry.describe(result.spec.network)
    filters = info.output_shape(spec.layer, spec.frames, spec.height, spec.width)[3]
    at = siblings.index(spec)
    neighbours = [siblings[at - 1] if at else None, siblings[at + 1] if at + 1 < len(siblings) else None]
    links = [f"{n.filter_text}.html" if n else None for n in neighbours]
    around = _around(links[0], links[1], *(f"Filter {n.filter_text}" if n else "" for n in neighbours))
    dead = '<p class="note">This filter is dead: nothing that was tried brings its response above zero.</p>'
    said = "".join(
        f"<dt>{escape(r.title)} <b>{escape(r.value)}</b></dt><dd>{escape(r.sentence)}</dd>"
        for r in readings(result.metrics, filters)
    )
    downloads = "".join(f'<li><a href="{name}" download>{_SHORT[fmt]}</a></li>' for fmt, name in files.items())
    made = result.provenance
    facts = ", ".join(
        escape(f"{name} {made[name]}") for name in ("device", "created", "c3dvis", "tensorflow") if name in made
    )
    label = escape(f"{spec.layer}, filter {spec.filter_text}")
    gif = _image(
        files["gif"], spec, f"Moving volume: what {spec.layer} filter {spec.filter_text} looks for", lazy=False
    )
    body = f"""
<nav aria-label="Place"><a href="../index.html">{escape(info.title)}</a> ›
<a href="index.html">{escape(spec.layer)}</a></nav>
<h1>{escape(spec.layer)} · filter {escape(spec.filter_text)}</h1>
{around}
<div class="filter">
<div class="player" data-frames="{spec.frames}" data-height="{spec.height}" data-width="{spec.width}"
 data-columns="{picture.columns}" data-fps="{picture.fps:g}"
 data-sheet="{picture.name}" data-label="{label}">{gif}</div>
<div>
{dead if result.metrics.get("dead") else ""}
<dl>{said}</dl>
{_curve(result)}
</div>
</div>
<h2>Take it along</h2>
<ul class="row">{downloads}<li><a href="{escape(spec.filter_text)}.json" download>Recipe</a></li></ul>
<p>The command that makes it again:</p>
<pre><code>{escape(command(spec, f"{file_stem(spec, short=True)}.gif"))}</code></pre>
<details><summary>Recipe and origin</summary>
<pre><code>{escape(spec.to_json())}</code></pre>
<p>Made with {facts}.</p>
<p>Result {result.key[:16]}…, files {digest}.</p></details>
<script src="../player.js"></script>"""
    return _page(f"{spec.layer} filter {spec.filter_text} · {info.title}", body, root="../")


def absent_page(spec: RenderSpec, why: str | None) -> str:
    """The address of a filter that is planned and has no picture, so that links to it lead somewhere."""
    title = registry.describe(spec.network).title
    body = f"""
<nav aria-label="Place"><a href="../index.html">{escape(title)}</a> ›
<a href="index.html">{escape(spec.layer)}</a></nav>
<h1>{escape(spec.layer)} · filter {escape(spec.filter_text)}</h1>
<p class="note">{escape("Not rendered yet." if why is None else f"Its render did not succeed. {why}")}</p>"""
    return _page(f"{spec.layer} filter {spec.filter_text} · {title}", body, root="../")


def _page(title: str, body: str, root: str) -> str:
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="c3dvis {__version__}">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{root}site.css">
</head>
<body>
<main>{body}
</main>
</body>
</html>
"""


def _image(source: str, spec: RenderSpec, text: str, *, lazy: bool = True) -> str:
    loading = ' loading="lazy"' if lazy else ""
    return f'<img src="{escape(source)}" width="{spec.width}" height="{spec.height}" alt="{escape(text)}"{loading}>'


def _cell(spec: RenderSpec, shown: Mapping[RenderSpec, Shown], failed: Mapping[RenderSpec, str], path: str) -> str:
    return f"<td>{_volume(spec, shown, failed, path)}</td>"


def _item(spec: RenderSpec, shown: Mapping[RenderSpec, Shown], failed: Mapping[RenderSpec, str]) -> str:
    gain = shown[spec].metrics.get("gain") if spec in shown else None
    note = f"<small>gain ×{number(gain)}</small>" if gain is not None else ""
    return f'<li id="filter-{spec.filter_text}">{_volume(spec, shown, failed, "")}{note}</li>'


def _volume(spec: RenderSpec, shown: Mapping[RenderSpec, Shown], failed: Mapping[RenderSpec, str], path: str) -> str:
    if spec not in shown:
        why = "failed" if spec in failed else "not rendered"
        return f'<span class="absent">{why}</span><span>{spec.filter_text}</span>'
    stem = shown[spec].stem
    picture = (
        '<span class="absent">dead</span>'
        if shown[spec].dead
        else _image(f"{path}{stem}.gif", spec, f"{spec.layer} filter {stem}")
    )
    return f'<a href="{escape(path)}{stem}.html">{picture}<span>{stem}</span></a>'


def _count(specs: Sequence[RenderSpec]) -> str:
    more = len(specs) - TABLE_COLUMNS
    return f"<small>and {more} more</small>" if more > 0 else ""


def _around(before: str | None, after: str | None, before_text: str, after_text: str) -> str:
    links = []
    if before:
        links.append(f'<a rel="prev" href="{escape(before)}">‹ {escape(before_text)}</a>')
    if after:
        links.append(f'<a rel="next" href="{escape(after)}">{escape(after_text)} ›</a>')
    return f'<nav class="around" aria-label="Neighbours">{" ".join(links)}</nav>' if links else ""


def _failures(failed: Mapping[RenderSpec, str]) -> str:
    if not failed:
        return ""
    items = "".join(
        f"<li>{escape(spec.layer)}, filter {spec.filter_text}: {escape(why)}</li>" for spec, why in failed.items()
    )
    return f"<h2>What did not succeed</h2><ul>{items}</ul>"


def _curve(result: RenderResult) -> str:
    """The shown activation over the steps, as a drawing that needs no script."""
    rows = [(row["step"], row["shown_activation"]) for row in result.history]
    points = [(step, value) for step, value in rows if value is not None]
    if len(points) < 2:
        return ""
    last, top = max(step for step, _ in points) or 1, max(value for _, value in points) or 1.0
    drawn = " ".join(f"{300 * step / last:.1f},{80 - 76 * max(0.0, value) / top:.1f}" for step, value in points)
    return (
        f'<figure><svg viewBox="0 0 300 82" role="img" aria-label="Shown activation over {last} steps, up to '
        f'{number(top)}"><polyline points="{drawn}"/></svg>'
        f"<figcaption>Shown activation over {last} steps, up to {number(top)}</figcaption></figure>"
    )
