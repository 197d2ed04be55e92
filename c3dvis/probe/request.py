"""`ProbeRequest`: one question about a clip, and its answer in the process that has TensorFlow."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from c3dvis.networks.weights.progress import OnProgress
from c3dvis.probe.values import Target

Question = Literal["probe", "feature_map", "layer_means", "saliency", "grad_cam", "integrated_gradients"]


@dataclass(frozen=True, eq=False)
class ProbeRequest:
    """One question about a clip.

    Attributes:
        network: its name.
        clip: (T, H, W, 3) uint8 RGB, or (T, H, W, channels).
        question: `probe` is answered by a `ProbeResult`, `feature_map` by an array (t, h, w) float32, `layer_means` by
            the mean response of all filters of the target's layer, (filters,) float32, the others by an `Attribution`.
        target: whom the question is about; None for `probe`.
        top: of `probe`, the number of filters of each layer, and of classes.
        at: of `grad_cam`, the layer whose filters are weighed; empty for the usual one.
    """

    network: str
    clip: np.ndarray
    question: Question = "probe"
    target: Target | None = None
    top: int = 8
    at: str = ""

    def __post_init__(self) -> None:
        if (self.question == "probe") == (self.target is not None):
            raise ValueError(f"{self.question} takes {'no' if self.target else 'a'} target.")


def answer(request: ProbeRequest, on_progress: OnProgress | None = None) -> Any:
    """The answer to a request; loads TensorFlow and the network.

    Args:
        on_progress: receives (done, total); total is 0 while it is unknown.

    Raises:
        UnknownNetwork, WeightsMissing, WeightsDamaged: the network cannot be used.
        UnknownLayer, InvalidSpec: it has no such target, or the clip is too small.
    """
    from c3dvis.networks.compute.network import load_network
    from c3dvis.probe import attribution, responses

    network = load_network(request.network)
    if request.target is None:
        return responses.probe_clip(network, request.clip, request.top, on_progress)
    if request.question == "feature_map":
        return responses.feature_map(network, request.target, request.clip)
    if request.question == "layer_means":
        return responses.layer_means(network, request.target.layer, request.clip)
    if request.question == "grad_cam":
        return attribution.grad_cam(network, request.target, request.clip, request.at)
    if request.question == "integrated_gradients":
        return attribution.integrated_gradients(network, request.target, request.clip, on_progress=on_progress)
    return attribution.saliency(network, request.target, request.clip)
