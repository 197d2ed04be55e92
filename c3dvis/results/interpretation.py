"""The measures of a result in plain sentences: the number, what it means, and whether it is good.

The thresholds only choose the sentence; `c3dvis/maximize/quality.py` measures.
"""

from collections.abc import Mapping
from dataclasses import dataclass

Metrics = Mapping[str, float | int | bool | None]


TITLES = {
    "shown_activation": "Shown activation",
    "gain": "Gain",
    "selectivity": "Selectivity",
    "robustness": "Robustness",
    "motion": "Motion",
    "coherence": "Coherence",
    "repetition": "Repetition",
}
"""Names of the measures for people, in the order in which they are shown."""


@dataclass(frozen=True)
class Interpretation:
    """One measure with its meaning.

    Attributes:
        name: key of the measure in a result's metrics.
        value: as text.
        sentence: what the value means.
        tone: `good`, `fair`, `poor`, or `plain` where no value is better than another.
    """

    name: str
    value: str
    sentence: str
    tone: str

    @property
    def title(self) -> str:
        """Name of the measure for people."""
        return TITLES[self.name]


def interpret(metrics: Metrics, filters: int) -> list[Interpretation]:
    """The measures that are defined, in the order they are shown; `filters` is the number of filters of the layer."""
    interpretations = [
        _shown(metrics),
        _gain(metrics),
        _selectivity(metrics, filters),
        _robustness(metrics),
        _motion(metrics),
        _coherence(metrics),
        _repetition(metrics),
    ]
    return [interpretation for interpretation in interpretations if interpretation]


def dead_filter(name: str = "This filter") -> str:
    """The sentence about a filter that no stimulus was found for; `name` is its subject."""
    return f"{name} is dead: nothing that was tried brings its response above zero."


def number(value: float) -> str:
    """A measure as text with three significant figures."""
    if value and not 0.001 <= abs(value) < 100000:
        return f"{value:.1e}"
    return f"{value:#.3g}".rstrip(".") if abs(value) < 1000 else f"{value:,.0f}"


def _shown(metrics: Metrics) -> Interpretation | None:
    value = metrics.get("shown_activation")
    if value is None:
        return None
    sentence = "Mean response to this very clip, over all positions."
    noise = metrics.get("noise_activation")
    if noise is not None:
        spread = metrics.get("noise_deviation") or 0.0
        sentence = f"Mean response to this very clip; noise gets {number(noise)} ± {number(spread)}."
    return Interpretation("shown_activation", number(value), sentence, "plain")


def _gain(metrics: Metrics) -> Interpretation | None:
    value = metrics.get("gain")
    if value is None:
        if metrics.get("noise_activation") == 0:
            text = "Noise does not excite it at all: the whole response is the picture's."
            return Interpretation("gain", "∞", text, "good")
        return None
    if value >= 5:
        return Interpretation(
            "gain", "Gain", f"×{number(value)}", "Far above what noise gets: the picture matters.", "good"
        )
    if value >= 1.5:
        return Interpretation(
            "gain", "Gain", f"×{number(value)}", "Above noise, not by much; more steps may help.", "fair"
        )
    text = "No more than noise gets: this picture says little about the filter."
    return Interpretation("gain", f"×{number(value)}", text, "poor")


def _selectivity(metrics: Metrics, filters: int) -> Interpretation | None:
    rank = metrics.get("selectivity")
    if rank is None:
        return None
    rank = int(rank)
    value = f"{rank} of {filters}"
    if rank == 1:
        return Interpretation(
            "selectivity", "Selectivity", value, "No other filter of the layer is excited as much.", "good"
        )
    others = "one other filter" if rank == 2 else f"{rank - 1} other filters"
    verb = "is" if rank == 2 else "are"
    text = f"{others.capitalize()} of the layer {verb} excited more: "
    if rank <= max(3, filters // 20):
        return Interpretation("selectivity", value, text + "nearly its own.", "fair")
    return Interpretation("selectivity", value, text + "the picture is not this filter's own.", "poor")


def _robustness(metrics: Metrics) -> Interpretation | None:
    value = metrics.get("robustness")
    if value is None:
        return None
    percent = f"{100 * value:.0f} %"
    kept = "Kept when shifted, scaled, blurred or saved as GIF: "
    if value >= 0.8:
        return Interpretation("robustness", percent, kept + "it lives on shapes.", "good")
    if value >= 0.5:
        return Interpretation("robustness", percent, kept + "partly fine detail.", "fair")
    return Interpretation(
        "robustness", "Robustness", percent, kept + "it lives on pixel noise; try more jitter.", "poor"
    )


def _motion(metrics: Metrics) -> Interpretation | None:
    value = metrics.get("motion")
    if value is None:
        return None
    text = f"×{number(value)}"
    if value > 1.15:
        return Interpretation(
            "motion", "Motion", text, "Above its best frame held still: it needs the movement.", "plain"
        )
    if value >= 0.85:
        return Interpretation(
            "motion", "Motion", text, "A still frame does about as well: the movement adds little.", "plain"
        )
    return Interpretation(
        "motion", "Motion", text, "Its best frame held still does better: it prefers stillness.", "plain"
    )


def _coherence(metrics: Metrics) -> Interpretation | None:
    value = metrics.get("coherence")
    if value is None:
        return None
    text = f"{value:.2f}"
    if value >= 0.6:
        return Interpretation(
            "coherence", "Coherence", text, "Frames follow from each other (noise 0, a still 1).", "good"
        )
    if value >= 0.3:
        return Interpretation(
            "coherence", "Coherence", text, "Frames follow roughly; more temporal TV steadies them.", "fair"
        )
    return Interpretation("coherence", text, "Frames flicker; more temporal TV steadies them.", "poor")


def _repetition(metrics: Metrics) -> Interpretation | None:
    value = metrics.get("repetition")
    if value is None:
        return None
    text = f"{value:.2f}"
    if value < 0.2:
        return Interpretation("repetition", text, "Not tiled (a tiled picture is near 1).", "good")
    if value < 0.5:
        return Interpretation(
            "repetition", "Repetition", text, "Repeats itself in part (a tiled picture is near 1).", "fair"
        )
    return Interpretation("repetition", text, "The picture repeats itself in tiles.", "poor")
