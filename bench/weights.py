"""Time to load all of C3D's weights from each file layout, and the memory needed beyond the weights themselves.

    python -m bench.weights

The script writes each layout once with random weights (320 MB) and reads it in a separate process.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from c3dvis.networks.graph.c3d import architecture
from c3dvis.networks.weights.conversion import convert
from c3dvis.networks.weights.weights_file import open_weights
from tests.networks.layouts import SIZE, WRITERS, random_weights

FORMS = ("caffe of c3d", "pytorch, old form", "pytorch, mmaction2", "keras 0, theano", "keras 2", "npz", "c3dvis")


def main() -> None:
    """Writes each layout, and has it read."""
    weights = random_weights(architecture())
    with tempfile.TemporaryDirectory() as folder:
        for form in FORMS:
            if form == "c3dvis":
                path = Path(folder) / "own.h5"
                convert(WRITERS["keras 2"](Path(folder), weights), path, architecture(), SIZE)
            else:
                path = WRITERS[form](Path(folder), weights)
            subprocess.run([sys.executable, "-m", "bench.weights", form, str(path)], check=True)
            path.unlink()


def read(form: str, path: Path) -> None:
    """Reads one file whole, and prints what that took."""
    before, began = _peak(), time.perf_counter()
    opened = open_weights(path, architecture(), SIZE)
    held = [opened[layer] for layer in opened]
    seconds = time.perf_counter() - began
    network = sum(part.nbytes for pair in held for part in pair) / 2**20
    print(
        f"{form:<20} {seconds:5.2f} s, {_peak() - before - network:5.0f} MB beyond the network's own {network:.0f} MB"
    )


def _peak() -> float:
    """The most memory that this process has had so far, in MB; Linux alone tells."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    if len(sys.argv) > 1:
        read(sys.argv[1], Path(sys.argv[2]))
    else:
        main()
