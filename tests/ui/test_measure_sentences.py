"""The sentences that explain the measures of a result."""

import re

import pytest

from c3dvis.results.interpretation import Interpretation, early_end, interpret, unfinished
from c3dvis.spec import RenderSpec
from c3dvis.ui.shared.measures import measure_caption, measure_text

PRAISE = {
    "shown_activation": 9.0, "twin_gain": 20.0, "twin_activation": 0.4, "contrast": 55.0, "clipped": 0.01,
    "selectivity": 1, "robustness": 0.95, "coherence": 0.9, "repetition": 0.05,
}  # fmt: skip
"""Measures of a picture that is good in every way."""


def read(**metrics: float | int | bool | None) -> dict[str, Interpretation]:
    return {reading.name: reading for reading in interpret(RenderSpec(), metrics, filters=512)}


def test_a_good_picture_is_called_good() -> None:
    said = read(twin_gain=20.0, twin_activation=0.4, contrast=55.0, clipped=0.01, selectivity=1, robustness=0.95,
                coherence=0.9, repetition=0.05)  # fmt: skip
    assert {reading.tone for reading in said.values()} == {"good"}
    assert said["twin_gain"].value == "×20.0"
    assert "get 0.400" in said["twin_gain"].sentence
    assert said["selectivity"].value == "1 of 512"
    assert said["robustness"].value == "95 %"


def test_a_picture_that_lives_on_noise_is_called_poor() -> None:
    said = read(twin_gain=1.0, selectivity=300, robustness=0.2, coherence=0.05, repetition=0.9)
    assert {reading.tone for reading in said.values()} == {"poor"}
    assert "299 other filters" in said["selectivity"].sentence


def test_one_filter_ahead_is_said_in_the_singular() -> None:
    assert read(selectivity=2)["selectivity"].sentence.startswith("One other filter of the layer responds")


@pytest.mark.parametrize(("gain", "reference"), [("gain", "noise_activation"), ("twin_gain", "twin_activation")])
def test_undefined_measures_are_left_out_but_silence_to_noise_and_twins_is_said(gain: str, reference: str) -> None:
    assert gain not in read(shown_activation=2.0, **{gain: None, reference: 0.3})
    assert read(shown_activation=2.0, **{gain: None, reference: 0})[gain].value == "∞"
    assert gain not in read(shown_activation=0.0, **{gain: None, reference: 0})  # no praise for no response


def test_the_response_to_white_noise_earns_no_praise() -> None:
    assert read(gain=500.0)["gain"].tone == "plain"


@pytest.mark.parametrize(
    ("deviation", "clipped", "tone", "word"),
    [(58, 0.02, "good", "As natural video"), (42, 0.0, "good", "Nothing is overexposed. Natural video has more"),
     (82, 0.02, "fair", "Overexposed"), (58, 0.2, "fair", "Overexposed"), (8, 0.0, "fair", "Faint")],
)  # fmt: skip
def test_contrast_is_held_against_natural_video(deviation: float, clipped: float, tone: str, word: str) -> None:
    said = read(contrast=deviation, clipped=clipped)["contrast"]
    assert said.tone == tone
    assert said.sentence.startswith(word)


@pytest.mark.parametrize(("motion", "word"), [(1.8, "needs the movement"), (1.0, "adds little"), (0.5, "stillness")])
def test_motion_is_distinguished_from_stillness(motion: float, word: str) -> None:
    assert word in read(motion=motion)["motion"].sentence


@pytest.mark.parametrize("gain", [None, 0.9, 1.4])
def test_a_picture_without_shapes_gets_no_praise_for_anything_else(gain: float | None) -> None:
    said = read(shown_activation=0.0 if gain is None else 2.0, twin_gain=gain, twin_activation=1.5, contrast=55.0,
                clipped=0.01, selectivity=1, robustness=1.0, motion=1.3, coherence=1.0, repetition=0.0)  # fmt: skip
    assert len(said) >= 6
    assert "good" not in {reading.tone for reading in said.values()}
    assert said["robustness"].sentence == "Kept after shift, scaling, blur or GIF."
    assert said["motion"].sentence == "Higher than for its best frame held still."


@pytest.mark.parametrize(
    ("spec", "metrics", "why"),
    [
        (RenderSpec(iterations=0), {}, "no search"),
        (RenderSpec(engine="keras-vis", iterations=0), {}, "no search"),
        (RenderSpec(), {"contrast": 0.0}, "flat grey"),
        (RenderSpec(), {"contrast": 2.4}, "flat grey"),
        (RenderSpec(iterations=1), {}, "half done"),
        (RenderSpec(iterations=RenderSpec().iterations // 2 - 1), {}, "half done"),
        (RenderSpec(engine="keras-vis", iterations=99), {}, "half done"),
    ],
)
def test_an_unfinished_search_is_called_that_and_earns_no_verdict(
    spec: RenderSpec, metrics: dict[str, float], why: str
) -> None:
    measured = PRAISE | {"motion": 1.3} | metrics
    word, sentence = unfinished(spec, measured) or ("", "")
    assert word == why
    assert sentence.endswith(".")
    said = interpret(spec, measured, 512)
    assert {reading.tone for reading in said} == {"plain"}
    assert not [each for each in said if re.search("responds to shapes|needs the movement", each.sentence)]


def test_the_caption_of_a_clip_is_its_gain_once_the_search_is_whole() -> None:
    assert measure_caption(RenderSpec(), PRAISE) == "gain ×20.0"
    assert measure_caption(RenderSpec(iterations=2), PRAISE) == "half done"


def test_a_whole_search_is_not_called_unfinished() -> None:
    for spec in (RenderSpec(), RenderSpec(iterations=RenderSpec().iterations // 2), RenderSpec(engine="keras-vis")):
        assert unfinished(spec, PRAISE) is None


def test_what_cannot_be_otherwise_earns_no_praise() -> None:
    """The only filter of a layer is the most responsive one, and the frames of a still clip are alike."""
    said = {reading.name: reading.tone for reading in interpret(RenderSpec(), PRAISE | {"coherence": 1.0}, 1)}
    assert (said["selectivity"], said["coherence"]) == ("plain", "plain")


@pytest.mark.parametrize(("last", "steps", "said"), [(144, 144, ""), (149, 176, "step 149 of 176"), (0, 0, "")])
def test_a_search_that_ended_early_says_why(last: int, steps: int, said: str) -> None:
    sentence = early_end([{"step": 0}, {"step": last}], steps)
    assert said in sentence
    assert bool(sentence) == bool(said)
    assert early_end([], steps) == ""


@pytest.mark.parametrize("name", ["shown_activation", "twin_gain", "robustness", "coherence", "repetition"])
def test_a_measure_is_written_alike_in_the_list_and_in_a_table(name: str) -> None:
    said = {reading.name: reading.value for reading in interpret(RenderSpec(), PRAISE, 512)}
    assert said[name] == measure_text(PRAISE, name)


def test_the_motion_of_a_single_frame_is_no_measure() -> None:
    for frames, listed in ((1, False), (2, True)):
        said = {reading.name for reading in interpret(RenderSpec(frames=frames), PRAISE | {"motion": 1.0}, 512)}
        assert ("motion" in said) == listed
