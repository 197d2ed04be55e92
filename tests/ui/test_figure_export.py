"""The export of figures, pressed in a real Chromium on each page that has results."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from bench.stand_in import Cluster
from c3dvis.spec import RenderSpec
from c3dvis.spec.text import query_text
from tests.media.test_figure import places_of, text_of
from tests.ui.conftest import Server, dashboard, made_result
from tests.visit import DESKTOP, Visit, visiting

SPEC = RenderSpec(layer="Mixed_3c", filter=3, frames=8, height=48, width=64)
SEEDS = [SPEC.replace(seed=seed) for seed in range(3)]
LAYER = [SPEC.replace(filter=number) for number in range(8)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("figures")
    with dashboard(folder, weights, [made_result(spec) for spec in {*SEEDS, *LAYER}], workers=Cluster(1)) as running:
        yield running


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Visit]:
    with visiting(browser, server.url, viewport=DESKTOP, accept_downloads=True) as visit:
        yield visit


def figures(visit: Visit) -> tuple[np.ndarray, str]:
    """The PNG as pixels, and the text of the PDF, both downloaded; the choices are open."""
    name, png = visit.download("PNG figure")
    assert name.endswith(".figure.png")
    name, pdf = visit.download("PDF figure")
    assert name.endswith(".figure.pdf")
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")), text_of(pdf)


def test_the_explore_page_exports_the_chosen_frames_and_slices_at_the_chosen_scale(visit: Visit) -> None:
    visit.open(query_text(SPEC))
    visit.press("Figure")
    clip = made_result(SPEC).clip
    image, text = figures(visit)
    assert len(places_of(clip[7].repeat(4, 0).repeat(4, 1), image)) == 1
    assert "layer Mixed_3c, filter 3, engine fast, seed 0" in text
    for title in ("frame 1", "frame 3", "frame 6", "frame 8", "y = 24", "x = 32"):
        assert title in text

    scale = visit.page.locator("input[type=range][aria-label=Scale]")
    scale.press("Home")
    expect(scale).to_have_value("1")
    visit.page.locator('[aria-label="Remove 8"]').click()
    expect(visit.page.locator('[aria-label="Remove 8"]')).to_have_count(0)
    visit.page.get_by_text("Slice x–t", exact=True).click()
    expect(visit.page.get_by_label("at y")).to_be_disabled()  # the server has all three choices
    expect(visit.page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    image, text = figures(visit)
    assert not places_of(clip[7], image)
    assert len(places_of(clip[5], image)) == 1
    assert "frame 8" not in text
    assert "y = 24" not in text


def test_compare_has_a_row_for_each_and_the_gallery_a_grid(visit: Visit, server: Server) -> None:
    specs = "&".join(f"spec={query_text(spec).replace('&', '%26').replace('=', '%3D')}" for spec in SEEDS)
    visit.page.goto(f"{server.url}/compare?{specs}")
    expect(visit.page.locator(".wall[data-drawn='3']")).to_be_visible()
    visit.press("Figure")
    image, text = figures(visit)
    for seed, spec in enumerate(SEEDS):
        assert f"Seed {seed}" in text
        assert places_of(made_result(spec).clip[2].repeat(4, 0).repeat(4, 1), image)

    visit.page.goto(f"{server.url}/gallery?layer=Mixed_3c&frames=8&height=48&width=64")
    expect(visit.page.locator(".wall[data-cells='24']")).to_be_visible()
    visit.press("Figure")
    image, text = figures(visit)
    for number in range(8):
        assert f"Filter {number}" in text
    assert "of each clip frame 5" in text


def test_the_choices_can_be_read_in_the_dark(browser: Browser, server: Server) -> None:
    with visiting(browser, server.url, viewport=DESKTOP, color_scheme="dark") as visit:
        visit.open(query_text(SPEC))
        visit.press("Figure")
        labels = visit.page.locator("[data-testid=stPopoverBody] [data-testid=stWidgetLabel] p")
        expect(labels).to_have_count(6)  # they arrive one after the other
        colours = labels.evaluate_all("(all) => all.map((each) => getComputedStyle(each).color)")
        for colour in colours:
            assert min(int(part) for part in colour.strip("rgb()").split(",")) > 200, colour
