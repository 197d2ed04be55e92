"""The sentences that explain the measures of a result."""

import pytest

from c3dvis.results.interpretation import Interpretation, interpret


def read(**metrics: float | int | bool | None) -> dict[str, Interpretation]:
    return {reading.name: reading for reading in interpret(metrics, filters=512)}


def test_a_good_picture_is_called_good() -> None:
    said = read(gain=20.0, selectivity=1, robustness=0.95, coherence=0.9, repetition=0.05)
    assert {reading.tone for reading in said.values()} == {"good"}
    assert said["gain"].value == "×20.0"
    assert said["selectivity"].value == "1 of 512"
    assert said["robustness"].value == "95 %"


def test_a_picture_that_lives_on_noise_is_called_poor() -> None:
    said = read(gain=1.0, selectivity=300, robustness=0.2, coherence=0.05, repetition=0.9)
    assert {reading.tone for reading in said.values()} == {"poor"}
    assert "299 other filters" in said["selectivity"].sentence


def test_one_filter_ahead_is_said_in_the_singular() -> None:
    assert read(selectivity=2)["selectivity"].sentence.startswith("One other filter of the layer responds")


def test_undefined_measures_are_left_out_but_silence_to_noise_is_said() -> None:
    assert read(gain=None, noise_activation=0.3) == {}
    assert read(gain=None, noise_activation=0)["gain"].value == "∞"


@pytest.mark.parametrize(("motion", "word"), [(1.8, "needs the movement"), (1.0, "adds little"), (0.5, "stillness")])
def test_motion_is_distinguished_from_stillness(motion: float, word: str) -> None:
    assert word in read(motion=motion)["motion"].sentence
