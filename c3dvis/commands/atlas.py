"""`c3dvis atlas`: many filters of a network, rendered through the queue, and a static site of them."""

import argparse
import sys
import time
from pathlib import Path

from c3dvis.atlas import api, plan
from c3dvis.atlas.rendering import AtlasProgress
from c3dvis.commands.console import Console
from c3dvis.commands.render import fps_of, spec_of
from c3dvis.durations import time_left
from c3dvis.errors import AtlasIncomplete
from c3dvis.networks.weights import obtain
from c3dvis.results.file_formats import FORMATS

_NOTE_INTERVAL = 30.0  # seconds between two lines of progress if there is no terminal for a bar


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Renders what is not stored yet, writes the site, and fails if a render failed."""
    layers = None if arguments.layers in (None, "all") else [name.strip() for name in arguments.layers.split(",")]
    planned = plan.make_plan(spec_of(arguments), layers, arguments.filters)
    formats = [name.strip() for name in arguments.formats.split(",")]
    fps = fps_of(arguments.fps)
    obtain.check(planned.info)  # fails before the workers start, which takes a while
    noted = time.monotonic()
    # The failures are printed at the end, one line each.
    with console.silenced_logs(), console.progress("Rendering", unit="filters") as bar:

        def on_progress(progress: AtlasProgress) -> None:
            nonlocal noted
            text = describe(progress)
            bar.update(progress.done, progress.total, text, estimate=False)
            if not sys.stderr.isatty() and time.monotonic() - noted > _NOTE_INTERVAL:
                noted = time.monotonic()
                console.note(f"{progress.done} of {progress.total} filters: {text}")

        report = api.build(planned, arguments.output, formats=formats, fps=fps, on_progress=on_progress)
    index = report.folder / "index.html"
    failed = [{"layer": f.spec.layer, "filter": f.spec.filter_text, "why": str(f.error)} for f in report.failures]
    progress = report.progress
    console.result(
        {
            "network": planned.info.name,
            "layers": list(planned.layers),
            "filters": progress.total,
            "from_store": progress.stored,
            "rendered": progress.rendered,
            "failed": failed,
            "written": report.written,
            "index": str(index),
        },
        f"{progress.total} filters of {planned.info.name}: {progress.stored} were stored, {progress.rendered} "
        f"rendered, {progress.failed} failed.",
        *(f"  {f['layer']} filter {f['filter']}: {f['why']}" for f in failed),
        f"Open {index}",
    )
    if not failed:
        return 0
    console.error(
        f"{len(failed)} of {progress.total} filters failed after several attempts; the atlas contains the others and "
        "lists these. Run the same command again to retry them."
    )
    return AtlasIncomplete.exit_code


def describe(progress: AtlasProgress) -> str:
    """The text beside the bar: filters from the store, rate, time left, failures."""
    if progress.problem and not progress.rendered:
        return progress.problem
    parts = []
    if progress.stored:
        parts.append(f"{progress.stored} from the store")
    if progress.per_minute:
        parts.append(f"{progress.per_minute:.3g} a minute")
    if progress.done < progress.total:
        parts.append(time_left(progress.seconds_left))
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    return ", ".join(filter(None, parts)) or "starting the workers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that only an atlas has; `cli` adds those of a render."""
    parser.add_argument(
        "--layers", metavar="NAME,NAME…", help="layers, separated by commas (default: all, which is every convolution)"
    )
    parser.add_argument(
        "--filters", default="0-3", metavar="0-3|all", help="filters per layer: all, or as in 0-3,40 (default: 0-3)"
    )
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="DIR", help="folder of the site")
    parser.add_argument(
        "--formats", default="gif", metavar="gif,mp4…",
        help=f"downloads on each filter's page: {', '.join(FORMATS)}; gif and json are always included (default: gif)",
    )  # fmt: skip
    parser.add_argument("--fps", default="10", metavar="N", help="frames per second of the files (default: 10)")
    parser.set_defaults(run=run)
