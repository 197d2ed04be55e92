"""The inputs of a Keras model: which one takes the clip, and what the others hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.graph.operations import Constant
from c3dvis.networks.importers.from_keras.address import Held
from c3dvis.networks.importers.from_keras.value import Steps, Value

Shape = tuple[int | None, ...]

_LAYOUTS = {4: ("thwc", "cthw", "tchw"), 3: ("thw",)}
"""Orders of the clip's axes in the input behind the batch, by their number; most have the channels last."""
NUM_LAYOUTS = max(map(len, _LAYOUTS.values()))
_USUAL = {"t": 16, "h": 112, "w": 112}
_MAX_CHANNELS = 64


@dataclass(frozen=True)
class ClipInput:
    """The input that takes the clip.

    Attributes:
        name: of the input.
        order: of its axes behind the batch, such as `thwc`.
        own_size: (frames, height, width), None where the model takes any.
        sizes: by axis, t, h, w and c: the model's own, else those asked for, else the usual ones.
    """

    name: str
    order: str
    own_size: tuple[int | None, int | None, int | None]
    sizes: Mapping[str, int]

    @property
    def value(self) -> Value:
        """The clip as the model receives it."""
        return Value("input", tuple(self.sizes[axis] for axis in "thwc"), self.order)


def input_shape(config: Mapping[str, Any], built_shape: Any = None) -> Shape:
    """The shape of an input behind the batch, from a layer's settings, or that with which the model was built."""
    return tuple((config.get("batch_shape") or config.get("batch_input_shape") or built_shape or ())[1:])


def clip_input(shapes: Mapping[str, Shape], layout: int, size: tuple[int, int, int] | None) -> ClipInput:
    """The input that takes the clip: the first with the axes of a volume, or else of frames without channels.

    Args:
        shapes: of the model's inputs behind the batch, by name.
        layout: which order of axes to take, from 0 to `NUM_LAYOUTS` - 1.
        size: (frames, height, width) that is asked for.

    Raises:
        WeightsDamaged: no input takes a clip, or none with axes in that order.
    """
    ranked = sorted(_LAYOUTS, reverse=True)
    name = next((name for rank in ranked for name, shape in shapes.items() if len(shape) == rank), None)
    if name is None:
        raise _wrong_input(next(iter(shapes.values()), ()))
    layouts = _LAYOUTS[len(shapes[name])]
    if layout >= len(layouts):
        raise _wrong_input(shapes[name])
    own = dict(zip(layouts[layout], shapes[name], strict=True))
    channels = own.get("c", 1)
    if not isinstance(channels, int) or not 1 <= channels <= _MAX_CHANNELS:
        raise _wrong_input(shapes[name])
    asked = dict(zip("thw", size, strict=True)) if size else {}
    sizes = {axis: asked.get(axis) or own[axis] or _USUAL[axis] for axis in "thw"} | {"c": channels}
    return ClipInput(name, layouts[layout], (own["t"], own["h"], own["w"]), sizes)


def held_input(steps: Steps, name: str, shape: Shape, clip: ClipInput, numbers: Sequence[float]) -> tuple[Value, Held]:
    """A constant in place of another input than the clip's; a size that the model leaves open is that of the clip.

    Args:
        steps: that the constant is added to.
        name, shape: of the input, behind the batch.
        numbers: that it holds: one, or one for each channel, of which the mean is taken where the channels are others.

    Raises:
        WeightsDamaged: it has no axis, or more than a clip.
    """
    if not 1 <= len(shape) <= 4:
        raise WeightsDamaged(f"The input {name[:60]} has {len(shape)} axes; expected one to four.")
    axes = clip.order if len(shape) == len(clip.order) else "thw"[4 - len(shape) :] + "c"
    sizes = {axis: size or clip.sizes[axis] for axis, size in zip(axes, shape, strict=True)}
    if len(numbers) > 1 and (len(numbers) != sizes.get("c") or axes[-1] != "c"):
        numbers = (sum(numbers) / len(numbers),)
    whole = tuple(sizes.get(axis, 1) for axis in "thwc") if len(shape) > 1 else (sizes["c"],)
    if axes == clip.order:  # a size that is left open follows the clip's
        fixed = dict(zip(axes, shape, strict=True))
        whole = tuple(fixed.get(axis, 1) or 0 for axis in "thwc")
    value = Value("input", clip.value.shape, axes)
    made = steps.add(Constant(steps.name, ("input",), whole, tuple(numbers)), value)
    return made, Held(name, tuple(sizes[axis] for axis in axes), tuple(numbers))


def _wrong_input(shape: Sequence[Any]) -> WeightsDamaged:
    return WeightsDamaged(
        f"The model takes an input of shape {[None, *shape]}: expected (batch, frames, height, width, channels), or "
        f"with the channels first, from 1 to {_MAX_CHANNELS} of them."
    )
