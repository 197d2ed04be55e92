"""The page Probe in a real Chromium, on a real video: its window, its views, its filters, its files, and a dream."""

import csv
import io
import re

import h5py
import imageio.v3 as iio
import numpy as np
import pytest
from playwright.sync_api import Browser, expect
from pypdf import PdfReader

from c3dvis.clips import Window, read_window
from tests.clips.real_clips import real_clip
from tests.ui.conftest import Server
from tests.visit import DESKTOP, Visit, visiting

LAYER = "Conv3d_2b_1x1"
ANSWERED = "All questions about this clip are answered."


def test_a_real_clip_is_probed_saved_and_dreamt_on(browser: Browser, working: Server) -> None:
    """All in one visit, so that the network looks at one window."""
    with visiting(browser, working.url, viewport=DESKTOP, accept_downloads=True, reduced_motion="reduce") as visit:
        visit.page.goto(f"{working.url}/probe?size=small&length=8&layer={LAYER}&start=4&file=bikes.mp4")
        expect(visit.page.get_by_text("This link shows bikes.mp4")).to_be_visible()
        visit.page.locator("input[type=file]").set_input_files(real_clip("bikes.mp4"))
        expect(visit.page.get_by_text(ANSWERED)).to_be_visible()
        expect(visit.player).to_have_attribute("data-clip", re.compile("feature_map$"))
        assert_that_files_hold_what_is_shown(visit)
        assert_that_a_press_dreams_on_the_clip(visit)
        assert_that_views_filters_and_window_can_be_chosen(visit)


def assert_that_files_hold_what_is_shown(visit: Visit) -> None:
    name, data = visit.download("Responses, CSV")
    assert re.fullmatch(rf"probe_i3d-kinetics400_feature_map_{LAYER}_\d+\.csv", name)
    rows = [row for row in csv.DictReader(io.StringIO(data.decode())) if row["layer"] == LAYER]
    means = np.array([float(row["mean"]) for row in rows])
    assert len(means) == 64

    clip = read_window(real_clip("bikes.mp4"), Window(4, 1, 8), (112, 112)).clip
    _, data = visit.download("Feature maps, HDF5")
    with h5py.File(io.BytesIO(data)) as file:
        assert np.array_equal(file["clip"], clip)  # type: ignore[arg-type]
        filters, maps = (np.array(file[f"layers/{LAYER}/{part}"]) for part in ("filters", "maps"))
    assert len(filters) == 6
    assert maps.mean((1, 2, 3)) == pytest.approx(means[filters], rel=1e-4)

    name, data = visit.download("Overlay, MP4")
    assert name.endswith(f"_{filters[0]}.mp4")
    assert len(iio.imread(data, plugin="pyav", extension=".mp4")) == 8
    _, data = visit.download("Figure, PDF")
    text = " ".join(PdfReader(io.BytesIO(data)).pages[0].extract_text().split())
    assert f"{LAYER} · filter {filters[0]}" in text
    assert "8 frames of bikes.mp4, from 4 s on" in text


def assert_that_a_press_dreams_on_the_clip(visit: Visit) -> None:
    visit.press("Dream on this clip")
    dream = visit.page.locator(".wall li", has_text="The dream")
    expect(dream).to_contain_text("in place of")
    after, before = map(float, re.findall(r"\d+(?:\.\d+)?", dream.inner_text().split("response")[1]))
    assert after > 1.2 * before
    expect(dream.locator("a")).to_have_attribute("href", re.compile("start_clip="))


def assert_that_views_filters_and_window_can_be_chosen(visit: Visit) -> None:
    page = visit.page
    for view, key in (("Saliency", "saliency"), ("Grad-CAM", "grad_cam"), ("Clip alone", "alone")):
        page.get_by_role("radio", name=view).click()
        expect(page.get_by_text(ANSWERED)).to_be_visible()
        expect(visit.player).to_have_attribute("data-clip", re.compile(f"{key}$"))
    film = page.get_by_role("img", name="Film strip of bikes.mp4")
    expect(film).to_have_accessible_name(re.compile("the window is 0.32 of 10 seconds, from 4 on"))
    page.get_by_role("slider", name="Start, seconds").press("ArrowRight")
    expect(film).to_have_accessible_name(re.compile("from 4.04 on"))
    second = page.locator(".wall[data-drawn='6'] a").nth(1)
    expect(second).to_have_attribute("href", re.compile("start=4.04"))
    number = second.inner_text().split()[1]
    second.click()
    expect(page).to_have_url(re.compile(rf"filter={number}(&|$)"))
    assert {"start=4.04", "file=bikes.mp4", "view=clip"} <= set(page.url.split("?")[1].split("&"))
