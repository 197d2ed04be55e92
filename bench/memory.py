"""Memory of the render worker over many renders of different filters and layers, through the queue.

    python bench/memory.py --renders 50

Prints the worker's resident memory after each fifth render, and a JSON object with the peak and the growth from the
10th render to the last.
"""

import argparse
import json
import random
import sys
import tempfile
import time

import psutil

from c3dvis.networks.registry import describe
from c3dvis.queue import RenderQueue
from c3dvis.results import ResultStore
from c3dvis.spec import RenderSpec


def main() -> None:
    """Render, and watch the worker."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--renders", type=int, default=50)
    parser.add_argument("--iterations", type=int, default=RenderSpec().iterations)
    parser.add_argument("--seed", type=int, default=0, help="of the choice of layers and filters")
    args = parser.parse_args()
    chance = random.Random(args.seed)
    info = describe("i3d-kinetics400")
    layers = [layer for layer in info.layers if not layer.startswith("Logits")]
    resident: list[int] = []
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, ResultStore(folder) as store:
        queue = RenderQueue(store)
        for number in range(1, args.renders + 1):
            layer = chance.choice(layers)
            filters = info.output_shape(layer, 16, 112, 112)[3]
            job = queue.submit(RenderSpec(layer=layer, filter=chance.randrange(filters), iterations=args.iterations))
            if not job.wait(600) or job.state != "done":
                sys.exit(f"Render {number} of {layer} did not finish: {job.snapshot().error}")
            resident.append(psutil.Process(queue.status().workers[0].pid).memory_info().rss)
            if number % 5 == 0:
                print(f"{number:4d}  {resident[-1] / 2**20:7.0f} MiB  {layer}", file=sys.stderr, flush=True)
        queue.close()
    tenth = resident[min(9, len(resident) - 1)]
    figures = {
        "renders": args.renders,
        "peak_after_a_render_MiB": round(max(resident) / 2**20),
        "growth_from_10th_to_last_MiB": round((resident[-1] - tenth) / 2**20),
        "growth_from_10th_to_highest_MiB": round((max(resident[9:]) - tenth) / 2**20) if len(resident) > 9 else None,
        "seconds": round(time.perf_counter() - began),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
