"""The fields of a spec as data: kind, range, unit and a help text.

The sidebar and the flags of the command line take ranges and help texts from this table.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """One field: how it is entered and what it sets. `minimum` and `maximum` are inclusive."""

    name: str
    kind: str  # str | int | float | choice | filter | position | digest
    help: str
    minimum: float = 0
    maximum: float = 0
    step: float = 1
    choices: tuple[str, ...] = ()
    unit: str = ""


CHOICES: dict[str, tuple[str, ...]] = {
    "objective": ("filter", "neuron", "class", "layer"),
    "engine": ("fast", "keras-vis"),
    "parametrization": ("moving", "texture", "fourier", "natural", "pixel"),
    "precision": ("auto", "float32", "bfloat16"),
}

_TABLE = (
    Field("network", "str", "The network whose filters are visualised."),
    Field("layer", "str", "The layer whose filter is visualised."),
    Field("filter", "filter", "The filter's index, or several as index*weight pairs separated by commas."),
    Field("objective", "choice", "What is maximised: a filter's mean response, one neuron, a class score, or a layer.",
          choices=CHOICES["objective"]),
    Field("position", "position", "For a neuron: its t,h,w in the layer's output (default: the centre)."),
    Field("frames", "int", "Length of the clip.", 1, 512, 1, unit="frames"),
    Field("height", "int", "Height of the clip.", 1, 1024, 1, unit="pixels"),
    Field("width", "int", "Width of the clip.", 1, 1024, 1, unit="pixels"),
    Field("engine", "choice", "c3dvis's own (fast), or the original library (keras-vis).", choices=CHOICES["engine"]),
    Field("iterations", "int", "More steps give a higher activation, and take longer.", 0, 4096, 8, unit="steps"),
    Field("seed", "int", "Another seed finds another picture of the same filter.", 0, 2**32 - 1, 1),
    Field("variants", "int", "Number of clips of one filter that differ. One search finds and stores all.", 1, 8, 1),
    Field("variant", "int", "Which of these clips this is, counted from 0.", 0, 7, 1),
    Field("activation_weight", "float", "A higher weight favours the response over the regularisers.",
          0, 1000, 0.1),
    Field("selectivity_weight", "float", "A higher weight suppresses what other filters respond to more.",
          0, 100, 0.05),
    Field("lp_weight", "float", "A higher weight moves strong colours towards grey.", 0, 1000, 0.1),
    Field("lp_p", "float", "A higher order penalises only the strongest colours.", 1, 16, 0.5),
    Field("tv_space_weight", "float", "A higher weight smooths each frame.", 0, 1000, 0.1),
    Field("tv_time_weight", "float", "A higher weight slows movement down, until the picture is still.", 0, 1000, 0.1),
    Field("tv_beta", "float", "Exponent of total variation: 1 keeps edges sharp, 2 blurs them.", 1, 3, 0.1),
    Field("contrast", "float", "A higher contrast gives stronger light and colour (natural video: 50 to 65); 0 leaves "
          "it free.", 0, 100, 1),
    Field("jitter_pixels", "int", "A larger random shift per step gives steadier, larger shapes; above 0 also a random "
          "scale of up to ±5 %.", 0, 64, 1, unit="pixels"),
    Field("jitter_frames", "int", "A larger random shift in time gives movement that does not depend on single frames.",
          0, 32, 1, unit="frames"),
    Field("parametrization", "choice", "What is optimised: a texture that moves and what changes beside it "
          "(moving), or the texture and its motion alone (texture); the spectrum of the whole clip (fourier), or its "
          "phases at the amplitudes of natural video (natural); voxels (pixel).", choices=CHOICES["parametrization"]),
    Field("learning_rate", "float", "A higher rate converges in fewer steps, to a coarser picture.", 0.0001, 10, 0.01),
    Field("precision", "choice", "Arithmetic of the network; auto selects the fastest for the device.",
          choices=CHOICES["precision"]),
    Field("start_clip", "digest", "A clip to dream on: the search changes it instead of starting from noise. A video "
          "file, or the content hash of one that was used before."),
    Field("start_strength", "float", "A higher strength lets the search change the clip more; at 0 the clip stays.",
          0, 1, 0.05),
)  # fmt: skip

FIELDS: dict[str, Field] = {field.name: field for field in _TABLE}
