"""Takes the screenshots of the dashboard in `docs/images/`: `python docs/screenshots.py`.

Starts a dashboard with an empty store, opens it in Chromium, renders a filter, and saves each stage as a JPEG.
"""

import io
import re
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from c3dvis.networks.weights.fetch.package import fetch  # noqa: E402
from tests.browser import FLAGS, find  # noqa: E402
from tests.processes import PATIENCE_MS  # noqa: E402
from tests.ui.conftest import Server  # noqa: E402

IMAGES = ROOT / "docs" / "images"
LAYER = "Mixed_4d/Branch_1/Conv3d_0b_3x3"


def keep(page: Page, name: str) -> None:
    """Save what the page shows."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.save(IMAGES / f"explore-{name}.jpg", quality=82, optimize=True)


def main() -> None:
    """Take all pictures anew."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    weights = fetch("i3d-kinetics400").parent.parent
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(Path(folder) / "cache", Path(folder) / "log.txt", weights)
        browser = playwright.chromium.launch(executable_path=find(), args=FLAGS)
        expect.set_options(timeout=PATIENCE_MS)
        try:
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            page.set_default_timeout(PATIENCE_MS)
            page.goto(server.url)
            rendered = page.get_by_text("Activation over the steps")
            offered = page.get_by_role("button", name="Render now")
            expect(rendered.or_(offered)).to_be_visible()
            if offered.count():
                offered.click()
            expect(rendered).to_be_visible()
            expect(page.get_by_text("Worker ready")).to_be_visible()
            keep(page, "idle")
            page.goto(f"{server.url}/?layer={LAYER}&filter=40")
            page.get_by_role("button", name="Render now").click()
            expect(page.get_by_text(re.compile(r"Step (2|3|4)\d of"))).to_be_visible()
            keep(page, "rendering")
            expect(rendered).to_be_visible()
            page.locator(".player .xy").hover()
            page.wait_for_timeout(500)  # the labels fade in
            keep(page, "done")
            page.emulate_media(color_scheme="dark")
            page.reload()
            expect(rendered).to_be_visible()
            page.wait_for_timeout(500)
            keep(page, "dark")
        finally:
            browser.close()
            server.close()


if __name__ == "__main__":
    main()
