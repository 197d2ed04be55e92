"""Peak memory of a render, beside what `maximize/memory.py` expects of it.

    python bench/render_memory.py

Each render runs in a process of its own, for a few steps; the size of the steps' memory does not depend on their
number. Prints a line for each, and fails if a render took more than was expected.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

CASES = (
    ("i3d-kinetics400", "Conv3d_1a_7x7", (16, 112, 112)),
    ("i3d-kinetics400", "Mixed_4d", (16, 112, 112)),
    ("i3d-kinetics400", "Mixed_3b", (64, 224, 224)),
    ("i3d-kinetics400", "Conv3d_1a_7x7", (8, 512, 512)),
    ("i3d-kinetics400", "Conv3d_1a_7x7", (512, 64, 64)),
    ("i3d-kinetics400", "Conv3d_2c_3x3", (2, 1024, 1024)),
    ("i3d-kinetics400", "Mixed_5c", (32, 224, 224)),
)  # fmt: skip


def measure(network: str, layer: str, size: tuple[int, int, int], variants: int) -> None:
    """Render in this process; print the bytes above the loaded network, and those expected."""
    import c3dvis
    from c3dvis.maximize import memory
    from c3dvis.networks.registry import describe

    frames, height, width = size
    spec = c3dvis.RenderSpec(
        network=network, layer=layer, filter=0, frames=frames, height=height, width=width, iterations=10,
        variants=variants,
    )  # fmt: skip
    c3dvis.load_network(network)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    c3dvis.render(spec)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"measured": peak - before, "expected": memory.needed(spec, describe(network))}))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", type=int, help="one of the cases, in this process")
    parser.add_argument("--variants", type=int, default=1)
    options = parser.parse_args()
    if options.case is not None:
        network, layer, size = CASES[options.case]
        measure(network, layer, size, options.variants)
        return 0
    exceeded = 0
    for number, (_, layer, size) in enumerate(CASES):
        command = [sys.executable, __file__, "--case", str(number), "--variants", str(options.variants)]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"})
        if done.returncode:
            print(f"{layer} at {size}: {done.stderr.strip().splitlines()[-1]}")
            continue
        found = json.loads(done.stdout.splitlines()[-1])
        exceeded += found["measured"] > found["expected"]
        print(
            f"{layer} at {'×'.join(map(str, size))}: {found['measured'] / 1e9:.2f} GB, expected "
            f"{found['expected'] / 1e9:.2f} GB",
            flush=True,
        )
    return int(exceeded > 0)


if __name__ == "__main__":
    sys.exit(main())
