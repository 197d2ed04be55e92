"""What a probe answers: classes, filters by their response, and attributions. Imports no TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from c3dvis.errors import InvalidSpec
from c3dvis.networks.network_info import NetworkInfo
from c3dvis.networks.weights import class_labels


@dataclass(frozen=True)
class Target:
    """What is asked about: a filter of a layer, or a class, which is a filter of the last layer.

    Attributes:
        layer: a name from the network's layers.
        filter: its number in that layer, from 0.
    """

    layer: str
    filter: int

    @classmethod
    def of_class(cls, info: NetworkInfo, number: int) -> "Target":
        """The class of that number."""
        return cls(info.layers[-1], number)

    def check(self, info: NetworkInfo, size: tuple[int, int, int]) -> None:
        """Check that a network has this target for a clip of that size (frames, height, width).

        Raises:
            UnknownLayer, InvalidSpec: no such layer or filter, or the clip is too small for the layer.
        """
        filters = info.output_shape(self.layer, *size)[3]
        if not 0 <= self.filter < filters:
            raise InvalidSpec(
                f"{self.layer} of {info.name} has filters 0 to {filters - 1}; received filter {self.filter}."
            )


@dataclass(frozen=True)
class ClassScore:
    """A class and how probable the network finds it.

    Attributes:
        number: from 0.
        name: text from outside; `class 3` of a network without names.
        probability: from 0 to 1.
        score: before the softmax; where the network's own last layer is a softmax or sigmoid, the same as probability.
    """

    number: int
    name: str
    probability: float
    score: float


@dataclass(frozen=True)
class FilterResponse:
    """How a filter responds to a clip.

    Attributes:
        layer, filter: which.
        mean: its mean response over all positions, after the activation function.
        peak: its largest response at one position.
        standardised: (mean − mean to noise) / deviation to noise; see `noise`.
    """

    layer: str
    filter: int
    mean: float
    peak: float
    standardised: float


@dataclass(frozen=True, eq=False)
class ProbeResult:
    """What a network makes of a clip.

    Attributes:
        network: its name.
        size: (frames, height, width) of the clip.
        classes: the most probable first; empty where there are none.
        no_classes: why there are none, one sentence; empty where there are some.
        layers: by layer in the network's order, the filters that respond most, the highest standardised first.
        means, standardised: by layer, (filters,) float32 of all its filters.
    """

    network: str
    size: tuple[int, int, int]
    classes: tuple[ClassScore, ...]
    no_classes: str
    layers: Mapping[str, tuple[FilterResponse, ...]]
    means: Mapping[str, np.ndarray]
    standardised: Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Attribution:
    """Where in the clip a target's response comes from.

    Attributes:
        values: (T, H, W) float32 of the clip's size.
        target: what was asked about.
        method: `saliency`, `grad_cam` or `integrated_gradients`.
        score: the target's response to the clip: a filter's mean over all positions, a class's score before softmax.
        at: of Grad-CAM, the layer whose filters are weighed.
        baseline_score: of integrated gradients, the response to the grey clip from which the path starts.
        steps: of integrated gradients, gradients computed.
    """

    values: np.ndarray
    target: Target
    method: str
    score: float
    at: str = ""
    baseline_score: float = 0.0
    steps: int = 1


def class_names(info: NetworkInfo) -> tuple[str, ...]:
    """The names of a network's classes, with a number in place of each where there are none."""
    names = class_labels.read_labels(info)
    return names or tuple(f"class {number}" for number in range(class_labels.num_classes(info)))


def class_layer(info: NetworkInfo) -> str | None:
    """The last layer, if it gives classes: one score each, not a volume of rows and columns."""
    last = info.layers[-1]
    _, height, width, _ = info.output_shape(last, *info.usable_size(last))
    return last if height * width == 1 else None
