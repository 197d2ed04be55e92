"""The schedule of an optimisation: canvas sizes, numbers of steps, learning rates, views and batch sizes.

An optimisation begins on a small periodic canvas, where a step costs a fraction of one at full size, so that a first
picture appears soon. It continues at full size from copies of the small canvas, each rolled (shifted cyclically) by
another amount.
"""

import math
from dataclasses import dataclass

import numpy as np

from c3dvis.maximize.volume.random_views import random_views
from c3dvis.networks.graph.operations import Conv, Dense
from c3dvis.networks.registry import NetworkInfo
from c3dvis.spec import RenderSpec

SKETCH_STEPS = 12
"""Steps on the small canvas, the *sketch*. More of them would decide the picture before the steps at full size."""
SKETCH_SHARE = 0.25
"""Largest share of all steps that the sketch takes, unless `FULL_SIZE_WORK` demands more."""
SKETCH_RATE = 4.0
"""Learning rate on the small canvas, in units of the spec's."""

FULL_SIZE_WORK = 3e12
"""Multiplications of the forward passes of all steps at full size. Where a network's steps would cost more, the
remaining steps are done on the small canvas."""

POSITIONS = 4
"""Positions of the layer that the small canvas spans in height and in width, within `CANVAS_BOUNDS`."""
CANVAS_BOUNDS = (32, 64)
"""Smallest and largest height and width of the small canvas, in pixels. It has as many frames as the clip, since a
repetition in time would show."""

SETTLE_SHARE = 0.4
"""Share of the steps at full size in which the learning rate falls linearly to 0, so that the clip does not follow the
last random view."""

EARLY = 0.4
"""Share of the steps at full size in which the rivalry term has `EARLY_RIVALRY` of its weight, while shapes form.
Held back at full weight from the start, a filter ends with a weaker picture that is no more selective."""
EARLY_RIVALRY = 0.4
RIVALRY_GROWTH, MOST_RIVALRY = 1.25, 2.5
"""After them, the factor by which the weight grows for every few steps in which a rival leads, and how often its own
size it becomes at most. Most targets lead without; those that do not are shown with what excites them alone."""

FIRST_SHAPES = 16
"""Steps at full size after which shapes are clear enough to compare how they should move, if at least three times as
many follow. Earlier, a filter of a late layer prefers a motion by chance; later, more is lost that fitted the slower
one."""

LONGEST_WAVE = (1.5, 12)
"""Longest wave of full amplitude: in strides of the layer, and at least in pixels. A receptive field spans a few
strides. Tying the longest wave to the stride lets shapes form after about as many steps on every layer."""

LARGEST_BATCH = 8
"""Filters of a layer in one batch."""
CPU_CONVOLUTION = 8e8
"""Multiplications of a whole batch in the mean convolution up to a layer, on a CPU. A convolution with more of them
keeps all cores busy without a batch, and a larger batch does not fit the caches."""
REGISTER = 8
"""Values in a CPU's vector register. The sum over a row depends on the row's first address if the row's length is not a
multiple of it."""
GPU_PASS = 4e11
"""Multiplications of a forward pass of a whole batch, on a GPU."""

PATIENCE = 2
"""Measurements without a rise by the factor `RISE` after which the learning rate begins to fall early."""
RISE = 1.01


@dataclass(frozen=True)
class Schedule:
    """The steps of one optimisation.

    Attributes:
        canvas: (frames, height, width) of the small canvas; None if there is none.
        sketch: steps on the small canvas.
        climb: steps at full size at the full learning rate.
        settle: steps at full size while the learning rate falls.
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
        """The cost of the first `steps` steps, in steps at full size."""
        return self.sketch_cost * min(steps, self.sketch) + max(0.0, steps - self.sketch)


def work(spec: RenderSpec, info: NetworkInfo) -> int:
    """Multiplications of one forward pass at full size."""
    return info.architecture.multiplications(spec.layer, *spec.size)


def total_work(spec: RenderSpec, info: NetworkInfo) -> float:
    """What a whole render costs: the multiplications of the forward passes of all steps and variants.

    A fully connected layer counts with its weights, and a pass with no fewer than the clip has values.
    """
    before = info.architecture.ancestry(spec.layer)
    weights = info.architecture.parameters(*spec.size) if any(isinstance(op, Dense) for op in before) else {}
    dense = sum(weights[op.name] for op in before if isinstance(op, Dense))
    one_pass = max(work(spec, info) + dense, 3 * math.prod(spec.size))
    return float(one_pass * max(1, spec.iterations) * spec.variants)


def family(spec: RenderSpec) -> str | None:
    """A key that specs share if they may be rendered in one batch; None if a spec is rendered alone."""
    if spec.engine != "fast" or spec.objective != "filter" or not isinstance(spec.filter, int):
        return None
    if spec.variants > 1 or spec.start_clip:
        return None
    return spec.replace(filter=0).to_json()


def batch_size(spec: RenderSpec, info: NetworkInfo, kind: str, precision: str) -> int:
    """How many specs of one family to render in one batch: a power of two, from 1 to `LARGEST_BATCH`.

    A batch keeps the processors busy where one volume is too little work for them: late layers and small clips on a
    CPU, nearly every layer on a GPU. The same spec must give the same bytes in a batch and alone. On a CPU that holds
    in bfloat16, if the number of frames is a multiple of `REGISTER`; in float32 some matrix products round differently.

    Args:
        kind: of device, `CPU` or `GPU`.
        precision: that the device uses for `auto`.
    """
    cost = work(spec, info)
    if family(spec) is None or not cost:  # `work` does not know the cost of a layer without a convolution before it
        return 1
    if kind == "GPU":
        return _power_of_two(GPU_PASS / cost)
    if spec.frames % REGISTER or (precision if spec.precision == "auto" else spec.precision) == "float32":
        return 1
    convolutions = sum(isinstance(op, Conv) for op in info.architecture.ancestry(spec.layer))
    count = _power_of_two(CPU_CONVOLUTION * convolutions / cost)
    return count if count > 2 else 1  # two gain nothing


def _power_of_two(number: float) -> int:
    """The largest power of two up to `number`, within 1 to `LARGEST_BATCH`. Each batch size is compiled separately."""
    return 2 ** int(math.log2(max(1.0, min(LARGEST_BATCH, number))))


def small_canvas(spec: RenderSpec, info: NetworkInfo) -> tuple[int, int, int] | None:
    """Size of the periodic canvas that an optimisation begins on.

    None if it would save nothing, or if its copies would not excite the target as it does.
    """
    if spec.parametrization == "pixel" or spec.objective not in ("filter", "layer") or spec.start_clip:
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
    """Longest wave of full amplitude in a spec's volume, in pixels."""
    _, stride = info.architecture.receptive_field(spec.layer)
    strides, least = LONGEST_WAVE
    return max(least, strides * max(stride[1:]))


def sketch_views(spec: RenderSpec, steps: int) -> np.ndarray:
    """(steps, 6): no shift and scale in the first `SKETCH_STEPS`, then as in `full_views`."""
    views = full_views(spec, steps)
    views[:SKETCH_STEPS] = 0
    return views


def full_views(spec: RenderSpec, steps: int) -> np.ndarray:
    """(steps, 6): random shifts and scales, from the spec's seed."""
    return random_views(steps, spec.jitter_pixels, spec.jitter_frames, spec.seed)


def settling_rates(rate: float, steps: int) -> np.ndarray:
    """(steps,) float32 learning rates that fall linearly from `rate` towards 0."""
    return (rate * (steps - np.arange(steps)) / max(1, steps)).astype(np.float32)


def next_rivalry(factor: float, rivalry: np.ndarray) -> float:
    """The factor of the weight of rivalry for the next steps, from that of some steps and their rivalry (n,).

    It grows until the target leads by the margin of the rivalry, up to `MOST_RIVALRY`, and then falls back to 1.
    """
    led = np.mean(rivalry > 0) > 0.5
    return min(factor * RIVALRY_GROWTH, MOST_RIVALRY) if led else max(factor / RIVALRY_GROWTH, 1.0)


def first_shapes(steps: int) -> int:
    """After how many of the steps at full size a texture is asked how it should move; 0: never."""
    return FIRST_SHAPES if steps >= 4 * FIRST_SHAPES else 0


def has_levelled(shown: list[float]) -> bool:
    """Whether the last `PATIENCE` measurements of the shown activation rose by less than the factor `RISE`."""
    if len(shown) <= PATIENCE:
        return False
    return max(shown[-PATIENCE:]) < RISE * max(shown[:-PATIENCE])
