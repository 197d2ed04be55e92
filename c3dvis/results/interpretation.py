"""The measures of a result in plain sentences: the number, what it means, and whether it is good.

The thresholds are words for a reader, not part of any measurement: `c3dvis/maximize/quality.py` has those.
"""

from collections.abc import Mapping
from dataclasses import dataclass

Metrics = Mapping[str, float | int | bool | None]


@dataclass(frozen=True)
class Reading:
    """One measure for a reader. `tone` is good, fair, poor or plain."""

    name: str
    title: str
    value: str
    sentence: str
    tone: str


def readings(metrics: Metrics, filters: int) -> list[Reading]:
    """The measures that are defined, in the order they are shown; `filters` is how many the layer has."""
    made = [
        _shown(metrics),
        _gain(metrics),
        _selectivity(metrics, filters),
        _robustness(metrics),
        _motion(metrics),
        _coherence(metrics),
        _repetition(metrics),
    ]
    return [reading for reading in made if reading]


def number(value: float) -> str:
    """A measure short enough to be read at a glance: three figures."""
    if value and not 0.001 <= abs(value) < 100000:
        return f"{value:.1e}"
    return f"{value:#.3g}".rstrip(".") if abs(value) < 1000 else f"{value:,.0f}"


def _shown(metrics: Metrics) -> Reading | None:
    value = metrics.get("shown_activation")
    if value is None:
        return None
    sentence = "Mean response to this very clip, over all positions."
    noise = metrics.get("noise_activation")
    if noise is not None:
        spread = metrics.get("noise_deviation") or 0.0
        sentence = f"Mean response to this very clip; noise gets {number(noise)} ± {number(spread)}."
    return Reading("shown_activation", "Shown activation", number(value), sentence, "plain")


def _gain(metrics: Metrics) -> Reading | None:
    value = metrics.get("gain")
    if value is None:
        if metrics.get("noise_activation") == 0:
            text = "Noise does not excite it at all: the whole response is the picture's."
            return Reading("gain", "Gain", "∞", text, "good")
        return None
    if value >= 5:
        return Reading("gain", "Gain", f"×{number(value)}", "Far above what noise gets: the picture matters.", "good")
    if value >= 1.5:
        return Reading("gain", "Gain", f"×{number(value)}", "Above noise, not by much; more steps may help.", "fair")
    text = "No more than noise gets: this picture says little about the filter."
    return Reading("gain", "Gain", f"×{number(value)}", text, "poor")


def _selectivity(metrics: Metrics, filters: int) -> Reading | None:
    rank = metrics.get("selectivity")
    if rank is None:
        return None
    rank = int(rank)
    value = f"{rank} of {filters}"
    if rank == 1:
        return Reading("selectivity", "Selectivity", value, "No other filter of the layer is excited as much.", "good")
    others = "one other filter" if rank == 2 else f"{rank - 1} other filters"
    verb = "is" if rank == 2 else "are"
    text = f"{others.capitalize()} of the layer {verb} excited more: "
    if rank <= max(3, filters // 20):
        return Reading("selectivity", "Selectivity", value, text + "nearly its own.", "fair")
    return Reading("selectivity", "Selectivity", value, text + "the picture is not this filter's own.", "poor")


def _robustness(metrics: Metrics) -> Reading | None:
    value = metrics.get("robustness")
    if value is None:
        return None
    percent = f"{100 * value:.0f} %"
    kept = "Kept when shifted, scaled, blurred or saved as GIF: "
    if value >= 0.8:
        return Reading("robustness", "Robustness", percent, kept + "it lives on shapes.", "good")
    if value >= 0.5:
        return Reading("robustness", "Robustness", percent, kept + "partly fine detail.", "fair")
    return Reading("robustness", "Robustness", percent, kept + "it lives on pixel noise; try more jitter.", "poor")


def _motion(metrics: Metrics) -> Reading | None:
    value = metrics.get("motion")
    if value is None:
        return None
    text = f"×{number(value)}"
    if value > 1.15:
        return Reading("motion", "Motion", text, "Above its best frame held still: it needs the movement.", "plain")
    if value >= 0.85:
        return Reading("motion", "Motion", text, "A still frame does about as well: the movement adds little.", "plain")
    return Reading("motion", "Motion", text, "Its best frame held still does better: it prefers stillness.", "plain")


def _coherence(metrics: Metrics) -> Reading | None:
    value = metrics.get("coherence")
    if value is None:
        return None
    text = f"{value:.2f}"
    if value >= 0.6:
        return Reading("coherence", "Coherence", text, "Frames follow from each other (noise 0, a still 1).", "good")
    if value >= 0.3:
        return Reading("coherence", "Coherence", text, "Frames follow roughly; more temporal TV steadies them.", "fair")
    return Reading("coherence", "Coherence", text, "Frames flicker; more temporal TV steadies them.", "poor")


def _repetition(metrics: Metrics) -> Reading | None:
    value = metrics.get("repetition")
    if value is None:
        return None
    text = f"{value:.2f}"
    if value < 0.2:
        return Reading("repetition", "Repetition", text, "Not tiled (a tiled picture is near 1).", "good")
    if value < 0.5:
        return Reading("repetition", "Repetition", text, "Repeats itself in part (a tiled picture is near 1).", "fair")
    return Reading("repetition", "Repetition", text, "The picture repeats itself in tiles.", "poor")
