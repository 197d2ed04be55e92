"""The tab Wiring in a real Chromium: moving kernels, a walk along the wiring, renders, phone and wide screen."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from bench.stand_in import Cluster
from c3dvis.networks import registry
from c3dvis.networks.wiring import wiring
from c3dvis.spec import RenderSpec
from tests.ui.conftest import Server, dashboard, made_result
from tests.visit import DESKTOP, READ_CANVAS, visiting

BLOCK, FILTER = "Mixed_3c", 200
INFO = registry.describe("i3d-kinetics400")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Iterator[Server]:
    """A dashboard with the picture of the strongest input, whose renders are stand-ins."""
    folder = tmp_path_factory.mktemp("wiring")
    source = wiring(INFO, BLOCK, FILTER).exciting(1)[0].source
    with dashboard(
        folder,
        weights,
        [made_result(RenderSpec(layer=source.layer, filter=source.filter))],
        workers=Cluster(1, seconds=0.1),
    ) as running:
        yield running


def test_a_visitor_walks_along_the_wiring(browser: Browser, server: Server) -> None:
    found = wiring(INFO, BLOCK, FILTER)
    source = found.exciting(1)[0].source
    with visiting(browser, server.url, viewport=DESKTOP) as visit:
        page = visit.page
        visit.open(f"layer={BLOCK}&filter={FILTER}")
        page.get_by_role("tab", name="Wiring").click()
        kernel = page.get_by_role("group", name="Kernel of the filter")
        expect(kernel.locator(".taps canvas")).to_have_count(found.kernel.shape[0])
        canvas = kernel.locator("canvas").first
        outlined = "(taps) => [...taps.children].findIndex((canvas) => canvas.classList.contains('now'))"
        taps = kernel.locator(".taps")
        before = taps.evaluate(outlined)
        page.wait_for_function(
            f"([taps, before]) => ({outlined})(taps) !== before", arg=[taps.element_handle(), before]
        )
        kernel.get_by_role("button", name="Play or pause all").click()
        seen = canvas.evaluate(READ_CANVAS)
        frame = np.array(seen["data"]).reshape(seen["height"], seen["width"], 4)[..., 0]
        norms = found.norm_over_inputs
        np.testing.assert_array_equal(frame, np.rint(255 * norms / norms.max())[taps.evaluate(outlined)])
        excited = page.get_by_role("group", name="Excited by these filters")
        expect(excited.locator("li.is-stored")).to_have_count(1)
        page.get_by_role("button", name="Render the missing pictures (11)").click()
        expect(excited.locator("li.is-stored")).to_have_count(6)
        expect(page.get_by_role("button", name="Render the missing pictures")).to_have_count(0)
        excited.get_by_role("link").first.click()
        expect(page.get_by_role("heading", name=f"{source.layer} · filter {source.filter}")).to_be_visible()
        expect(page.get_by_role("tab", name="Wiring")).to_have_attribute("aria-selected", "true")
        expect(page).to_have_url(
            f"{server.url}/?layer={source.layer.replace('/', '%2F')}&filter={source.filter}&tab=wiring"
        )
        expect(page.get_by_text("reads 256 inputs, each with one weight")).to_be_visible()


@pytest.mark.parametrize("width", [375, 1400, 2560])
def test_it_fits_the_window(browser: Browser, server: Server, width: int) -> None:
    with visiting(browser, server.url, viewport={"width": width, "height": 900}) as visit:
        page = visit.page
        page.goto(f"{server.url}/?layer={BLOCK}&filter={FILTER}&tab=wiring")
        expect(page.locator(".wall[data-cells='6']").last).to_be_visible()
        main = page.get_by_test_id("stMain").element_handle()
        page.wait_for_function("(main) => main.scrollWidth <= main.clientWidth", arg=main)
        for link in page.get_by_role("group", name="Excited by these filters").get_by_role("link").all():
            box = link.bounding_box()
            assert box
            assert 90 <= box["width"] <= (256 if width == 2560 else 200)
