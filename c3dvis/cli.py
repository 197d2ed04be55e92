"""The `c3dvis` command: its arguments, and the conversion of errors into one sentence and an exit code.

The commands themselves are in `c3dvis.commands`. Only `doctor --public` imports Streamlit. Only `render` and `doctor`
import TensorFlow in this process.
"""

import argparse
import json
import os
import sys
import textwrap
import traceback
from collections.abc import Sequence
from pathlib import Path

import c3dvis
from c3dvis.commands import atlas, cache, change_networks, doctor, list_networks, probe, render, weights, wiring
from c3dvis.commands.console import Console
from c3dvis.errors import C3dvisError
from c3dvis.networks.weights.formats import c3dvis_hdf5
from c3dvis.spec import FIELDS, MOTION_PRESETS, PRESETS, Field

_ENVIRONMENT = (
    "environment: C3DVIS_CACHE_DIR (stored results, default cache/), C3DVIS_WEIGHTS_DIR (default weights/ in "
    "that folder), C3DVIS_DEBUG=1 (same as --debug). Exit codes are listed in the README."
)

_NOT_OF_AN_ATLAS = ("layer", "filter", "objective", "position", "start_clip", "start_strength")

_FOR = "network that the weights belong to (default: c3d-sports1m)"
_TRUST = "use the layout of the file format, even if the file's values contradict it"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: the arguments without the program's name; None takes them from the process.

    Returns:
        The exit code: 0, the `exit_code` of a `C3dvisError`, 1 after any other exception, 2 for wrong arguments, or 130
        after Ctrl-C.
    """
    parser = make_parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:  # argparse has printed the reason
        return int(stop.code or 0)
    if arguments.command is None:
        parser.print_help(sys.stderr)
        return 2
    debug = arguments.debug or os.environ.get("C3DVIS_DEBUG", "") not in ("", "0")
    if not debug:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # hides TensorFlow's informational messages
    console = Console(arguments.json, debug)
    try:
        code = arguments.run(arguments, console)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader of the output, such as `| head`, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return _failed(console, "Cancelled", "Stopped.", 130)
    except C3dvisError as error:
        return _failed(console, type(error).__name__, str(error), error.exit_code)
    except Exception as error:
        reason = textwrap.shorten(str(error), 300, placeholder=" …")
        sentence = f"Unexpected error: {type(error).__name__}: {reason}".rstrip(": .")
        hint = "" if debug else " Run the command again with --debug to see the traceback."
        return _failed(console, type(error).__name__, f"{sentence}.{hint}", 1)


def _failed(console: Console, kind: str, sentence: str, code: int) -> int:
    if console.debug:
        traceback.print_exc()
    console.error(sentence)
    if console.json:
        print(json.dumps({"error": {"type": kind, "message": sentence, "exit_code": code}}))  # noqa: T201
    return code


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; each command sets its function as the default of `run`."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    common.add_argument("--debug", action="store_true", help="on failure, print the traceback too")
    parser = argparse.ArgumentParser(
        prog="c3dvis",
        description="See, as a moving volume, what a filter of a 3D convolutional network looks for.",
        epilog=_ENVIRONMENT,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"c3dvis {c3dvis.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def add(group: argparse._SubParsersAction, name: str, text: str) -> argparse.ArgumentParser:
        return group.add_parser(name, help=text, description=text, parents=[common], allow_abbrev=False)

    listing = add(commands, "networks", "List the available networks; add, configure or remove one.")
    listing.set_defaults(run=list_networks.networks)
    group = listing.add_subparsers(dest="action", metavar="ACTION")
    adding = add(group, "add", "Add a Keras network of your own: video or medical volumes, any number of channels.")
    setting = add(
        group, "set", "Name a network's classes; set C3D's padding before pool5, and the mean that it subtracts."
    )
    change_networks.add_arguments(adding, setting)
    adding.set_defaults(run=change_networks.add)
    setting.set_defaults(run=change_networks.configure)
    removing = add(group, "remove", "Remove a network that you added to this machine.")
    removing.add_argument("name", metavar="NAME")
    removing.set_defaults(run=change_networks.remove)

    layers = add(commands, "layers", "Print a network's layers, their output shapes and parameters.")
    layers.add_argument("network", metavar="NETWORK")
    for name in ("frames", "height", "width"):
        layers.add_argument(f"--{name}", metavar="N", help=f"{name} of the clip (default: the network's own)")
    layers.set_defaults(run=list_networks.layers)

    classes = add(commands, "classes", "Print the names and numbers of a network's classes.")
    classes.add_argument("network", metavar="NETWORK")
    classes.set_defaults(run=list_networks.classes)

    wiring.add_arguments(
        add(commands, "wiring", "Print a filter's kernel, and the filters that excite and inhibit it most.")
    )

    probe.add_arguments(
        add(commands, "probe", "Show what a network makes of a real clip; of a folder, what excites a layer's filters.")
    )

    _add_render(add(commands, "render", "Render one filter, or read its result from the store, and write it to files."))

    _add_atlas(add(commands, "atlas", "Render many filters of a network, and write a static site of them."))

    group = add(commands, "weights", "Fetch, check or convert a network's weights.").add_subparsers(
        dest="action", metavar="ACTION", required=True
    )
    fetch = add(group, "fetch", "Download a network's weights or read them from a file, verify them, and install them.")
    fetch.add_argument("network", metavar="NETWORK")
    fetch.add_argument("--file", type=Path, metavar="PATH", help="read the weights from this file, without a download")
    fetch.add_argument("--url", metavar="URL", help="download from this address instead of the original project's")
    fetch.add_argument("--sha256", metavar="HEX", help="expected SHA-256 of the downloaded file")
    fetch.add_argument("--labels-url", metavar="URL", help="download the class names from this address")
    fetch.add_argument(
        "--accept-licence", action="store_true", help="accept the weights' terms, which are printed first"
    )
    fetch.add_argument("--trust", action="store_true", help=_TRUST)
    fetch.set_defaults(run=weights.fetch_command)
    check = add(group, "check", "Report the format and layout of a weights file, and whether it fits the network.")
    check.add_argument("target", metavar="NETWORK|FILE", help="a network with installed weights, or any weights file")
    check.add_argument("--network", default="c3d-sports1m", metavar="NAME", help=_FOR)
    check.set_defaults(run=weights.check_command)
    convert = add(group, "convert", "Convert a weights file of any supported format to c3dvis's HDF5 format.")
    convert.add_argument("file", type=Path, metavar="FILE")
    convert.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.h5", help="file to write")
    convert.add_argument("--network", default="c3d-sports1m", metavar="NAME", help=_FOR)
    convert.add_argument("--dtype", choices=c3dvis_hdf5.DTYPES, default="float32", help="data type of the file")
    convert.add_argument("--trust", action="store_true", help=_TRUST)
    convert.set_defaults(run=weights.convert_command)

    storing = add(commands, "cache", "The store of results: describe, verify, repair, pin, export, import, clear.")
    group = storing.add_subparsers(dest="action", metavar="ACTION", required=True)
    cache.add_arguments(lambda name, text: add(group, name, text))

    check = add(commands, "doctor", "Check that this machine has everything that a render needs.")
    check.add_argument("--public", action="store_true", help="check what is still open on a server for many people")
    check.set_defaults(run=doctor.run)
    return parser


def _add_render(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", "--output", action="append", default=[], type=Path, metavar="FILE",
        help=f"file to write; its ending selects the format: {', '.join(render.ENDINGS)}; may be repeated",
    )  # fmt: skip
    parser.add_argument("--fps", default="10", metavar="N", help="frames per second of the files (default: 10)")
    parser.add_argument(
        "--figure", action="append", default=[], type=Path, metavar="FILE",
        help="figure for a paper to write, with axes and a caption: .pdf (vector text) or .png; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--figure-frames", metavar="T,T,…", help="frames on the figure, from 1, or none (default: four of them)"
    )
    parser.add_argument(
        "--figure-slices", metavar="Y,X", help="place of the slices along time, or none (default: the centre)"
    )
    parser.add_argument(
        "--figure-scale", type=int, default=4, metavar="N",
        help="pixels of the figure for each pixel of the clip, 1 to 8 (default: 4)",
    )  # fmt: skip
    parser.add_argument(
        "--texture-motion", action="store_true",
        help="also take the clip apart into one still texture and its motion, and measure what each keeps",
    )  # fmt: skip
    parser.add_argument("--no-cache", action="store_true", help="do not read from the store or write to it")
    parser.add_argument(
        "--class", dest="class_name", metavar="NAME",
        help="a class of the network by name or number: sets objective, layer, filter and a size that works",
    )  # fmt: skip
    _add_fields(parser, tuple(FIELDS))
    parser.set_defaults(run=render.run)


def _add_atlas(parser: argparse.ArgumentParser) -> None:
    atlas.add_arguments(parser)
    _add_fields(parser, tuple(name for name in FIELDS if name not in _NOT_OF_AN_ATLAS))


def _add_fields(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Flags that describe a spec: a recipe or presets to start from, and single fields."""
    parser.add_argument("--recipe", metavar="FILE.json", help="start from a saved recipe; - is standard input")
    parser.add_argument("--preset", choices=list(PRESETS), help="start from the values of a preset")
    parser.add_argument("--motion", choices=list(MOTION_PRESETS), help="movement preset: sets --tv-time-weight")
    fields = parser.add_argument_group("what to render", "Flags override presets; presets override the recipe.")
    for name in names:
        field = FIELDS[name]
        fields.add_argument(
            f"--{name.replace('_', '-')}", dest=f"field_{name}", metavar=_metavar(field),
            help=_help(field).replace("%", "%%"),
        )  # fmt: skip


def _metavar(field: Field) -> str:
    if field.choices:
        return "{" + ",".join(field.choices) + "}"
    kinds = {"int": "N", "float": "X", "filter": "N", "position": "T,H,W", "digest": "FILE"}
    return kinds.get(field.kind, "NAME")


def _help(field: Field) -> str:
    if field.kind not in ("int", "float"):
        return field.help
    unit = f" {field.unit}" if field.unit else ""
    return f"{field.help} {field.minimum:g} to {field.maximum:g}{unit}."
