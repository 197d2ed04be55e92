"""`c3dvis wiring`: the kernel of a filter, and the filters that excite and inhibit it."""

import argparse
from typing import Any

from c3dvis.commands.console import Console, table
from c3dvis.commands.render import WrongArguments
from c3dvis.networks import registry
from c3dvis.networks.wiring import ChannelSource, Wiring, WiringInput, wiring
from c3dvis.spec import parse_field

_DEFAULT_TOP = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("layer", metavar="LAYER")
    parser.add_argument("filter", metavar="FILTER", help="number of the filter, counted from 0")
    parser.add_argument("--network", default=registry.NAMES[0], metavar="NAME", help="network (default: %(default)s)")
    parser.add_argument(
        "--top", default=str(_DEFAULT_TOP), metavar="N",
        help=f"how many exciting and inhibiting filters to list (default: {_DEFAULT_TOP})",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Prints the kernel's size and the strongest inputs of each sign; as JSON with all weights of these inputs."""
    number = parse_field("filter", arguments.filter)
    if not isinstance(number, int):
        raise WrongArguments(f"The wiring is that of one filter: expected a number; received {arguments.filter!r}.")
    top = _top_of(arguments.top)
    found = wiring(registry.describe(arguments.network), arguments.layer, number)
    exciting, inhibiting = found.exciting(top), found.inhibiting(top)
    rows = [_row(each) for each in (*exciting, *reversed(inhibiting))]
    columns = ("sum of weights", "norm", "input", "filter", "weights by frame", "through")
    console.result(
        {
            "network": found.network,
            "layer": found.layer,
            "filter": found.filter,
            "made_by": _source_values(found.made_by),
            "kernel_size": list(found.kernel.shape[:3]),
            "dilation": list(found.dilation),
            "inputs": len(found.inputs),
            "norm_over_inputs": found.norm_over_inputs.tolist(),
            "exciting": [_input_values(each) for each in exciting],
            "inhibiting": [_input_values(each) for each in inhibiting],
        },
        table(_title(found), columns, rows, right=("sum of weights", "norm", "filter")),
    )
    return 0


def _top_of(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100_000:
        raise WrongArguments(f"--top must be a whole number from 1 to 100000; received {text!r}.")
    return int(text)


def _title(found: Wiring) -> str:
    made = found.made_by
    alias = f", which is filter {made.filter} of {made.layer}" if made.layer != found.layer else ""
    size = "×".join(map(str, found.kernel.shape[:3]))
    relative = ", each by its standard deviation, to which a normalisation brings it" if found.is_relative else ""
    return (
        f"Filter {found.filter} of {found.layer} in {found.network}{alias}: kernel of {size} (frames×height×width) on "
        f"{len(found.inputs)} inputs{relative}"
    )


def _row(each: WiringInput) -> tuple[str, ...]:
    by_frame = " ".join(f"{value:+.3f}" for value in each.weights.sum((1, 2)))
    return (
        f"{each.strength:+.4f}", f"{each.norm:.4f}", each.source.layer, str(each.source.filter), by_frame,
        ", ".join(each.source.via),
    )  # fmt: skip


def _source_values(source: ChannelSource) -> dict[str, Any]:
    joined = {"layer": source.joined[0], "filter": source.joined[1]} if source.joined else None
    return {"layer": source.layer, "filter": source.filter, "joined": joined, "via": list(source.via)}


def _input_values(each: WiringInput) -> dict[str, Any]:
    return {
        **_source_values(each.source),
        "scale": each.source.scale,
        "normalised": each.source.normalised,
        "never_negative": each.source.never_negative,
        "strength": each.strength,
        "norm": each.norm,
        "weights": each.weights.tolist(),
    }
