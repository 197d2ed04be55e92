"""Compares the engines `keras-vis` and `fast`, each with its defaults: same network, filters, clip size and machine.

    python bench/versus_keras_vis.py --layers Mixed_4d,Mixed_5b --filters 3,40 -o bench-out

Each render has its own process: the network is loaded, nothing is compiled, and the clock starts at the call of
`render()`. The previews of a render are measured after it has ended, so that the measurements do not count as its time.
Prints a table, and writes `versus.json` and the contact sheet `versus.png` (three frames and the x–t slice, keras-vis
left, c3dvis right). `c3dvis/maximize/quality.py` defines the measures.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import c3dvis
from bench.side_by_side import (
    MEASURES,
    geometric_mean,
    peak_memory,
    render_in_process,
    write_contact_sheet,
    write_render,
)
from c3dvis.maximize.progress import Progress
from c3dvis.maximize.quality import Quality


def render_one(spec_json: str, path: Path) -> None:
    """Render in this child process, and write clip and figures to a file."""
    spec = c3dvis.RenderSpec.from_json(spec_json)
    network = c3dvis.load_network(spec.network)
    seen: list[Progress] = []
    result = c3dvis.render(spec, seen.append)
    peak = peak_memory()
    quality = Quality(network, spec)
    clips = [
        (progress.seconds, progress.preview) for progress in seen if progress.step and progress.preview is not None
    ]
    figures = {
        **{name: result.metrics[name] for name in MEASURES},
        "dead": result.metrics["dead"],
        "seconds": result.provenance["seconds"],
        "search_seconds": result.provenance["search_seconds"],
        "deviation": float(result.clip.std()),
        "peak_memory_MiB": peak,
        "device": result.provenance["device"],
        "history": [[seconds, quality.shown_activation(clip)] for seconds, clip in clips],
    }
    write_render(path, result.clip, figures)


def seconds_to_reach(history: list[list[float]], wanted: float) -> float | None:
    """Seconds until the shown clip first had the wanted activation; None if it never had."""
    return next((seconds for seconds, shown in history if shown >= wanted), None)


def compare(network: str, layer: str, index: int, changes: dict[str, Any]) -> tuple[list[np.ndarray], dict[str, Any]]:
    """Render one filter with both engines. Returns the two clips and a row of the table."""
    target: dict[str, Any] = {"network": network, "layer": layer, "filter": index, **changes}
    theirs_clip, theirs = render_in_process(__file__, c3dvis.RenderSpec(engine="keras-vis", **target).to_json())
    ours_clip, ours = render_in_process(__file__, c3dvis.RenderSpec(**target).to_json())
    reached = seconds_to_reach(ours["history"], theirs["shown_activation"])
    in_our_time = [shown for seconds, shown in theirs["history"] if seconds <= ours["search_seconds"]]
    row = {
        "layer": layer,
        "filter": index,
        "seconds_to_match": reached,
        "times_sooner": theirs["search_seconds"] / reached if reached else None,
        "times_stronger": ours["shown_activation"] / theirs["shown_activation"] if theirs["shown_activation"] else None,
        "theirs_in_our_time": in_our_time[-1] if in_our_time else None,
        "ours": ours,
        "keras-vis": theirs,
    }
    return [theirs_clip, ours_clip], row


def main() -> None:
    """Compare, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="i3d-kinetics400")
    parser.add_argument("--layers", default="Conv3d_2c_3x3,Mixed_3c,Mixed_4d,Mixed_4f,Mixed_5b")
    parser.add_argument("--filters", default="3,40,77")
    parser.add_argument("--quick", action="store_true", help="two filters alone: Mixed_4d 3 and 40")
    parser.add_argument("--iterations", type=int, help="steps of both (default: each engine's own)")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", type=Path, default=Path("bench-out"))
    args = parser.parse_args()
    if args.one:
        render_one(args.one, args.output)
        return
    layers, filters = args.layers.split(","), [int(index) for index in args.filters.split(",")]
    wanted = [("Mixed_4d", 3), ("Mixed_4d", 40)] if args.quick else [(la, f) for la in layers for f in filters]
    changes: dict[str, Any] = {} if args.iterations is None else {"iterations": args.iterations}
    args.output.mkdir(parents=True, exist_ok=True)
    pairs, rows = [], []
    print("layer filter | s to match, sooner | shown: theirs, ours, times | gain select robust coher repet | s, MiB")
    for layer, index in wanted:
        pair, row = compare(args.network, layer, index, changes)
        pairs.append(pair)
        rows.append(row)
        print(_line(row), flush=True)
    live = [row for row in rows if row["ours"]["shown_activation"] > 0]
    summary = {
        "times_sooner_geometric_mean": geometric_mean([row["times_sooner"] for row in live]),
        "times_sooner_least": min((row["times_sooner"] or 0 for row in live), default=None),
        "times_stronger_geometric_mean": geometric_mean([row["times_stronger"] for row in live]),
        "times_stronger_least": min((row["times_stronger"] or 0 for row in live), default=None),
        "robustness_geometric_mean": geometric_mean([row["ours"]["robustness"] for row in live]),
        "first_of_layer": sum(row["ours"]["selectivity"] == 1 for row in live) / max(1, len(live)),
        "repetition_highest": max((row["ours"]["repetition"] for row in live), default=None),
        "deviation_least": min((row["ours"]["deviation"] for row in live), default=None),
        "seconds_longest": max((row["ours"]["seconds"] for row in live), default=None),
    }
    print(json.dumps(summary, indent=1))
    (args.output / "versus.json").write_text(json.dumps({"summary": summary, "filters": rows}, indent=1))
    write_contact_sheet(args.output / "versus.png", pairs)


def _line(row: dict[str, Any]) -> str:
    ours, theirs = row["ours"], row["keras-vis"]
    reached = "never" if row["seconds_to_match"] is None else f"{row['seconds_to_match']:.2f}"
    return (
        f"{row['layer']} {row['filter']} | {reached} {row['times_sooner'] or 0:.0f}× | "
        f"{theirs['shown_activation']:.2f} {ours['shown_activation']:.2f} {row['times_stronger'] or 0:.1f}× | "
        f"{ours['gain'] or 0:.1f} {ours['selectivity']} {ours['robustness'] or 0:.2f} {ours['coherence']:.2f} "
        f"{ours['repetition']:.2f} | {ours['seconds']:.1f} vs {theirs['seconds']:.1f}, {ours['peak_memory_MiB']:.0f}"
    )


if __name__ == "__main__":
    main()
