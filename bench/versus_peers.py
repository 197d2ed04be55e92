"""Compares c3dvis with two other methods: same network, filters, clip size and machine, one table of one run.

    python bench/versus_peers.py -o bench-out
    python bench/versus_peers.py --layers Mixed_4c,Mixed_5b --filters 222,301 --methods peer,ours -o bench-out

`peer` is the method of the clearest public program for 3D networks (`bench/peer_method.py`), the baseline. `keras-vis`
is the engine of that name. Both have their own defaults, as has c3dvis (`ours`). By default the filters are drawn at
random (`--draw`, `--seed`), spread evenly over the layers, so that nobody chooses them. A filter to which no method
finds a response is reported as dead, and the next one drawn takes its place.

Each render has its own process. The clock starts when the network is loaded and nothing is compiled, and stops when the
clip and its measures are there. So the seconds of every method include tracing, compilation and the measures: they are
as a user waits for the first filter of a layer. `c3dvis/maximize/quality.py` defines the measures. Pictures of
different contrast are compared by their strength, the activation at a standard deviation of 40. Repetition is measured
at the period of c3dvis's small canvas for every method.

Writes `peers.json`, the table `peers.md` and the contact sheet `peers.png` (three frames and the x–t slice of each
method's clip), anew after every filter. At the end it prints which targets were reached.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import c3dvis
from bench import peer_method
from bench.side_by_side import (
    MEASURES,
    geometric_mean,
    peak_memory,
    render_in_process,
    write_contact_sheet,
    write_render,
)
from c3dvis.maximize.quality import Quality, repetition
from c3dvis.maximize.schedule import Schedule
from c3dvis.networks.compute.device import configure, describe_device
from c3dvis.networks.registry import describe

METHODS = ("keras-vis", "peer", "ours")
LAYERS = "Mixed_3b,Mixed_3c,Mixed_4b,Mixed_4c,Mixed_4d,Mixed_4e,Mixed_4f,Mixed_5b"
ENOUGH_FILTERS = 12
"""Filters that a run needs for its targets to count."""

GEOMETRIC = ("shown_activation", "strength", "twin_gain", "robustness", "motion", "seconds")
"""Figures whose mean over the filters is geometric; that of the others is arithmetic."""
COLUMNS = {
    "shown_activation": "shown", "strength": "strength", "contrast": "contrast", "clipped": "clipped",
    "twin_gain": "gain", "selectivity": "rank", "robustness": "robustness", "coherence": "coherence",
    "motion": "motion", "repetition": "repetition", "seconds": "s",
}  # fmt: skip
"""Figures in the table, and their headings."""

Row = dict[str, Any]


class Target(NamedTuple):
    """One thing that was to be reached.

    Attributes:
        name: what, and how much.
        found: how much it is.
        reached: whether that is enough; None if the run does not tell.
    """

    name: str
    found: str
    reached: bool | None


def render(method: str, target: dict[str, Any], peer_steps: int) -> tuple[np.ndarray, dict[str, Any]]:
    """Render one filter with one method, in this process.

    Args:
        method: one of `METHODS`.
        target: fields of the `RenderSpec` that differ from each method's defaults.
        peer_steps: steps of the peer's method.

    Returns:
        The clip (T, H, W, 3) uint8, and its measures, `seconds` and `search_seconds` (without the measures).
    """
    spec = c3dvis.RenderSpec(**target)
    network = c3dvis.load_network(spec.network)
    canvas = Schedule.of(spec, network.info).canvas
    began = time.perf_counter()
    if method == "peer":
        precision = network.precision(spec.precision)
        size = (spec.frames, spec.height, spec.width)
        quality = Quality(network, spec, precision)
        clip = peer_method.maximize(network, spec.layer, spec.filters[0][0], size, peer_steps, spec.seed, precision)
        searched = time.perf_counter() - began
        metrics = quality.measure(clip)
        seconds = time.perf_counter() - began
        device = describe_device(precision)["device"]
    else:
        result = c3dvis.render(spec if method == "ours" else c3dvis.RenderSpec(engine=method, **target))
        clip, metrics, device = result.clip, result.metrics, result.provenance["device"]
        seconds, searched = result.provenance["seconds"], result.provenance["search_seconds"]
    return clip, {
        **{name: metrics[name] for name in MEASURES},
        "repetition": repetition(clip, canvas[1:] if canvas else None),
        "dead": metrics["dead"],
        "seconds": seconds,
        "search_seconds": searched,
        "peak_memory_MiB": peak_memory(),
        "device": device,
    }


def drawn_filters(network: str, layer: str, seed: int) -> Iterator[int]:
    """All filters of a layer in an order that depends on the seed and the layer alone."""
    info = describe(network)
    filters = info.output_shape(layer, *info.default_size)[3]
    place = list(info.layers).index(layer)
    return iter(np.random.default_rng([seed, place]).permutation(filters).tolist())


def spread(count: int, places: int) -> list[int]:
    """How many of `count` go to each of so many places, as evenly as can be."""
    return [count * (i + 1) // places - count * i // places for i in range(places)]


def compare(target: dict[str, Any], methods: Sequence[str], peer_steps: int) -> tuple[list[np.ndarray], Row]:
    """Render one filter with each method. Returns the clips and a row of the table."""
    clips, row = [], {"layer": target["layer"], "filter": target["filter"]}
    for method in methods:
        request = json.dumps({"method": method, "target": target, "peer_steps": peer_steps})
        clip, row[method] = render_in_process(__file__, request)
        clips.append(clip)
    return clips, with_ratios(row)


def with_ratios(row: Row) -> Row:
    """The row with ours ÷ peer's strength and seconds, if it has both; None where the peer's strength is 0."""
    if {"ours", "peer"} <= row.keys():
        ours, peer = row["ours"], row["peer"]
        row["strength_ratio"] = ours["strength"] / peer["strength"] if peer["strength"] > 0 else None
        row["seconds_ratio"] = ours["seconds"] / peer["seconds"]
    return row


def is_dead(row: Row) -> bool:
    """Whether no method found a clip to which the filter responds."""
    return all(row[method]["shown_activation"] <= 0 for method in METHODS if method in row)


def measured(rows: Sequence[Row], method: str, name: str) -> list[float]:
    """A figure of one method over all rows that have it."""
    return [row[method][name] for row in rows if row[method][name] is not None]


def targets(rows: Sequence[Row]) -> list[Target]:
    """What c3dvis was to reach, and whether it did on these rows."""

    def target(name: str, values: Sequence[float], text: str, fulfils: Callable[[Any], Any]) -> Target:
        return Target(
            name, text.format(*values) if values else "not measured", bool(fulfils(values)) if values else None
        )

    ours = {name: measured(rows, "ours", name) for name in COLUMNS}
    ratios = [row["strength_ratio"] for row in rows if row.get("strength_ratio") is not None]
    seconds = [sum(measured(rows, method, "seconds")) for method in ("ours", "peer")] if ratios else []
    first = [sum(rank == 1 for rank in ours["selectivity"]) / len(rows)] if rows else []

    def extremes(name: str) -> list[float]:
        return [min(ours[name]), max(ours[name])] if ours[name] else []

    def mean(name: str) -> list[float]:
        return [float(np.mean(ours[name]))] if ours[name] else []

    robust = geometric_mean(ours["robustness"])
    total = [seconds[0] / seconds[1]] if seconds else []
    longest = max((row["seconds_ratio"] for row in rows if "seconds_ratio" in row), default=0.0)
    at_least = sum(ratio >= 1 for ratio in ratios)
    return [
        target("strength at least the peer's on every filter", [min(ratios)] if ratios else [],
               f"least {{:.2f}}×, {at_least} of {len(ratios)} filters", lambda v: v[0] >= 1),
        target("geometric mean of the strength at least 1.3× the peer's",
               [geometric_mean(ratios) or 0.0] if ratios else [], "{:.2f}×", lambda v: v[0] >= 1.3),
        target("coherence at least 0.85 in the mean", mean("coherence"), "{:.2f}", lambda v: v[0] >= 0.85),
        target("coherence at least 0.75 anywhere", extremes("coherence"), "{:.2f} to {:.2f}", lambda v: v[0] >= 0.75),
        target("robustness at least 0.93 (geometric mean)", [] if robust is None else [robust], "{:.3f}",
               lambda v: v[0] >= 0.93),
        target("rank 1 for at least 90 % of the filters", first, "{:.0%}", lambda v: v[0] >= 0.9),
        target("contrast from 40 to 65 anywhere", extremes("contrast"), "{:.1f} to {:.1f}",
               lambda v: v[0] >= 40 and v[1] <= 65),
        target("clipped at most 2 % anywhere", extremes("clipped"), "{:.1%} to {:.1%}", lambda v: v[1] <= 0.02),
        target("repetition below 0.2 anywhere", extremes("repetition"), "{:.2f} to {:.2f}", lambda v: v[1] < 0.2),
        target("at most a fifth of the peer's time, all filters together", total,
               f"{{:.2f}} (of one filter at most {longest:.2f})", lambda v: v[0] <= 0.2),
    ]  # fmt: skip


def caveats(rows: Sequence[Row], methods: Sequence[str], peer_steps: int, changed: bool) -> list[str]:
    """Why a run's targets do not count; empty for a run as it is meant."""
    found = []
    if len(rows) < ENOUGH_FILTERS:
        found.append(f"{len(rows)} filters of {ENOUGH_FILTERS}")
    if "peer" not in methods or "ours" not in methods:
        found.append("without the peer's method or ours")
    elif peer_steps != peer_method.STEPS:
        found.append(f"{peer_steps} steps of the peer's {peer_method.STEPS}")
    if changed:
        found.append("other iterations or another clip size than the default")
    return found


def table(rows: Sequence[Row], methods: Sequence[str]) -> str:
    """Markdown: a line per filter and method, the means, and the least and greatest of each figure."""
    heads = ["filter", "method", *COLUMNS.values(), "strength ÷ peer's", "s ÷ peer's"]
    lines = [heads, ["---"] * len(heads)]
    for row in rows:
        for method in methods:
            ratios = [row.get("strength_ratio"), row.get("seconds_ratio")] if method == "ours" else [None, None]
            cells = [_cell(name, row[method][name]) for name in COLUMNS]
            lines.append([f"{row['layer']} {row['filter']}", method, *cells, *map(_ratio, ratios)])
    for method in methods:
        values = {name: measured(rows, method, name) for name in COLUMNS}
        ratios = [
            [row[name] for row in rows if method == "ours" and row.get(name) is not None]
            for name in ("strength_ratio", "seconds_ratio")
        ]
        for label, mean in (("mean", True), ("least", False), ("most", False)):
            fold: Any = min if label == "least" else max
            cells = [
                _cell(name, _mean(name, found) if mean else fold(found, default=None)) for name, found in values.items()
            ]
            ends = [_ratio(geometric_mean(found) if mean else fold(found, default=None)) for found in ratios]
            lines.append([label, method, *cells, *ends])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def report(run: dict[str, Any], methods: Sequence[str]) -> str:
    """Markdown: the table of a run, and once the run is over its targets."""
    text = table(run["filters"], methods)
    if not run.get("targets"):
        return text
    text += "\nTargets" + (f" (they do not count: {'; '.join(run['caveats'])})" if run["caveats"] else "") + ":\n\n"
    words = {True: "reached", False: "missed", None: "not known"}
    return text + "".join(f"- {words[each['reached']]}: {each['name']} ({each['found']})\n" for each in run["targets"])


def _mean(name: str, values: Sequence[float]) -> float | None:
    if not values:
        return None
    return geometric_mean(values) if name in GEOMETRIC else float(np.mean(values))


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    if name == "selectivity":
        return f"{value:g}" if value == int(value) else f"{value:.1f}"
    if name == "clipped":
        return f"{value:.1%}"
    return f"{value:.1f}" if name in ("contrast", "seconds") else f"{value:.2f}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def main() -> None:
    """Compare, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="i3d-kinetics400")
    parser.add_argument("--layers", default=LAYERS, help="names, with commas")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--filters", help="these filters of every layer, with commas, in place of drawn ones")
    which.add_argument("--draw", type=int, default=ENOUGH_FILTERS, help="how many filters to draw over all layers")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--methods", default=",".join(METHODS), help="some of them, with commas")
    parser.add_argument("--steps", type=int, default=peer_method.STEPS, help="of the peer's method")
    parser.add_argument("--iterations", type=int, help="of ours and of keras-vis (default: each one's own)")
    parser.add_argument("--size", help="frames×height×width, 16x112x112 for example (default: the network's own)")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", type=Path, default=Path("bench-out"))
    args = parser.parse_args()
    if args.one:
        configure()
        write_render(args.output, *render(**json.loads(args.one)))
        return
    layers = args.layers.split(",")
    methods = [method for method in METHODS if method in args.methods.split(",")]
    if unknown := set(args.methods.split(",")) - set(METHODS):
        parser.error(f"no such method: {', '.join(sorted(unknown))}. Expected some of {', '.join(METHODS)}.")
    changes: dict[str, Any] = {} if args.iterations is None else {"iterations": args.iterations}
    if args.size:
        changes |= dict(zip(("frames", "height", "width"), map(int, args.size.split("x")), strict=True))
    chosen = [int(index) for index in args.filters.split(",")] if args.filters else []
    counts = [len(chosen)] * len(layers) if chosen else spread(args.draw, len(layers))
    args.output.mkdir(parents=True, exist_ok=True)
    run: dict[str, Any] = {
        "arguments": {name: str(value) for name, value in vars(args).items() if name != "one"},
        "load_average_before": os.getloadavg(),
        "dead": [],
        "filters": [],
    }
    rows, sheet = run["filters"], []
    print("layer filter | strength of each method | seconds of each", flush=True)
    for layer, count in zip(layers, counts, strict=True):
        drawn = (index for index in drawn_filters(args.network, layer, args.seed) if index not in chosen)
        candidates = iter([*chosen, *drawn])
        live = 0
        while live < count and (index := next(candidates, None)) is not None:
            target = {"network": args.network, "layer": layer, "filter": index, **changes}
            clips, row = compare(target, methods, args.steps)
            print(_line(row, methods), flush=True)
            if is_dead(row):
                run["dead"].append({"layer": layer, "filter": index})
                print(f"{layer} {index} is dead: no method found a response; the next one takes its place", flush=True)
            else:
                live += 1
                rows.append(row)
                sheet.append(clips)
            _write(args.output, run, methods, sheet)
    run["load_average_after"] = os.getloadavg()
    run["caveats"] = caveats(rows, methods, args.steps, bool(changes))
    run["targets"] = [target._asdict() for target in targets(rows)] if "ours" in methods else []
    _write(args.output, run, methods, sheet)
    print(report(run, methods))


def _line(row: Row, methods: Sequence[str]) -> str:
    strengths = " ".join(f"{row[method]['strength']:.2f}" for method in methods)
    seconds = " ".join(f"{row[method]['seconds']:.1f}" for method in methods)
    ratios = f" | {_ratio(row['strength_ratio'])}× {row['seconds_ratio']:.2f}×" if "strength_ratio" in row else ""
    return f"{row['layer']} {row['filter']} | {strengths} | {seconds}{ratios}"


def _write(folder: Path, run: dict[str, Any], methods: Sequence[str], sheet: Sequence[Sequence[np.ndarray]]) -> None:
    """Write what has been measured so far."""
    (folder / "peers.json").write_text(json.dumps(run, indent=1))
    if run["filters"]:
        (folder / "peers.md").write_text(report(run, methods))
        names = [f"{row['layer']} {row['filter']}" for row in run["filters"]]
        write_contact_sheet(folder / "peers.png", sheet, methods, names)


if __name__ == "__main__":
    main()
