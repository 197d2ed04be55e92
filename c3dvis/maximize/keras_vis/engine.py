"""The `keras-vis` engine: the original library, called as the original project called it.

The original project, 3dcnn-vis (2018), called `visualize_activation(model, layer_idx, filter_indices)` and left all
other arguments at their defaults. c3dvis changes three things, so that pictures have correct colours and can be
reproduced: `input_range` is the network's, the initial volume is drawn from the spec's seed, and the result is
converted from network input to a clip.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from c3dvis.errors import InvalidSpec, RenderFailed
from c3dvis.maximize.engine_result import EngineResult
from c3dvis.maximize.keras_vis.library import eagerly, load, session
from c3dvis.maximize.progress import OnProgress, Progress
from c3dvis.networks.compute import keras_layers
from c3dvis.networks.compute.network import Network
from c3dvis.networks.graph.input_domain import InputDomain
from c3dvis.spec import RenderSpec

REPORT_EVERY = 5
"""Steps between two reports."""

MEASURE_EVERY = 20
"""Steps between two measurements of the shown activation, which cost a forward pass each."""


def maximize_with_keras_vis(
    network: Network, spec: RenderSpec, measure: Any, on_progress: OnProgress | None, began: float
) -> EngineResult:
    """Optimise the clip that a spec asks for with keras-vis.

    Args:
        measure: from a clip (T, H, W, 3) uint8 to its shown activation.
        on_progress: called every few steps. An error that it raises ends the optimisation.
        began: `time.perf_counter()` when the render began.

    Raises:
        InvalidSpec: every weight is 0, so that the energy is constant.
        RenderFailed: a value overflowed.
    """
    if not (spec.activation_weight or spec.lp_weight or spec.tv_space_weight):
        raise InvalidSpec(
            "keras-vis needs something to search for: expected activation_weight, lp_weight or tv_space_weight above "
            "0, received 0 for all of them."
        )
    library = load()
    callback = _ProgressCallback(network, spec, measure, on_progress, began)
    with _numpy_seeded(spec.seed):
        if spec.iterations:
            found = visualize(
                network, spec.layer, spec.filters[0][0], (spec.frames, spec.height, spec.width), callbacks=[callback],
                act_max_weight=spec.activation_weight, lp_norm_weight=spec.lp_weight, tv_weight=spec.tv_space_weight,
                max_iter=spec.iterations,
            )  # fmt: skip
        else:  # without a step the library returns nothing: show its start
            low, high = input_range(network.input_domain)
            shape = (spec.frames, spec.height, spec.width, 3)
            start = library.random_array(shape, mean=np.mean((low, high)), std=0.05 * (high - low))
            found = library.deprocess_input(start, (low, high))
    if not np.isfinite(found).all():
        raise _overflowed(spec)
    clip = network.input_domain.to_clip(found)
    callback.report(spec.iterations, clip, measured=True)
    return EngineResult(clip, callback.history, "float32")


def visualize(
    network: Network, layer: str, filter_index: int, size: tuple[int, int, int], **arguments: Any
) -> np.ndarray:
    """`vis.visualization.visualize_activation` on a c3dvis network.

    Args:
        layer: a name from `network.layers`.
        filter_index: of the filter that is maximised.
        size: (frames, height, width).
        arguments: passed on to the library.

    Returns:
        The library's result (T, H, W, 3), in `input_range` and the network's channel order.
    """
    library = load()
    with session(), np.errstate(over="ignore", invalid="ignore"):
        model = tf_keras_model(network, layer, size)
        index = library.find_layer_idx(model, keras_layers.layer_name(layer))
        return library.visualize_activation(
            model, index, filter_index, input_range=input_range(network.input_domain), **arguments
        )


def input_range(domain: InputDomain) -> tuple[float, float]:
    """keras-vis's one range for all channels: from the least to the greatest valid input of any channel.

    The original project left it at (0, 255), which is not the input range of its network: C3D subtracts a mean first.
    """
    return float(min(domain.low)), float(max(domain.high))


def tf_keras_model(network: Network, layer: str, size: tuple[int, int, int]) -> Any:
    """A network up to one layer, as a Keras 2 model with input (N, T, H, W, 3). Call it inside a `session()`.

    Each layer includes its activation function, as in the model that the original project loaded.
    """
    clip = tf_keras.Input((*size, network.architecture.channels), name="clip")
    outputs = {"input": clip}
    assignments = []
    for op in network.architecture.ancestry(layer):
        options = {"name": keras_layers.layer_name(op.name)} | ({"activation": "relu"} if op.activation else {})
        made = keras_layers.keras_layer(op, tf_keras.layers, **options)
        outputs[op.name] = keras_layers.call(made, op, [outputs[name] for name in op.inputs], tf_keras.layers)
        if made.weights:
            assignments += zip(made.weights, network.weights(op.name), strict=True)
    # tf_keras would initialise them after the session has read the graph, and TensorFlow warns of that
    tf.compat.v1.get_default_session().run(tf.compat.v1.global_variables_initializer())
    tf_keras.backend.batch_set_value(assignments)
    return tf_keras.Model(clip, outputs[layer])


@dataclass(eq=False)
class _ProgressCallback:
    """A callback of keras-vis (`vis.callbacks.OptimizerCallback`) that reports progress.

    Attributes:
        network, spec, measure, on_progress, began: as of `maximize_with_keras_vis`.
        history: as in `EngineResult`.
        objective: at the latest step.
    """

    network: Network
    spec: RenderSpec
    measure: Any
    on_progress: OnProgress | None
    began: float
    history: list[dict[str, Any]] = field(default_factory=list)
    objective: float = 0.0

    def callback(
        self, i: int, named_losses: Iterable[tuple[str, float]], overall_loss: float, grads: Any, wrt_value: np.ndarray
    ) -> None:
        """Called by the library with the volume (1, T, H, W, 3) after `i` steps, before the next."""
        if i == 0 and not np.isfinite(overall_loss):
            raise _overflowed(self.spec)  # the library fails if no step is the best one
        weight = self.spec.activation_weight
        if weight:
            self.objective = float(-dict(named_losses)["ActivationMax Loss"] / weight) + 0.0
        if i % REPORT_EVERY:
            return
        domain = self.network.input_domain
        with eagerly():
            if not weight:  # the library does not compute the activation
                response = self.network.respond_to_input(wrt_value[0], self.spec.layer)
                self.objective = float(response[..., self.spec.filters[0][0]].mean())
            shown = load().deprocess_input(wrt_value[0], input_range(domain))
            self.report(i, domain.to_clip(shown), measured=i % MEASURE_EVERY == 0)

    def on_end(self) -> None:
        """Called by the library after its last step."""

    def report(self, step: int, clip: np.ndarray, measured: bool) -> None:
        """Append to the history and call `on_progress`, for a clip (T, H, W, 3) uint8."""
        shown = self.measure(clip) if measured else None
        seconds = time.perf_counter() - self.began
        self.history.append({"step": step, "seconds": seconds, "objective": self.objective, "shown_activation": shown})
        if self.on_progress:
            self.on_progress(Progress(step, self.spec.iterations, seconds, self.objective, shown, clip))


@contextmanager
def _numpy_seeded(seed: int) -> Iterator[None]:
    """Seeds NumPy's global generator, from which keras-vis draws its start, and restores its state afterwards."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)


def _overflowed(spec: RenderSpec) -> RenderFailed:
    return RenderFailed(
        f"keras-vis left the range of float32 numbers. Lower its weights: received activation_weight="
        f"{spec.activation_weight:g}, lp_weight={spec.lp_weight:g}, tv_space_weight={spec.tv_space_weight:g}."
    )
