"""What texture and motion each keep of filters' responses: `c3dvis.take_apart` over several filters.

    python bench/motion.py --layers Mixed_3c,Mixed_4f,Mixed_5b --filters 3,40,77 -o motion.json
    python bench/motion.py --files c3dvis/results/starter/*.h5

Renders each filter with its defaults, or reads finished results, and takes each apart. *reconstructed* is the share of
the response that the best reconstruction keeps, without regard to the filter; *rebuilt* is that of the final texture
and motion; *still* is the texture held still; *on noise* is the motion on grey noise; *likeness* is the share of the
found clip's variance that the rebuilt clip explains. The last lines have the geometric means over the filters that need
motion (measure *motion* above 1.5).
"""

import argparse
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import c3dvis
from c3dvis.maximize.quality import Quality
from c3dvis.maximize.texture_motion.reconstruction import reconstruct
from c3dvis.maximize.texture_motion.take_apart import packed, shares
from c3dvis.networks.compute.network import load_network
from c3dvis.results import RenderResult

NEEDS_MOTION = 1.5
COLUMNS = ("motion", "reconstructed", "rebuilt_share", "texture_share", "motion_share", "rebuilt_likeness", "seconds")


def main() -> None:
    """Take the filters apart, print the table, and write JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--layers", default="Mixed_3c,Mixed_4f,Mixed_5b", help="layers of I3D, with commas")
    parser.add_argument("--filters", default="3,40,77", help="numbers, with commas")
    parser.add_argument("--files", nargs="+", type=Path, help="HDF5 files of results to read instead")
    parser.add_argument("-o", "--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    print("| filter | motion | reconstructed | rebuilt | still | on noise | likeness | s |\n" + "|---" * 8 + "|")
    rows = []
    for result in results(arguments):
        rows.append(row := measured(result))
        print(f"| {row['filter']} | " + " | ".join(f"{row[name]:.2f}" for name in COLUMNS) + " |", flush=True)
    moving = [row for row in rows if row["motion"] > NEEDS_MOTION]
    for name in ("reconstructed", "rebuilt_share"):
        if moving:
            mean = math.exp(sum(math.log(row[name]) for row in moving) / len(moving))
            least = min(row[name] for row in moving)
            print(f"{name}, {len(moving)} filters with motion > {NEEDS_MOTION}: mean {mean:.2f}, least {least:.2f}")
    if arguments.output:
        arguments.output.write_text(json.dumps(rows, indent=1) + "\n")


def results(arguments: argparse.Namespace) -> Iterator[RenderResult]:
    """The results to take apart, one after the other."""
    if arguments.files:
        yield from (RenderResult.from_bytes(path.read_bytes()) for path in arguments.files)
        return
    for layer in arguments.layers.split(","):
        for number in arguments.filters.split(","):
            yield c3dvis.render(c3dvis.RenderSpec(layer=layer, filter=int(number)))


def measured(result: RenderResult) -> dict[str, Any]:
    """One row of the table."""
    began = time.perf_counter()
    apart = c3dvis.take_apart(result)
    seconds = time.perf_counter() - began
    quality = Quality(load_network(result.spec.network), result.spec)
    activation = quality.shown_activation(result.clip)
    first = shares(quality, packed(*reconstruct(result.clip)), activation)["rebuilt_share"]
    row = {name: apart.metrics[name] for name in COLUMNS if name in apart.metrics}
    return {
        "filter": f"{result.spec.layer} {result.spec.filter_text}",
        **row,
        "reconstructed": first,
        "seconds": seconds,
    }


if __name__ == "__main__":
    main()
