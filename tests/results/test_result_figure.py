"""Figures of results: what they show, what their captions say, and which choices are refused."""

import io

import numpy as np
import pytest
from PIL import Image

from c3dvis.errors import InvalidSpec
from c3dvis.networks import classes, registry
from c3dvis.results import RenderResult
from c3dvis.results.figure import FigureContent, draw_figure
from c3dvis.spec import RenderSpec
from tests.media.test_figure import places_of, text_of

SMALL = RenderSpec(frames=6, height=24, width=32, iterations=48)


def result_of(spec: RenderSpec, steps: int | None = None) -> RenderResult:
    clip = np.random.default_rng(spec.seed).integers(0, 256, (*spec.size, 3), np.uint8)
    row = {
        "step": spec.iterations if steps is None else steps,
        "seconds": 1.0,
        "objective": 1.0,
        "shown_activation": 1.0,
    }
    return RenderResult(spec, clip, {}, [row], "abcdef123456" + "0" * 52, 7, {})


def caption_and_titles(results: list[RenderResult], content: FigureContent) -> str:
    return text_of(draw_figure(results, content, "pdf"))


def test_a_figure_shows_exactly_the_chosen_frames_and_slices() -> None:
    result = result_of(SMALL)
    content = FigureContent(frames=(0, 2, 5), row=3, column=30, scale=2)
    image = np.asarray(Image.open(io.BytesIO(draw_figure([result], content, "png"))).convert("RGB"))
    clip = result.clip
    tall = [part.repeat(2, 0) for part in (clip[:, 3], clip[:, :, 30])]  # 24 / 2 / 6 pixels for each frame
    for shown in (*clip[[0, 2, 5]], *tall):
        assert len(places_of(shown.repeat(2, 0).repeat(2, 1), image)) == 1
    for hidden in clip[[1, 3, 4]]:
        assert not places_of(hidden.repeat(2, 0).repeat(2, 1), image)
    text = caption_and_titles([result], content)
    for title in ("frame 1", "frame 3", "frame 6", "y = 3", "x = 30"):
        assert title in text


def test_the_caption_says_how_a_clip_was_made() -> None:
    text = caption_and_titles(
        [result_of(SMALL.replace(contrast=30, lp_p=3.0, tv_time_weight=20), steps=40)], FigureContent((0,))
    )
    for part in (
        "Inception-I3D on Kinetics-400 (i3d-kinetics400, abcdef123456), layer Mixed_4d, filter 40, engine fast, "
        "seed 0, 48 steps, stopped after 40, 6 frames of 32 × 24 pixels, lp p 3.0.",
        "Weights: Activation 1, Selectivity 0.2, Temporal TV 20, Contrast 30, Jitter in space 5, Jitter in time 1.",
        "Made with c3dvis",
    ):
        assert part in text
    spec = classes.class_spec(registry.describe("i3d-kinetics400"), 169)
    assert "class 169 (juggling balls)" in caption_and_titles([result_of(spec)], FigureContent((0,), scale=1))
    neuron = SMALL.replace(objective="neuron", position=(1, 2, 0))
    assert "neuron of filter 40 at t 1, h 2, w 0" in caption_and_titles([result_of(neuron)], FigureContent((0,)))


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"seed": 4, "contrast": 30.0}, "Seed 4, Contrast 30"),
        ({"layer": "Mixed_3b", "filter": 5}, "Layer Mixed_3b, filter 5"),
        ({"engine": "keras-vis", "iterations": 9}, "Engine keras-vis, 9 steps"),
        ({"tv_beta": 2.0, "precision": "float32"}, "tv beta 2.0, precision float32"),
        ({"width": 40}, "6 frames of 40 × 24 pixels"),
    ],
    ids=str,
)
def test_what_differs_between_results_stands_above_each_and_not_in_the_caption(changes: dict, shown: str) -> None:
    results = [result_of(SMALL), result_of(SMALL.replace(**changes))]
    for content in (FigureContent((2,), scale=1), FigureContent((0, 5), row=1, scale=1)):
        text = caption_and_titles(results, content)
        above, _, caption = text.partition("Inception-I3D")
        assert shown.lower() in above.lower()
        assert shown.lower() not in caption.lower()


def test_one_picture_of_each_result_makes_a_grid() -> None:
    results = [result_of(SMALL.replace(filter=number, seed=number)) for number in range(5)]
    picture = draw_figure(results, FigureContent((3,), scale=1), "png")
    image = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    tops = {places_of(result.clip[3], image)[0][0] for result in results}
    assert len(tops) == 1
    assert "of each clip frame 4" in caption_and_titles(results, FigureContent((3,)))


@pytest.mark.parametrize(
    "content",
    [
        FigureContent(), FigureContent((6,)), FigureContent((-1,)), FigureContent(row=24), FigureContent(column=32),
        FigureContent((0,), scale=9), FigureContent((0,), scale=0),
    ],
    ids=str,
)  # fmt: skip
def test_what_a_clip_does_not_have_is_refused(content: FigureContent) -> None:
    with pytest.raises(InvalidSpec, match="figure"):
        draw_figure([result_of(SMALL)], content, "png")


def test_the_usual_content_fits_every_size() -> None:
    for size in ((1, 8, 8), (2, 9, 30), (16, 112, 112)):
        spec = SMALL.replace(**dict(zip(("frames", "height", "width"), size, strict=True)))
        content = FigureContent.usual(size)
        content.check(spec)
        assert len(content.frames) == min(4, size[0])
