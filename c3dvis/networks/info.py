"""What is known of a network before it is loaded. Knows nothing of TensorFlow."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from c3dvis.errors import InvalidSpec, WeightsDamaged, WeightsMissing
from c3dvis.networks.architecture import Architecture, LayerRow
from c3dvis.networks.domain import InputDomain
from c3dvis.networks.weights import i3d_pickle, note
from c3dvis.networks.weights.apart import Apart
from c3dvis.networks.weights.read import open_weights
from c3dvis.settings import weights_dir
from c3dvis.spec import RenderSpec

Weights = Mapping[str, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class NetworkInfo:
    """What is known of a network before it is loaded.

    Attributes:
        title: one line for people.
        licence: of the weights.
        source: where the weights come from.
        default_size: (frames, height, width) of a render.
        weights_file: name of the weights file in the network's folder.
        weights_sha256: of that file where there is one published file, else None.
        how_to_get: the command that brings the weights here.
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
            if op.kind == "dense" and here[op.name] != trained[op.name]:
                raise InvalidSpec(
                    f"{op.name} of {self.name} has weights for clips of {'×'.join(map(str, self.default_size))} "
                    f"(frames×height×width); received {frames}×{height}×{width}. Take that size for {layer}, or a "
                    "convolutional layer."
                )
        return shape  # type: ignore[return-value]

    def table(self, frames: int, height: int, width: int) -> list[LayerRow]:
        """Layer, output shape, parameters, receptive field: one row per operation."""
        return self.architecture.table(frames, height, width)

    def check(self, spec: RenderSpec) -> None:
        """Whether this network can do what the spec asks.

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
        if spec.engine == "keras-vis" and (strange := self.architecture.beyond_keras_vis(spec.layer)):
            raise InvalidSpec(
                f"The keras-vis engine does not know what {self.name} does at {strange}; expected plain convolutions "
                "of colour clips. Choose engine 'fast'."
            )

    @property
    def weights_path(self) -> Path:
        """Where the weights file belongs on this machine."""
        return weights_dir() / self.name / self.weights_file

    def weights_installed(self) -> bool:
        """Whether the weights file is there (not whether it is whole: reading it checks that)."""
        return self.weights_path.is_file()

    def read_weights(self) -> Weights:
        """The weights, checked.

        Raises:
            WeightsMissing: there is no file; the message says how to get it.
            WeightsDamaged: the file is not what it should be.
        """
        if not self.weights_installed():
            raise WeightsMissing(self.missing)
        if self.weights_sha256:
            return i3d_pickle.read(self.weights_path, self.architecture)
        try:
            _, as_noted = note.digest(self.weights_path)
        except OSError as error:
            raise WeightsDamaged(f"{self.weights_path} cannot be read: {error.strerror or error}.") from None
        if not as_noted:  # put here by hand, or damaged since: what it holds is first looked at elsewhere
            with Apart() as apart:
                apart.inspect(self.weights_path, self.architecture, self.default_size)
        return open_weights(self.weights_path, self.architecture, self.default_size)

    def fingerprint(self) -> str:
        """SHA-256 over architecture, input domain and weights: two networks with one fingerprint respond alike.

        Raises:
            WeightsMissing: it depends on a weights file that is not there.
        """
        digest = self.weights_sha256
        if digest is None:
            try:
                digest, _ = note.digest(self.weights_path)
            except OSError:
                raise WeightsMissing(self.missing) from None
        domain, ops = self.domain, ", ".join(op.described for op in self.architecture.ops)
        described = [f"({ops})", domain.low, domain.high, domain.order, digest]
        if domain.mean_image is not None:
            described.append(hashlib.sha256(domain.mean_image.tobytes()).hexdigest())
        return hashlib.sha256(json.dumps(described).encode()).hexdigest()

    @property
    def missing(self) -> str:
        """The sentence that says that the weights are not here, and how to get them."""
        return (
            f"The weights of {self.name} are not on this machine: expected {self.weights_path}. "
            f"Get them: {self.how_to_get}."
        )
