"""`c3dvis probe FILE`: what a network makes of a real clip. For a folder of clips: `probe_folder`."""

import argparse
from pathlib import Path
from typing import Any

from c3dvis.clips import ClipWindow, Window, read_window
from c3dvis.commands import probe_folder
from c3dvis.commands.console import Console, table
from c3dvis.commands.render import WrongArguments
from c3dvis.files import write_whole
from c3dvis.networks import registry
from c3dvis.networks.network_info import NetworkInfo
from c3dvis.networks.weights import obtain
from c3dvis.probe import ProbeRequest, ProbeResult, Target
from c3dvis.probe.request import answer
from c3dvis.probe.tables import feature_maps_hdf5, responses_csv
from c3dvis.probe.values import class_layer

_ENDINGS = (".csv", ".h5")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("path", type=Path, metavar="FILE|FOLDER", help="a video, image or volume; or a folder of clips")
    parser.add_argument("--network", default=registry.NAMES[0], metavar="NAME", help="network (default: %(default)s)")
    parser.add_argument(
        "--start", type=float, default=0.0, metavar="SECONDS", help="where the clip starts (default: 0)"
    )
    parser.add_argument(
        "--stride", type=float, default=1.0, metavar="N", help="steps of the file from frame to frame (default: 1)"
    )
    parser.add_argument(
        "--size", metavar="T,H,W",
        help="frames, height and width of the clip (default: the network's own, large enough for its classes)",
    )  # fmt: skip
    parser.add_argument(
        "--fill",
        choices=("refuse", "stretch", "loop"),
        default="refuse",
        help="what to do with a file that is too short",
    )
    parser.add_argument(
        "--top", type=int, default=5, metavar="N",
        help="classes, and filters of each layer; of a folder, windows of each filter (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", action="append", default=[], type=Path, metavar="FILE",
        help="responses of all filters (.csv), or the clip and the feature maps of the top filters (.h5); may be "
        "repeated; of a folder, the folder to write",
    )  # fmt: skip
    parser.add_argument("--layer", metavar="NAME", help="of a folder of clips, the layer whose filters are probed")
    parser.add_argument(
        "--per-file", type=int, default=20, metavar="N", help="of a folder, windows of each file at most (default: 20)"
    )
    parser.add_argument(
        "--judge", metavar="NAME",
        help="of a folder, another network: is a filter's synthetic clip more like its top windows than like its "
        "bottom ones to it",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Prints classes and the filters that respond most, and writes every `-o`."""
    if not 1 <= arguments.top <= 1000:
        raise WrongArguments(f"--top must be from 1 to 1000; received {arguments.top}.")
    info = registry.describe(arguments.network)
    obtain.check(info)
    if arguments.path.is_dir() and arguments.layer:
        return probe_folder.run(arguments, info, _size(arguments.size) or info.usable_size(arguments.layer), console)
    if arguments.layer or arguments.judge:
        raise WrongArguments("--layer and --judge are for a folder of clips; of one file, all layers are probed.")
    outputs: list[Path] = arguments.output
    for path in outputs:
        if path.suffix.lower() not in _ENDINGS:
            raise WrongArguments(f"{path} has an ending that is not known: expected {' or '.join(_ENDINGS)}.")
    size = _size(arguments.size) or (info.usable_size(info.layers[-1]) if class_layer(info) else info.default_size)
    window = Window(arguments.start, arguments.stride, size[0], arguments.fill)
    read = read_window(arguments.path, window, size[1:])
    console.load_tensorflow()
    with console.progress("Responses to noise", unit="clips") as bar:
        result: ProbeResult = answer(ProbeRequest(info.name, read.clip, top=arguments.top), bar.update)
    for path in outputs:
        data = (
            responses_csv(result)
            if path.suffix.lower() == ".csv"
            else _feature_maps(info, arguments.path, read, result)
        )
        write_whole(path, data)
    console.result(_values(result, read, outputs), *_lines(arguments.path, result, read))
    return 0


def _size(text: str | None) -> tuple[int, int, int] | None:
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 3 or not all(part.strip().isdecimal() and 1 <= int(part) <= 4096 for part in parts):
        raise WrongArguments(f"--size takes frames, height and width, such as 16,224,224; received {text[:40]!r}.")
    return tuple(int(part) for part in parts)  # type: ignore[return-value]


def _lines(path: Path, result: ProbeResult, read: ClipWindow) -> list[Any]:
    lines: list[Any] = [
        f"{path.name}, {'×'.join(map(str, result.size))} from {read.seconds[0]:.2f} s to {read.seconds[-1]:.2f} s, in "
        f"{result.network}",
        *read.notes,
    ]
    if result.classes:
        rows = [(f"{each.probability:.1%}", each.name, str(each.number)) for each in result.classes]
        lines.append(table("Classes", ("probability", "class", "number"), rows, right=("probability", "number")))
    else:
        lines.append(result.no_classes)
    rows = [
        (layer, ", ".join(f"{each.filter} ({each.standardised:+.1f})" for each in filters))
        for layer, filters in result.layers.items()
    ]
    title = "Filters that respond most (mean response, in deviations of the response to noise)"
    lines.append(table(title, ("layer", "filters"), rows))
    return lines


def _values(result: ProbeResult, read: ClipWindow, outputs: list[Path]) -> dict[str, Any]:
    return {
        "network": result.network,
        "size": list(result.size),
        "seconds": list(read.seconds),
        "notes": list(read.notes),
        "classes": [vars(each) for each in result.classes],
        "no_classes": result.no_classes,
        "layers": {
            layer: [{k: v for k, v in vars(each).items() if k != "layer"} for each in filters]
            for layer, filters in result.layers.items()
        },
        "files": [str(path) for path in outputs],
    }


def _feature_maps(info: NetworkInfo, path: Path, read: ClipWindow, result: ProbeResult) -> bytes:
    maps = {
        layer: [
            (each, answer(ProbeRequest(info.name, read.clip, "feature_map", Target(layer, each.filter))))
            for each in filters
        ]
        for layer, filters in result.layers.items()
    }
    return feature_maps_hdf5(info.name, path.name, read.clip, maps, read.seconds)
