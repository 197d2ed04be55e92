"""How much memory a render needs, and whether this machine has it. TensorFlow is not needed to tell.

The needs were fitted to measured peaks of the process (`bench/render_memory.py`): they are 1.3 to 1.9 times the peak
of a large clip.
"""

import math
from pathlib import Path

import psutil

from c3dvis.errors import InvalidSpec
from c3dvis.networks.registry import NetworkInfo
from c3dvis.spec import RenderSpec

PER_OUTPUT = 12
"""Bytes for each number that an operation gives: it is kept for the backward pass, beside its gradient."""
PER_VOXEL = 220
"""Bytes for each voxel and plane: parameters, the optimiser's memory, and the volume on its way through the bases."""
MEASURES = 90
"""Bytes for each voxel and plane of one clip: changed clips of the measures, and their spectra."""
FIXED = 250 << 20
"""Bytes for compiled functions and buffers of every render."""


def needed(spec: RenderSpec, info: NetworkInfo) -> int:
    """About how many bytes a render takes beside the network and the libraries.

    Args:
        spec: with a size.
        info: of its network.
    """
    shapes = info.architecture.shapes(*spec.size)
    outputs = sum(math.prod(shapes[op.name]) for op in info.architecture.ancestry(spec.layer))
    values = math.prod(spec.size) * info.domain.planes
    return FIXED + spec.variants * (PER_OUTPUT * outputs + PER_VOXEL * values) + MEASURES * values


def available() -> int:
    """Bytes that this process can still take, within the limit of its container."""
    free = psutil.virtual_memory().available
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
    except (OSError, ValueError):  # no container, or one without a limit
        return free
    return min(free, limit - used)


def check_memory(spec: RenderSpec, info: NetworkInfo) -> None:
    """Check that this machine's memory is enough for a render on its processors.

    Raises:
        InvalidSpec: it is not.
    """
    wanted, free = needed(spec, info), available()
    if wanted > free:
        raise InvalidSpec(
            f"A clip of {'×'.join(map(str, spec.size))} (frames×height×width) at {spec.layer} takes about "
            f"{wanted / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free. Make frames, height or width smaller, "
            "or choose an earlier layer."
        )
