"""`NetworkInfo`: the description of a network, without its weights. Imports no TensorFlow and reads no file."""

from dataclasses import dataclass
from pathlib import Path

from c3dvis.errors import InvalidSpec
from c3dvis.networks.graph.architecture import Architecture, LayerRow
from c3dvis.networks.graph.input_domain import InputDomain
from c3dvis.settings import weights_dir
from c3dvis.spec import RenderSpec

_SIZE_STEP = 8  # frames and pixels

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
        here = self.architecture.parameters(frames, height, width)
        trained = self.architecture.parameters(*self.default_size)
        for op in self.architecture.ancestry(layer):
            if here[op.name] != trained[op.name]:  # the number depends on the size for dense layers only
                raise InvalidSpec(
                    f"{op.name} of {self.name} has weights for clips of {'×'.join(map(str, self.default_size))} "
                    f"(frames×height×width); received {frames}×{height}×{width}. Take that size for {layer}, or a "
                    "convolutional layer."
                )
        return shape  # type: ignore[return-value]

    def usable_size(self, layer: str) -> tuple[int, int, int]:
        """(frames, height, width): the network's usual size, enlarged where a layer needs more."""
        least = self.architecture.smallest_size(layer)
        frames, height, width = (
            usual if usual >= needed else -(-needed // _SIZE_STEP) * _SIZE_STEP
            for usual, needed in zip(self.default_size, least, strict=True)
        )
        return frames, height, width

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
        shape = self.output_shape(spec.layer, spec.frames, spec.height, spec.width)
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

    @property
    def weights_path(self) -> Path:
        """Path of the weights file on this machine, whether it exists or not."""
        return weights_dir() / self.name / self.weights_file
