"""The fields of a spec as data: kind, range and a sentence on the effect of a larger value.

The sidebar, the command line's flags and the docs are made from this table. `presets.py` has the defaults.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """One field: how it is entered and what it does. `minimum` and `maximum` are inclusive."""

    name: str
    kind: str  # str | int | float | choice | filter | position
    help: str
    minimum: float = 0
    maximum: float = 0
    step: float = 1
    choices: tuple[str, ...] = ()
    unit: str = ""


CHOICES: dict[str, tuple[str, ...]] = {
    "objective": ("filter", "neuron", "class", "layer"),
    "engine": ("fast", "keras-vis"),
    "parametrization": ("fourier", "pixel"),
    "precision": ("auto", "float32", "bfloat16"),
}

_TABLE = (
    Field("network", "str", "The network to look into."),
    Field("layer", "str", "The layer whose filter is shown."),
    Field("filter", "filter", "The filter's index, or several as index*weight pairs separated by commas."),
    Field("objective", "choice", "What is maximised: a filter's mean, one neuron, a class score, a whole layer.",
          choices=CHOICES["objective"]),
    Field("position", "position", "For a neuron: its t,h,w in the layer's output; left out, the centre."),
    Field("frames", "int", "Length of the clip.", 1, 128, 1, unit="frames"),
    Field("height", "int", "Height of the clip.", 8, 512, 8, unit="pixels"),
    Field("width", "int", "Width of the clip.", 8, 512, 8, unit="pixels"),
    Field("engine", "choice", "Ours (fast), or the original library (keras-vis).", choices=CHOICES["engine"]),
    Field("iterations", "int", "More steps give a higher activation, and take longer.", 0, 4096, 8, unit="steps"),
    Field("seed", "int", "Another seed finds another picture of the same filter.", 0, 2**32 - 1, 1),
    Field("variants", "int", "Clips of one filter that are optimised together, each unlike the others.", 1, 8, 1),
    Field("variant", "int", "Which of these clips this is, counted from 0.", 0, 7, 1),
    Field("activation_weight", "float", "More of it follows the filter harder, against all the regularisers.",
          0, 1000, 0.1),
    Field("selectivity_weight", "float", "More of it suppresses what the layer's other filters respond to more.",
          0, 100, 0.05),
    Field("lp_weight", "float", "More of it pulls strong colours back towards grey.", 0, 1000, 0.1),
    Field("lp_p", "float", "A higher order penalises only the strongest colours.", 1, 16, 0.5),
    Field("tv_space_weight", "float", "More of it smooths each frame.", 0, 1000, 0.1),
    Field("tv_time_weight", "float", "More of it slows movement down, until the picture stands still.", 0, 1000, 0.1),
    Field("tv_beta", "float", "1 keeps edges sharp, 2 blurs them.", 1, 3, 0.1),
    Field("jitter_pixels", "int", "A larger random shift per step gives steadier, larger shapes; above 0 also a random "
          "scale of up to ±5 %.", 0, 64, 1, unit="pixels"),
    Field("jitter_frames", "int", "A larger random shift in time gives movement that does not depend on one frame.",
          0, 32, 1, unit="frames"),
    Field("parametrization", "choice", "A colour-decorrelated spectrum (fourier), or plain voxels (pixel).",
          choices=CHOICES["parametrization"]),
    Field("learning_rate", "float", "Larger steps go faster and coarser.", 0.0001, 10, 0.01),
    Field("precision", "choice", "Arithmetic of the network; auto takes what this device does fast.",
          choices=CHOICES["precision"]),
)  # fmt: skip

FIELDS: dict[str, Field] = {field.name: field for field in _TABLE}
