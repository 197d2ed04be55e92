"""The measures of a result in plain sentences: the value, what it means, and whether it is good.

The thresholds only select the sentence; `c3dvis/maximize/quality.py` computes the measures.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

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
"""Titles of the measures, in the order in which they are shown."""


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
        """The title under which the measure is shown."""
        return TITLES[self.name]


_ROBUST = "Kept after shift, scaling, blur or GIF: "
_ANY = float("-inf")
_GRADES: dict[str, tuple[tuple[float, str, str], ...]] = {
    "gain": (
        (5, "good", "Far above the response to noise."),
        (1.5, "fair", "Not far above the response to noise; more steps may help."),
        (_ANY, "poor", "No higher than for noise: this picture shows little about the filter."),
    ),
    "robustness": (
        (0.8, "good", _ROBUST + "it responds to shapes."),
        (0.5, "fair", _ROBUST + "it responds partly to fine detail."),
        (_ANY, "poor", _ROBUST + "it responds to pixel noise; try more jitter."),
    ),
    "motion": (
        (1.15, "plain", "Higher than for its best frame held still: it needs the movement."),
        (0.85, "plain", "As high as for its best frame held still: the movement adds little."),
        (_ANY, "plain", "Lower than for its best frame held still: it prefers stillness."),
    ),
    "coherence": (
        (0.6, "good", "Neighbouring frames are alike (noise 0, a still clip 1)."),
        (0.3, "fair", "Frames are partly alike; more temporal TV steadies them."),
        (_ANY, "poor", "Frames flicker; more temporal TV steadies them."),
    ),
    "repetition": (
        (0.5, "poor", "The picture repeats in tiles."),
        (0.2, "fair", "The picture repeats in part (a tiled picture is near 1)."),
        (_ANY, "good", "The picture does not repeat (a tiled picture is near 1)."),
    ),
}
"""For each graded measure: lowest value, tone and sentence of each grade, from the highest to the lowest."""


def interpret(metrics: Metrics, filters: int) -> list[Interpretation]:
    """The measures that are defined, in the order they are shown; `filters` is the number of filters of the layer."""
    return [found for name in TITLES if (found := _interpret(name, metrics, filters))]


def activation_curve(history: Iterable[Mapping[str, Any]]) -> list[tuple[int, float]]:
    """(step, shown activation) of the steps at which it was measured; `history` is as in `RenderResult`."""
    return [(int(row["step"]), row["shown_activation"]) for row in history if row["shown_activation"] is not None]


def dead_filter(name: str = "This filter") -> str:
    """The sentence about a filter for which no clip with a response was found; `name` is its subject."""
    return f"{name} is dead: no clip was found that brings its response above zero."


def number(value: float) -> str:
    """A measure as text with three significant figures."""
    if value and not 0.001 <= abs(value) < 100000:
        return f"{value:.1e}"
    return f"{value:#.3g}".rstrip(".") if abs(value) < 1000 else f"{value:,.0f}"


def _interpret(name: str, metrics: Metrics, filters: int) -> Interpretation | None:
    value = metrics.get(name)
    if value is None:
        if name == "gain" and metrics.get("noise_activation") == 0:
            sentence = "It does not respond to noise at all, only to the picture."
            return Interpretation(name, "∞", sentence, "good")
        return None
    if name == "shown_activation":
        return _shown_activation(value, metrics)
    if name == "selectivity":
        return _selectivity(int(value), filters)
    tone, sentence = next((tone, sentence) for least, tone, sentence in _GRADES[name] if value >= least)
    return Interpretation(name, _VALUES[name](value), sentence, tone)


def _shown_activation(value: float, metrics: Metrics) -> Interpretation:
    sentence = "Mean response to this clip, over all positions."
    noise = metrics.get("noise_activation")
    if noise is not None:
        deviation = metrics.get("noise_deviation") or 0.0
        sentence = f"Mean response to this clip; to noise it is {number(noise)} ± {number(deviation)}."
    return Interpretation("shown_activation", number(value), sentence, "plain")


def _selectivity(rank: int, filters: int) -> Interpretation:
    value = f"{rank} of {filters}"
    if rank == 1:
        return Interpretation("selectivity", value, "No other filter of the layer responds more.", "good")
    others = "One other filter of the layer responds" if rank == 2 else f"{rank - 1} other filters of the layer respond"
    if rank <= max(3, filters // 20):
        return Interpretation("selectivity", value, f"{others} more: nearly specific to this filter.", "fair")
    return Interpretation("selectivity", value, f"{others} more: the picture is not specific to it.", "poor")


def _times(value: float) -> str:
    return f"×{number(value)}"


_VALUES: dict[str, Callable[[float], str]] = {
    "gain": _times,
    "robustness": lambda value: f"{100 * value:.0f} %",
    "motion": _times,
    "coherence": "{:.2f}".format,
    "repetition": "{:.2f}".format,
}
"""The text of a value."""
