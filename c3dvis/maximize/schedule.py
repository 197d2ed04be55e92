"""When a search does what: which canvas, how many steps on it, at which learning rate, through which views.

A search begins on a small periodic canvas, where a step costs a fraction of one at full size and a first picture is
there at once; copies of it, each rolled by chance, are the start at full size.
"""

import math
from dataclasses import dataclass

import numpy as np

from c3dvis.maximize.transforms import random_views
from c3dvis.networks.graph.operations import Conv, Dense
from c3dvis.networks.registry import NetworkInfo
from c3dvis.spec import RenderSpec

SKETCH_STEPS = 12
"""Steps on the small canvas, and at most this share of all; more would settle what the full canvas shows:"""
SKETCH_SHARE = 0.25
SKETCH_RATE = 4.0
"""Learning rate on the small canvas, in units of the spec's."""

FULL_SIZE_WORK = 3e12
"""Multiplications of the network's forward pass that all steps at full size may cost together; what a heavy network
cannot afford of its steps it takes on the small canvas."""

POSITIONS = 4
"""Positions of the layer that the small canvas spans in height and width, within these bounds in pixels. It is as long
as the clip: a cut in time would show."""
CANVAS_BOUNDS = (32, 64)

SETTLE_SHARE = 0.3
"""Share of the steps at full size in which the learning rate falls linearly to 0, so that the last views leave no
trace."""

LONGEST_WAVE = (1.5, 12)
"""Longest wave of full strength, in strides of the layer and at least in pixels: a shape that a layer sees is some of
its positions large, and what is much larger is a wash of colour."""

TOGETHER = 8
"""Filters of a layer that are searched in one batch at most."""
CPU_CONVOLUTION = 8e8
"""Multiplications of a whole batch in the mean convolution up to a layer, on a CPU: one with more keeps the cores busy
alone, and a larger batch leaves the caches."""
REGISTER = 8
"""Numbers that a CPU adds up at once: a sum over rows that are no multiple of it depends on where a row begins."""
GPU_PASS = 4e11
"""Multiplications of a forward pass of a whole batch on a GPU."""

PATIENCE = 2
"""Looks without a rise by `RISE` after which the search settles early."""
RISE = 1.01


@dataclass(frozen=True)
class Schedule:
    """The steps of one search.

    Attributes:
        canvas: (frames, height, width) of the small canvas; None where there is none.
        sketch: steps on it.
        climb, settle: steps at full size, at the full learning rate and while it falls.
        sketch_cost: of a step on the small canvas, in steps at full size.
    """

    canvas: tuple[int, int, int] | None
    sketch: int
    climb: int
    settle: int
    sketch_cost: float = 1.0

    @classmethod
    def of(cls, spec: RenderSpec, info: NetworkInfo) -> "Schedule":
        """The schedule of a spec."""
        canvas = small_canvas(spec, info)
        sketch = 0
        if canvas:
            affordable = int(FULL_SIZE_WORK / work(spec, info))
            sketch = max(min(SKETCH_STEPS, int(SKETCH_SHARE * spec.iterations)), spec.iterations - affordable)
        left = spec.iterations - sketch
        settle = round(SETTLE_SHARE * left)
        if canvas is None or not sketch:
            return cls(None, 0, left - settle, settle)
        cost = math.prod(canvas) / (spec.frames * spec.height * spec.width)
        return cls(canvas, sketch, left - settle, settle, cost)

    def cost(self, steps: float) -> float:
        """Of the first so many steps, in steps at full size."""
        return self.sketch_cost * min(steps, self.sketch) + max(0.0, steps - self.sketch)


def work(spec: RenderSpec, info: NetworkInfo) -> int:
    """Multiplications of one forward pass at full size."""
    architecture = info.architecture
    shapes = architecture.shapes(spec.frames, spec.height, spec.width)
    convolutions = [op for op in architecture.ancestry(spec.layer) if isinstance(op, Conv)]
    return sum(math.prod(shapes[op.name]) * math.prod(op.kernel) * shapes[op.inputs[0]][-1] for op in convolutions)


def family(spec: RenderSpec) -> str | None:
    """What a spec has in common with those that can be searched in one batch with it; None if it goes alone."""
    if spec.engine != "fast" or spec.objective != "filter" or spec.variants > 1 or not isinstance(spec.filter, int):
        return None
    return spec.replace(filter=0).to_json()


def together(spec: RenderSpec, info: NetworkInfo, kind: str, precision: str) -> int:
    """How many of a spec's family to search in one batch, 1 to `TOGETHER`, a power of two.

    Several at once keep the processors busy where one volume is too little work for them: late layers and small clips
    on a CPU, nearly everything on a GPU. The same spec is to give the same bytes in a batch and alone; on a CPU it does
    in bfloat16, with numbers that fill its vector registers. In float32 some products are rounded otherwise.

    Args:
        kind: of device, `CPU` or `GPU`.
        precision: that the device takes for `auto`.
    """
    cost = work(spec, info)
    if family(spec) is None or not cost:  # of a layer without a convolution before it, what it costs is not known
        return 1
    if kind == "GPU":
        return _power_of_two(GPU_PASS / cost)
    if spec.frames % REGISTER or (precision if spec.precision == "auto" else spec.precision) == "float32":
        return 1
    convolutions = sum(isinstance(op, Conv) for op in info.architecture.ancestry(spec.layer))
    count = _power_of_two(CPU_CONVOLUTION * convolutions / cost)
    return count if count > 2 else 1  # two gain nothing


def _power_of_two(number: float) -> int:
    """The largest that is not above a number, within 1 to `TOGETHER`: each size of a batch is compiled anew."""
    return 2 ** int(math.log2(max(1.0, min(TOGETHER, number))))


def small_canvas(spec: RenderSpec, info: NetworkInfo) -> tuple[int, int, int] | None:
    """The periodic canvas that a search begins on, or None where it would save nothing or show something else."""
    if spec.parametrization != "fourier" or spec.objective not in ("filter", "layer"):
        return None
    if any(isinstance(op, Dense) for op in info.architecture.ancestry(spec.layer)):
        return None
    full = (spec.frames, spec.height, spec.width)
    _, stride = info.architecture.receptive_field(spec.layer)
    least = info.architecture.smallest_size(spec.layer)
    low, high = CANVAS_BOUNDS
    height, width = (min(full[i], max(low, least[i], min(high, POSITIONS * stride[i]))) for i in (1, 2))
    return (spec.frames, height, width) if spec.height * spec.width >= 2 * height * width else None


def longest_wave(spec: RenderSpec, info: NetworkInfo) -> float:
    """Pixels of the longest wave that a spec's volume has at full strength."""
    _, stride = info.architecture.receptive_field(spec.layer)
    strides, least = LONGEST_WAVE
    return max(least, strides * max(stride[1:]))


def sketch_views(spec: RenderSpec, steps: int) -> np.ndarray:
    """(steps, 6): at first the volume as it is, since a sketch wants to be quick; in a long one, then by chance."""
    views = full_views(spec, steps)
    views[:SKETCH_STEPS] = 0
    return views


def full_views(spec: RenderSpec, steps: int) -> np.ndarray:
    """(steps, 6): shifted and scaled by chance, from the spec's seed."""
    return random_views(steps, spec.jitter_pixels, spec.jitter_frames, spec.seed)


def settling_rates(rate: float, steps: int) -> np.ndarray:
    """(steps,) float32, falling linearly from `rate` towards 0."""
    return (rate * (steps - np.arange(steps)) / max(1, steps)).astype(np.float32)


def has_levelled(shown: list[float]) -> bool:
    """Whether the last looks at the shown activation brought nothing more."""
    if len(shown) <= PATIENCE:
        return False
    return max(shown[-PATIENCE:]) < RISE * max(shown[:-PATIENCE])
