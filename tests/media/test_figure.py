"""Figures: every pixel stands where it belongs, text of a PDF is text, and nothing in a name is markup."""

import io
import itertools

import matplotlib as mpl
import numpy as np
import pypdf
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from c3dvis.media import figure
from c3dvis.media.figure import Panel, PanelRow, draw_figure


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def drawn(rows: list[PanelRow], caption: str = "A caption", scale: int = 1) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(draw_figure(rows, caption, "png", scale))).convert("RGB"))


def text_of(pdf: bytes) -> str:
    pages = pypdf.PdfReader(io.BytesIO(pdf)).pages
    assert len(pages) == 1
    return " ".join(pages[0].extract_text().split())


def places_of(pixels: np.ndarray, image: np.ndarray) -> list[tuple[int, int]]:
    """Every (top, left) at which an image shows exactly these pixels."""
    height, width = pixels.shape[:2]
    corners = np.argwhere((image == pixels[0, 0]).all(-1))
    return [
        (top, left)
        for top, left in corners.tolist()
        if np.array_equal(image[top : top + height, left : left + width], pixels)
    ]


@given(
    sizes=st.lists(st.tuples(st.integers(1, 50), st.integers(2, 130), st.integers(1, 3)), min_size=1, max_size=6),
    scale=st.sampled_from(figure.SCALES),
    heading=st.sampled_from(["", "A heading"]),
)
@settings(max_examples=8, deadline=None)
def test_every_pixel_is_a_square_of_its_colour_and_no_picture_covers_another(
    sizes: list[tuple[int, int, int]], scale: int, heading: str
) -> None:
    panels = [Panel(picture(h, w, n), f"frame {n}", row_height=rows) for n, (h, w, rows) in enumerate(sizes)]
    image = drawn([PanelRow(panels[:2], heading), *([PanelRow(panels[2:])] if panels[2:] else [])], scale=scale)
    boxes = []
    for panel in panels:
        squares = panel.pixels.repeat(scale * panel.row_height, 0).repeat(scale, 1)
        (place,) = places_of(squares, image)
        boxes.append((place, squares.shape[:2]))
    for (top, left), (height, width) in boxes:
        around = image[max(0, top - 1) : top + height + 1, max(0, left - 1) : left + width + 1]
        assert around.shape[:2] == (height + 2, width + 2)  # nothing stands at the edge of the paper
    assert image.shape[1] <= (figure._MOST_WIDTH + 40) * scale


@given(st.text(max_size=80), st.text(max_size=40))
@settings(max_examples=6, deadline=None)
def test_any_text_can_be_written(caption: str, title: str) -> None:
    for fmt in figure.FIGURE_FORMATS:
        assert draw_figure([PanelRow([Panel(picture(8, 8), title)], title)], caption, fmt)


def test_the_text_of_a_pdf_is_text_in_a_font_that_it_contains() -> None:
    caption = "Layer Mixed_4d, 16 frames of 112 × 112, $x$ \\frac{a}{b} <b> žluťoučký кон 漢"
    pdf = draw_figure([PanelRow([Panel(picture(16, 60), "y = 5", "x", "frame")], "juggling balls")], caption, "pdf")
    text = text_of(pdf)
    for part in ("y = 5", "juggling balls", "frame", "15", "59", caption.replace("漢", "□")):
        assert part in text
    fonts = pypdf.PdfReader(io.BytesIO(pdf)).pages[0]["/Resources"]["/Font"].values()  # type: ignore[index]
    assert {font.get_object()["/Subtype"] for font in fonts} == {"/Type0"}


def test_a_long_caption_is_broken_into_lines_that_fit() -> None:
    word, rows = "Kinetics", [PanelRow([Panel(picture(40, 40))])]
    short, long = drawn(rows, word), drawn(rows, " ".join([word] * 60))
    assert short.shape[1] == long.shape[1]
    assert long.shape[0] > short.shape[0] + 40
    assert (long[:, -3:] == 255).all()


def test_a_figure_is_the_same_each_time_and_carries_how_it_was_made() -> None:
    rows, about = [PanelRow([Panel(picture(9, 9))])], {"Title": "Mixed_4d · filter 40"}
    for fmt, key in (("png", "Comment"), ("pdf", "Subject")):
        first = draw_figure(rows, "c", fmt, 2, about | {key: '{"seed": 3}'})
        assert first == draw_figure(rows, "c", fmt, 2, about | {key: '{"seed": 3}'})
        if fmt == "png":
            assert Image.open(io.BytesIO(first)).info["Comment"] == '{"seed": 3}'
        else:
            metadata = pypdf.PdfReader(io.BytesIO(first)).metadata
            assert metadata
            assert (metadata.title, metadata.subject) == ("Mixed_4d · filter 40", '{"seed": 3}')


@pytest.mark.parametrize(("rows", "fmt", "scale"), [(0, "png", 1), (1, "svg", 1), (1, "png", 9), (1, "pdf", 0)])
def test_an_impossible_figure_is_refused(rows: int, fmt: str, scale: int) -> None:
    with pytest.raises(ValueError, match="A figure needs"):
        draw_figure([PanelRow([Panel(picture(4, 4))])] * rows, "", fmt, scale)


@given(
    frames=st.sampled_from([1, 2, 4, 9, 16, 64]),
    height=st.integers(8, 130),
    width=st.integers(8, 130),
    titles=st.lists(st.sampled_from(["frame 1", "frame 16", "Seed 3, contrast 30"]), min_size=1, max_size=7),
    scale=st.sampled_from([1, 2]),
)
@example(frames=4, height=16, width=16, titles=["frame 1", "frame 4"], scale=1)
@example(frames=16, height=50, width=50, titles=["frame 1"] * 4, scale=1)
@settings(max_examples=6, deadline=None)
def test_no_text_covers_another(frames: int, height: int, width: int, titles: list[str], scale: int) -> None:
    along = max(1, min(height, width) // 2 // frames)
    row = [Panel(picture(height, width), title) for title in titles]
    row += [Panel(picture(frames, size), "y = 7", "x", "frame", 1, along) for size in (width, height)]
    with mpl.rc_context(figure._RC):
        drawn_figure = figure._drawn(
            [PanelRow(row, "A heading " * 9), PanelRow(row, "Another")], "A caption " * 30, scale
        )
        renderer = FigureCanvasAgg(drawn_figure).get_renderer()
        drawn_figure.draw(renderer)
        texts = [text for text in drawn_figure.findobj(Text) if text.get_visible() and text.get_text()]
        boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts]
    assert {"frame", "frame 1", f"frame 1–{frames}"} & {name for name, _ in boxes}  # each axis is named
    for (one, box), (other, beside) in itertools.combinations(boxes, 2):
        across = min(box.x1, beside.x1) - max(box.x0, beside.x0)
        down = min(box.y1, beside.y1) - max(box.y0, beside.y0)
        assert min(across, down) <= 0.5 * scale, (one, other)  # the extents are rounded
    for name, box in boxes:
        assert box.x0 >= 0, name
        assert box.x1 <= drawn_figure.bbox.width, name
