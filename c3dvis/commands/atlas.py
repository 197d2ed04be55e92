"""`c3dvis atlas`: many filters of a network, rendered through the queue, and a static site of them."""

import argparse
import sys
import time
from pathlib import Path

from c3dvis.atlas import api, plan, site
from c3dvis.atlas.rendering import Standing
from c3dvis.commands.console import Say
from c3dvis.commands.render import fps_of, spec_of
from c3dvis.durations import duration
from c3dvis.errors import AtlasIncomplete
from c3dvis.networks.weights import obtain

_NOTE_EVERY = 30.0  # seconds between lines where there is no terminal to draw a bar on


def run(arguments: argparse.Namespace, say: Say) -> int:
    """Renders what is not stored yet, writes the site, and fails if a filter did not succeed."""
    layers = None if arguments.layers in (None, "all") else [name.strip() for name in arguments.layers.split(",")]
    planned = plan.make_plan(spec_of(arguments), layers, arguments.filters)
    formats = [name.strip() for name in arguments.formats.split(",")]
    fps = fps_of(arguments.fps)
    obtain.check(planned.info)  # says what is wrong before the workers take their time
    noted = time.monotonic()
    # What fails is named at the end, in a sentence each.
    with say.no_log(), say.progress("Rendering", unit="filters") as bar:

        def on_standing(standing: Standing) -> None:
            nonlocal noted
            words = describe(standing)
            bar.update(standing.done, standing.total, words)
            if not sys.stderr.isatty() and time.monotonic() - noted > _NOTE_EVERY:
                noted = time.monotonic()
                say.note(f"{standing.done} of {standing.total} filters: {words}")

        report = api.build(planned, arguments.output, formats=formats, fps=fps, on_standing=on_standing)
    index = report.folder / "index.html"
    failed = [{"layer": f.spec.layer, "filter": f.spec.filter_text, "why": str(f.error)} for f in report.failures]
    standing = report.standing
    say.result(
        {
            "network": planned.info.name,
            "layers": list(planned.layers),
            "filters": standing.total,
            "from_store": standing.stored,
            "rendered": standing.rendered,
            "failed": failed,
            "written": report.written,
            "index": str(index),
        },
        f"{standing.total} filters of {planned.info.name}: {standing.stored} were stored, {standing.rendered} "
        f"rendered, {standing.failed} failed.",
        *(f"  {f['layer']} filter {f['filter']}: {f['why']}" for f in failed),
        f"Open {index}",
    )
    if not failed:
        return 0
    say.error(
        f"{len(failed)} of {standing.total} filters did not succeed after several attempts; the atlas holds the "
        "others and names these. Run the same command again to try them once more."
    )
    return AtlasIncomplete.exit_code


def describe(standing: Standing) -> str:
    """How far it is, beside the bar."""
    if standing.problem and not standing.rendered:
        return standing.problem
    parts = []
    if standing.stored:
        parts.append(f"{standing.stored} from the store")
    if standing.per_minute:
        parts.append(f"{standing.per_minute:.3g} a minute")
    if standing.seconds_left is not None and standing.done < standing.total:
        parts.append(f"about {duration(standing.seconds_left)} left")
    if standing.failed:
        parts.append(f"{standing.failed} failed")
    return ", ".join(parts) or "starting the workers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The atlas's own arguments; those of a render are added beside them."""
    parser.add_argument(
        "--layers", metavar="NAME,NAME…", help="layers, separated by commas (default: all, every convolution)"
    )
    parser.add_argument(
        "--filters", default="0-3", metavar="0-3|all", help="filters of each: all, or as in 0-3,40 (default: 0-3)"
    )
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="DIR", help="folder of the site")
    parser.add_argument(
        "--formats", default="gif", metavar="gif,mp4…",
        help=f"what each filter's page offers: {', '.join(site.FORMATS)}; gif is there always (default: gif)",
    )  # fmt: skip
    parser.add_argument("--fps", default="10", metavar="N", help="frames per second of the files (default: 10)")
    parser.set_defaults(run=run)
