"""`NetworkInfo`: the description of a network, without its weights. Imports no TensorFlow and reads no file."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from c3dvis.errors import InvalidSpec
from c3dvis.networks.graph.architecture import Architecture, LayerRow
from c3dvis.networks.graph.input_domain import InputDomain
from c3dvis.settings import weights_dir
from c3dvis.spec import RenderSpec

_SIZE_STEP = 8  # frames and pixels
_LARGEST_PICTURE = 4096  # pixels a side, which every format of the downloads takes

BEYOND_THE_CLIP = (
    "Where it is larger than the clip, a position sees the whole clip, and around it the zeros with which the layers "
    "before pad their inputs."
)
"""Explains a receptive field of 171 × 171 in a clip of 112 × 112."""


@dataclass(frozen=True)
class NetworkInfo:
    """Description of a network.

    Attributes:
        name: registry name.
        title: one line for people.
        licence: of the weights.
        source: where the weights come from.
        architecture: the network's operations.
        domain: the map between displayed clips and network input.
        default_size: (frames, height, width) of a render.
        trained_size: that for which dense layers have weights, if it is another.
        weights_file: name of the weights file in the network's folder.
        weights_sha256: of that file where there is one published file, else None.
        how_to_get: the command that installs the weights.
        code: of a network that a user's own code builds, the name of the function; the weights file holds the code.
    """

    name: str
    title: str
    licence: str
    source: str
    architecture: Architecture
    domain: InputDomain
    default_size: tuple[int, int, int]
    weights_file: str
    weights_sha256: str | None
    how_to_get: str = ""
    code: str = ""
    trained_size: tuple[int, int, int] = (0, 0, 0)

    def __post_init__(self) -> None:
        if self.trained_size == (0, 0, 0):
            object.__setattr__(self, "trained_size", self.default_size)

    @cached_property
    def computation(self) -> str:
        """Operations and input domain in canonical JSON: what the network computes, but for its weights."""
        described = {"input": self.domain.to_dict(), "operations": self.architecture.to_dict()["operations"]}
        return json.dumps(described, sort_keys=True, separators=(",", ":"))

    @property
    def layers(self) -> tuple[str, ...]:
        """Names that can be targeted, in order."""
        return self.architecture.layers

    def output_shape(self, layer: str, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """(t, h, w, filters) of a layer at a clip's size.

        Raises:
            UnknownLayer: no such layer.
            InvalidSpec: the clip is too small, or of another size than a dense layer on the way has weights for.
        """
        shape = self.architecture.output_shape(layer, frames, height, width)
        if (dense := self._dense_of_another_size(layer, (frames, height, width))) is not None:
            raise InvalidSpec(
                f"{dense} of {self.name} has weights for clips of {'×'.join(map(str, self.trained_size))} "
                f"(frames×height×width); received {frames}×{height}×{width}. Take that size for {layer}, or a "
                "convolutional layer."
            )
        return shape  # type: ignore[return-value]

    def _dense_of_another_size(self, layer: str, size: tuple[int, int, int]) -> str | None:
        """The first dense layer needed for a layer that has no weights for clips of a size."""
        here, trained = (self.architecture.parameters(*each) for each in (size, self.trained_size))
        ancestry = self.architecture.ancestry(layer)
        return next((op.name for op in ancestry if here[op.name] != trained[op.name]), None)

    def held_size(self, layer: str) -> tuple[int, int, int] | None:
        """The one size that a layer can have, because of the dense layers before it; None if it takes others too."""
        frames, height, width = self.trained_size
        others = [(2 * frames, height, width), (frames, 2 * height, width), (frames, height, 2 * width)]
        is_held = any(self._dense_of_another_size(layer, size) is not None for size in others)
        return self.trained_size if is_held else None

    def sized(self, spec: RenderSpec) -> RenderSpec:
        """A spec of this network with the usual size for its layer where its size was left out."""
        return spec if spec.is_sized else spec.sized(self.usable_size(spec.layer))

    def usable_size(self, layer: str) -> tuple[int, int, int]:
        """(frames, height, width): the network's usual size, enlarged where a layer needs more.

        A layer that takes one size alone, because of a dense layer, has that size.
        """
        if (held := self.held_size(layer)) is not None:
            return held
        least = self.architecture.smallest_size(layer)
        frames, height, width = (
            usual if usual >= needed else -(-needed // _SIZE_STEP) * _SIZE_STEP
            for usual, needed in zip(self.default_size, least, strict=True)
        )
        return frames, height, width

    def layer_shapes(self, frames: int, height: int, width: int) -> dict[str, tuple[int, ...]]:
        """Output shape of each layer that can be targeted, for a clip's size; (t, h, w, filters) or (units,)."""
        shapes = self.architecture.shapes(frames, height, width)
        return {layer: shapes[layer] for layer in self.layers}

    def table(self, frames: int, height: int, width: int) -> list[LayerRow]:
        """The layer table for a clip's size: one row for each operation."""
        return self.architecture.table(frames, height, width)

    def check(self, spec: RenderSpec) -> None:
        """Check that this network can render a spec.

        Raises:
            UnknownLayer: no such layer.
            InvalidSpec: the clip is too small, a filter or a position is out of range, or the engine does not know
                an operation on the way.
        """
        spec = self.sized(spec)
        shape = self.output_shape(spec.layer, spec.frames, spec.height, spec.width)
        if max(self.domain.picture_size(spec.height, spec.width)) > _LARGEST_PICTURE:
            raise InvalidSpec(
                f"The {self.domain.channels} channels of {self.name} do not fit side by side at {spec.width} × "
                f"{spec.height}: expected a picture of at most {_LARGEST_PICTURE} pixels a side. Take a smaller clip, "
                "or add the network with fewer channels shown."
            )
        if spec.objective == "class" and spec.layer != self.layers[-1]:
            raise InvalidSpec(
                f"A class score is read at {self.layers[-1]}, the last layer of {self.name}; received layer "
                f"{spec.layer}. Choose that layer, or objective 'filter'."
            )
        for index, _ in spec.filters if spec.objective != "layer" else ():
            if index >= shape[3]:
                raise InvalidSpec(
                    f"{spec.layer} of {self.name} has filters 0 to {shape[3] - 1}; received filter {index}."
                )
        if spec.position is not None and any(p >= n for p, n in zip(spec.position, shape[:3], strict=True)):
            raise InvalidSpec(
                f"{spec.layer} of {self.name} has positions up to {shape[0] - 1},{shape[1] - 1},{shape[2] - 1} "
                f"(t,h,w) at this clip's size; received {','.join(map(str, spec.position))}."
            )
        if spec.engine == "keras-vis" and (beyond := self.architecture.beyond_keras_vis(spec.layer)):
            raise InvalidSpec(
                f"The keras-vis engine does not know what {self.name} does at {beyond}; expected plain convolutions "
                "of colour clips. Choose engine 'fast'."
            )

    def check_texture_motion(self) -> None:
        """Check that clips of this network can be taken apart into a texture and its motion.

        Raises:
            InvalidSpec: it has more than three channels.
        """
        if self.domain.channels > 3:
            raise InvalidSpec(
                f"Texture and motion are found of pictures in colour or grey: expected a network of up to three "
                f"channels, received {self.name} of {self.domain.channels}."
            )

    @property
    def weights_path(self) -> Path:
        """Path of the weights file on this machine, whether it exists or not."""
        return weights_dir() / self.name / self.weights_file
