"""`c3dvis networks`, `layers` and `classes`: the networks, and the layers and classes of one."""

import argparse
from dataclasses import asdict
from typing import Any

from c3dvis.commands.console import Console, table
from c3dvis.errors import InvalidSpec, WeightsDamaged
from c3dvis.networks import registry
from c3dvis.networks.network_info import BEYOND_THE_CLIP
from c3dvis.networks.weights import class_labels, installed_weights
from c3dvis.spec import RenderSpec, parse_field


def networks(arguments: argparse.Namespace, console: Console) -> int:
    """Prints every network: title, whether its weights are on this machine, and their licence."""
    described: list[dict[str, Any]] = []
    for name in registry.names():
        try:
            info = registry.describe(name)
        except WeightsDamaged as error:
            console.warning(str(error))
            continue
        described.append(
            {
                "name": name,
                "title": info.title,
                "layers": len(info.layers),
                "default_size": list(info.default_size),
                "weights_installed": installed_weights.present(info),
                "weights_path": str(info.weights_path),
                "source": info.source,
                "licence": info.licence,
            }
        )
    rows = [
        (n["name"], n["title"], str(n["layers"]), "installed" if n["weights_installed"] else "missing", n["licence"])
        for n in described
    ]
    columns = ("network", "what it is", "layers", "weights", "licence of the weights")
    console.result({"networks": described}, table("", columns, rows, right=("layers",)))
    return 0


def layers(arguments: argparse.Namespace, console: Console) -> int:
    """Prints the layers of a network for one clip size, and the sum of its parameters."""
    info = registry.describe(arguments.network)
    size = dict(zip(("frames", "height", "width"), info.default_size, strict=True))
    for name in size:
        if getattr(arguments, name) is not None:
            size[name] = parse_field(name, getattr(arguments, name))
    RenderSpec(network=info.name, **size)  # raises on an impossible size
    rows = info.table(**size)
    total = sum(row.parameters for row in rows)
    shown = [
        (
            row.name + ("" if row.targetable else " ·"),
            row.kind.replace("_", " "),
            str(row.output_shape) if min(row.output_shape) > 0 else "clip too small",
            f"{row.parameters:,}",
            "×".join(map(str, row.receptive_field)),
        )
        for row in rows
    ]
    title = f"{info.title}, clip of {size['frames']}×{size['height']}×{size['width']} (frames×height×width)"
    proof, remarks = installed_weights.proof(info), installed_weights.remarks(info)
    console.result(
        {
            "network": info.name,
            "proof": asdict(proof),
            "left_out": remarks.left_out,
            "held": remarks.held,
            **size,
            "parameters": total,
            "layers": [asdict(row) for row in rows],
        },
        table(title, ("layer", "kind", "output shape", "parameters", "sees (t×h×w)"), shown, right=("parameters",)),
        f"Total: {total:,} parameters. Layers marked · cannot be targeted. {BEYOND_THE_CLIP}",
        str(proof),
        *filter(None, [remarks.left_out, remarks.held]),
    )
    return 0


def classes(arguments: argparse.Namespace, console: Console) -> int:
    """Prints the classes of a network, by number and name."""
    info = registry.describe(arguments.network)
    names = class_labels.read_labels(info)
    if names is None:
        raise InvalidSpec(
            f"The {class_labels.num_classes(info)} classes of {info.name} have no names on this machine. "
            f"Name them: c3dvis networks set {info.name} --labels FILE."
        )
    rows = [(str(number), name) for number, name in enumerate(names)]
    console.result(
        {"network": info.name, "classes": list(names)}, table(info.title, ("class", "name"), rows, right=("class",))
    )
    return 0
