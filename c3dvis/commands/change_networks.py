"""`c3dvis networks add`, `set` and `remove`: settings of this machine, which the page cannot change."""

import argparse
import re
from dataclasses import asdict
from pathlib import Path

from c3dvis.commands.console import Console
from c3dvis.errors import InvalidSpec
from c3dvis.networks import c3d_options, registry
from c3dvis.networks.importers import add_network, setting_texts
from c3dvis.networks.weights import class_labels, installed_weights

_LABELS = "names of the classes, one a line, in the order of the network's outputs"


def add(arguments: argparse.Namespace, console: Console) -> int:
    """Adds a network of the user."""
    low, high = (setting_texts.numbers(text) for text in arguments.range)
    size = None if arguments.size is None else setting_texts.size(arguments.size)
    described = (
        (low, high), arguments.order, size, arguments.title, arguments.licence, arguments.labels,
        setting_texts.shown_channels(arguments.show_channels),
    )  # fmt: skip
    if arguments.code:
        file, _, function = arguments.code.rpartition(":")
        if not file or not function.isidentifier():
            raise InvalidSpec(f"Code is FILE:FUNCTION, my_model.py:build for example; received {arguments.code!r}.")
        info = add_network.add_code(arguments.name, Path(file), function, arguments.weights, *described)
        ran = f"This ran {file}. Each worker that renders this network runs the copy of it that was made now."
    else:
        info = add_network.add(arguments.name, arguments.architecture, arguments.weights, *described,
                               arguments.other_inputs)  # fmt: skip
        ran = ""
    proof, remarks = installed_weights.proof(info), installed_weights.remarks(info)
    channels = info.architecture.channels
    counted = f"{channels} channels" if channels > 1 else "one channel"
    console.result(
        {
            "network": info.name, "layers": list(info.layers), "channels": channels,
            "default_size": list(info.default_size), "path": str(info.weights_path.parent),
            "fingerprint": installed_weights.fingerprint(info), "proof": asdict(proof),
            "left_out": remarks.left_out, "held": remarks.held,
        },
        f"{info.name} is added: {len(info.layers)} layers that can be targeted, {counted} ({info.domain.shown_as}), "
        f"clips of {'×'.join(map(str, info.default_size))}.",
        str(proof),
        *filter(None, [remarks.left_out, remarks.held, ran]),
        f"`c3dvis layers {info.name}` lists them.",
    )  # fmt: skip
    return 0


def remove(arguments: argparse.Namespace, console: Console) -> int:
    """Removes an added network from this machine."""
    folder = add_network.remove(arguments.name)
    console.result({"removed": arguments.name, "path": str(folder)}, f"{arguments.name} is removed: {folder}.")
    return 0


def configure(arguments: argparse.Namespace, console: Console) -> int:
    """Sets the names of a network's classes; C3D's padding before pool5, and the mean that it subtracts."""
    info = registry.describe(arguments.network)
    changes_c3d = arguments.pool5_padding is not None or arguments.mean is not None
    if not changes_c3d and arguments.labels is None:
        raise InvalidSpec("There is nothing to set: expected --labels, or for C3D --pool5-padding or --mean.")
    if changes_c3d and info.name != "c3d-sports1m":
        raise InvalidSpec(f"{info.name} has neither a mean image nor a pool5; expected c3d-sports1m.")
    if arguments.labels is not None:
        names = class_labels.store_labels(info, arguments.labels)
        if not changes_c3d:
            console.result(
                {"network": info.name, "classes": len(names)},
                f"{info.name}: {len(names)} classes, from {names[0]} to {names[-1]}.",
            )
            return 0
    chosen = c3d_options.change(info.name, arguments.pool5_padding, arguments.mean)
    info = registry.describe(info.name)
    means = [round(-low, 2) for low in info.domain.low]
    kind = "image of the user's file" if info.domain.mean_image is not None else "the same everywhere"
    console.result(
        {"network": info.name, "pool5_padding": chosen.pool5_padding, "mean_file": chosen.mean, "mean_rgb": means},
        f"{info.name}: pool5 padding {chosen.pool5_padding}; mean R, G, B {means} ({kind}).",
    )
    return 0


def add_arguments(adding: argparse.ArgumentParser, setting: argparse.ArgumentParser) -> None:
    """The arguments of `networks add` and `networks set`."""
    adding.add_argument("name", metavar="NAME", help="name for the network: lower-case letters, digits, . - _")
    model = adding.add_mutually_exclusive_group(required=True)
    model.add_argument(
        "--architecture", type=Path, metavar="FILE",
        help="model.onnx, model.keras, a whole Keras model in .h5, or the .json of model.to_json(); read as data",
    )  # fmt: skip
    model.add_argument(
        "--code", metavar="FILE:FUNCTION",
        help="your own code that builds a Keras model, my_model.py:build; it is run now, and copied for the workers, "
        "which run it too",
    )  # fmt: skip
    adding.add_argument("--weights", type=Path, metavar="FILE", help="the weights, if they are in a separate file")
    # argparse takes -1.9,-1.7 for an option unless it knows it as a number
    adding._negative_number_matcher = re.compile(r"-[\d.]")
    adding.add_argument(
        "--range", nargs=2, required=True, metavar=("LOW", "HIGH"),
        help="input values of black and of white: 0 1, -1 1, 0 255; or one number per channel: 0,0,0 1,1,1",
    )  # fmt: skip
    adding.add_argument("--order", choices=("RGB", "BGR"), default="RGB", help="order of three channels (default: RGB)")
    adding.add_argument(
        "--show-channels", metavar="CHANNELS", default="all",
        help="which of more than three channels a picture shows: all, side by side (default); three as red, green and "
        "blue: 0,1,2; or one in grey: 3. All are searched",
    )  # fmt: skip
    adding.add_argument(
        "--other-inputs", choices=("middle", "zeros"), default="middle",
        help="what the inputs beside the clip hold, if the model has several: the range's middle (default) or zeros",
    )  # fmt: skip
    adding.add_argument(
        "--size", metavar="T,H,W", help="clip size of renders (default: the model's own, or 16,112,112)"
    )
    adding.add_argument("--title", default="", help="title of the network in lists and on the page")
    adding.add_argument("--licence", default="", help="licence of the weights, as text")
    adding.add_argument("--labels", type=Path, metavar="FILE", help=_LABELS)
    setting.add_argument("network", metavar="NETWORK")
    setting.add_argument("--labels", type=Path, metavar="FILE", help=_LABELS)
    setting.add_argument(
        "--pool5-padding", choices=("caffe", "table"), help="caffe: as C3D was trained; table: as in its Keras ports"
    )
    setting.add_argument(
        "--mean",
        metavar="FILE",
        help="mean cube to subtract (.npy or .binaryproto), or 'default' for the channel means",
    )
