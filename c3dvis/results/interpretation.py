"""The measures of a result in plain sentences: the value, what it means, and whether it is good.

The thresholds only select the sentence; `c3dvis/maximize/quality.py` computes the measures.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from c3dvis.spec import ENGINE_DEFAULTS, RenderSpec
from c3dvis.spec.text import counted

Metrics = Mapping[str, float | int | bool | None]

TITLES = {
    "shown_activation": "Shown activation",
    "twin_gain": "Gain",
    "strength": "Strength at contrast 40",
    "contrast": "Contrast",
    "gain": "Gain over noise",
    "selectivity": "Selectivity",
    "robustness": "Robustness",
    "motion": "Motion",
    "coherence": "Coherence",
    "repetition": "Repetition",
}
"""Titles of the measures, in the order in which they are shown."""


MEANINGS = {
    "shown_activation": "The target's mean response to exactly the clip that is shown and saved.",
    "twin_gain": "How many times higher the response is than to copies of the clip with scrambled phases, which keep "
    "its colours and its smoothness.",
    "strength": "The response to the clip at a standard deviation of 40 of 255, so that clips of unequal contrast "
    "can be compared.",
    "contrast": "The standard deviation of the clip's values, of 255. Natural video has 50 to 65.",
    "gain": "How many times higher the response is than to white noise, a weaker comparison than the gain.",
    "selectivity": "The rank of this filter among the filters of its layer by their response to the clip, each on the "
    "scale of its own response to noise. Rank 1: none responds more.",
    "robustness": "The share of the response that remains, on average, after shifts, scaling, a blur and a GIF's "
    "colours.",
    "motion": "The response to the clip, as a multiple of that to its best frame held still. Above 1: the movement "
    "matters.",
    "coherence": "How alike two neighbouring frames are once the one is shifted onto the other: 0 for noise, 1 for a "
    "still clip.",
    "repetition": "How much the clip repeats itself at the period of the small canvas on which the search begins.",
}
"""What each measure is, one or two sentences."""


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


FLAT = 3
"""Standard deviation, of 255, below which a clip is flat grey."""
LEAST_GAIN = 1.5
"""Gain over the twins below which the filter does not respond to shapes of the clip."""
FAINT, OVEREXPOSED = 35, 70
"""Standard deviations, of 255, below and above which a clip is no longer like natural video (52 to 66)."""
NATURAL = 50
"""Standard deviation, of 255, from which on a clip has the contrast of natural video."""
MOST_CLIPPED = 0.06
"""Largest share of clipped values of a clip that is like natural video (0.01 to 0.05)."""

_VERDICTS = (
    (0.8, "one texture that moves is enough to excite the filter."),
    (0.5, "the filter also responds to what appears, vanishes or changes its form."),
    (-math.inf, "the clip is more than one texture that moves."),
)
_ROBUST = "Kept after shift, scaling, blur or GIF: "
_ANY = float("-inf")
_GRADES: dict[str, tuple[tuple[float, str, str], ...]] = {
    "twin_gain": (
        (5, "good", "The filter responds to the shapes: {twins}."),
        (LEAST_GAIN, "fair", "The filter responds partly to the shapes; more steps may help. {Twins}."),
        (_ANY, "poor", "The filter does not respond to shapes of this picture: {twins}."),
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
        (0.995, "plain", "Frames are the same but for a shift (noise 0, a still clip 1)."),
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


def early_end(history: Sequence[Mapping[str, float | None]], iterations: int) -> str:
    """A sentence about a search that ended before its last step; empty for one that did not.

    Args:
        history: of the render.
        iterations: steps that the spec allows.
    """
    last = int(history[-1]["step"] or 0) if history else iterations
    if last >= iterations:
        return ""
    return (
        f"The search ended at step {last} of {iterations}: the response no longer rose, so the last steps, which only "
        "settle the picture, came sooner."
    )


def interpret(spec: RenderSpec, metrics: Metrics, filters: int) -> list[Interpretation]:
    """The measures that are defined, in the order they are shown; `filters` is the number of filters of the layer."""
    titles = [name for name in TITLES if name != "motion" or spec.frames > 1]  # one frame cannot move
    found = [each for name in titles if (each := _interpret(name, metrics, filters))]
    if unfinished(spec, metrics):  # a verdict on the filter would be one on the length of the search
        return [_without_verdict(each) for each in found]
    if _shows_shapes(metrics):
        return found
    # A flat clip is steady and robust too: without shapes that the filter responds to, nothing is good about it.
    return [_without_verdict(each) if each.tone == "good" or each.name == "motion" else each for each in found]


def unfinished(spec: RenderSpec, metrics: Metrics) -> tuple[str, str] | None:
    """Why a clip is no finished picture of what its filter looks for, in two words and in a sentence; None if it is."""
    usual = ENGINE_DEFAULTS[spec.engine]["iterations"]
    if spec.iterations == 0:
        return "no search", "Not searched: with 0 steps this is the start, from which a search would begin."
    contrast = metrics.get("contrast")
    if contrast is not None and contrast < FLAT:
        return "flat grey", "The picture is flat grey: the search found nothing to show. More steps may help."
    if spec.iterations < usual / 2:
        steps = counted(spec.iterations, "step")
        return "half done", f"The search was short: {steps}, where {usual} are usual. The picture is half done."
    return None


def share_sentences(metrics: Metrics) -> dict[str, tuple[str, str]]:
    """For each share of a clip that was taken apart, by its name: the value as text, and what it means.

    A share that was not measured is left out.
    """
    sentences = {
        "texture_share": "of the response is left when the texture is held still.",
        "motion_share": "of the response is left when the same motion moves grey noise.",
        "rebuilt_share": "of the response is left when the texture moves: {verdict}",
    }
    found = {}
    for name, sentence in sentences.items():
        share = metrics.get(name)
        if share is not None:
            verdict = next(words for least, words in _VERDICTS if share >= least)
            found[name] = f"{100 * share:.0f} %", sentence.format(verdict=verdict)
    likeness = metrics.get("rebuilt_likeness")
    if likeness is not None and "rebuilt_share" in found:
        value, sentence = found["rebuilt_share"]
        found["rebuilt_share"] = value, f"{sentence} It explains {100 * likeness:.0f} % of the picture's variance."
    return found


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
    if name in ("twin_gain", "gain") and value is None:
        value = _unbounded(metrics, "twin_activation" if name == "twin_gain" else "noise_activation")
    if value is None:
        return None
    match name:
        case "shown_activation":
            return _shown_activation(value, metrics)
        case "strength":
            sentence = "Mean response when the clip is brought to a standard deviation of 40, to compare pictures."
            return Interpretation(name, number(value), sentence, "plain")
        case "contrast":
            return _contrast(value, metrics.get("clipped") or 0.0)
        case "gain":
            sentence = "Compared with white noise, which excites most filters little."
            return Interpretation(name, _times(value), sentence, "plain")
        case "selectivity":
            return _selectivity(int(value), filters)
    tone, sentence = next((tone, sentence) for least, tone, sentence in _GRADES[name] if value >= least)
    twins = "clips with its colours and spectrum, but random phases, get " + number(metrics.get("twin_activation") or 0)
    sentence = sentence.format(twins=twins, Twins=twins[0].upper() + twins[1:])
    return Interpretation(name, _VALUES[name](value), sentence, tone)


def _without_verdict(said: Interpretation) -> Interpretation:
    """What was measured, without a conclusion about the filter, which follows a colon."""
    sentence = said.sentence
    if said.name in ("robustness", "motion"):
        sentence = sentence.partition(":")[0] + "."
    return replace(said, tone="plain", sentence=sentence)


def _shows_shapes(metrics: Metrics) -> bool:
    """Whether the filter responds to the clip's shapes, by its gain over the twins; True if it was not measured."""
    if "twin_gain" not in metrics:
        return True
    gain = metrics["twin_gain"]
    if gain is None:
        gain = _unbounded(metrics, "twin_activation")
    return gain is not None and gain >= LEAST_GAIN


def _unbounded(metrics: Metrics, reference: str) -> float | None:
    """Infinity for a ratio whose reference is no response at all, if the clip has a response; else None."""
    excited = (metrics.get("shown_activation") or 0) > 0
    return math.inf if excited and metrics.get(reference) == 0 else None


def _contrast(deviation: float, clipped: float) -> Interpretation:
    value = f"{deviation:.0f}, {100 * clipped:.0f} % clipped"
    natural = "Natural video has a standard deviation of 52 to 66, and 1 to 5 % of its values clipped."
    if deviation < FAINT:
        return Interpretation("contrast", value, f"Faint. {natural}", "fair")
    if deviation > OVEREXPOSED or clipped > MOST_CLIPPED:
        return Interpretation("contrast", value, f"Overexposed. {natural}", "fair")
    if deviation < NATURAL:
        held = "Nothing is overexposed. Natural video has more: a standard deviation of 52 to 66."
        return Interpretation("contrast", value, held, "good")
    return Interpretation("contrast", value, f"As natural video: {natural[0].lower()}{natural[1:]}", "good")


def _shown_activation(value: float, metrics: Metrics) -> Interpretation:
    sentence = "Mean response to this clip, over all positions."
    noise = metrics.get("noise_activation")
    if noise is not None:
        deviation = metrics.get("noise_deviation") or 0.0
        sentence = f"Mean response to this clip; to noise it is {number(noise)} ± {number(deviation)}."
    return Interpretation("shown_activation", number(value), sentence, "plain")


def _selectivity(rank: int, filters: int) -> Interpretation:
    value = f"{rank} of {filters}"
    if filters == 1:
        return Interpretation("selectivity", value, "The layer has no other filter.", "plain")
    if rank == 1:
        return Interpretation("selectivity", value, "No other filter of the layer responds more.", "good")
    others = "One other filter of the layer responds" if rank == 2 else f"{rank - 1} other filters of the layer respond"
    if rank <= max(3, filters // 20):
        return Interpretation("selectivity", value, f"{others} more: nearly specific to this filter.", "fair")
    return Interpretation("selectivity", value, f"{others} more: the picture is not specific to it.", "poor")


def _times(value: float) -> str:
    return "∞" if math.isinf(value) else f"×{number(value)}"


def measured_text(name: str, value: float) -> str:
    """The value of a measure, as it is written wherever it stands."""
    return _VALUES.get(name, number)(value)


_VALUES: dict[str, Callable[[float], str]] = {
    "twin_gain": _times,
    "gain": _times,
    "contrast": "{:.0f}".format,
    "selectivity": lambda value: f"rank {int(value)}",
    "robustness": lambda value: f"{100 * value:.0f} %",
    "motion": _times,
    "coherence": "{:.2f}".format,
    "repetition": "{:.2f}".format,
}
"""The text of a value."""
