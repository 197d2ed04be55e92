"""Takes the screenshots of the dashboard in `docs/images/`: `python docs/screenshots.py`.

Starts a dashboard with an empty store, opens it in Chromium, renders a filter, and saves the finished page. Then it
saves a small sheet for each page: at 375, 1400 and 2560 pixels, light and dark.
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from c3dvis.networks.weights.fetch.package import fetch  # noqa: E402
from tests.browser import FLAGS, find  # noqa: E402
from tests.processes import PATIENCE_MS  # noqa: E402
from tests.ui.conftest import Server  # noqa: E402

IMAGES = ROOT / "docs" / "images"
LAYER = "Mixed_4d/Branch_1/Conv3d_0b_3x3"
WINDOWS = ((375, 800), (1400, 1000), (2560, 1440))
ROW, GAP = 320, 8  # pixels of a sheet
PINS = "&".join(f"pin=layer%3DMixed_4d%26filter%3D{number}" for number in range(3))
SHEETS = {
    "explore": "?layer=Mixed_4d&filter=2", "failing": "?layer=Logits&filter=3&frames=8&seed=many",
    "gallery": "gallery?layer=Mixed_4d", "compare": f"compare?{PINS}", "probe": "probe", "network": "network",
    "status": "status", "method": "method",
}  # fmt: skip
"""Of each page, the address that its sheet shows."""


def shot(page: Page) -> Image.Image:
    """What the page shows."""
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def keep_sheets(browser: Browser, home: str) -> None:
    """Save a sheet for each page."""
    for name, address in SHEETS.items():
        rows = []
        for scheme in ("light", "dark"):
            pictures = []
            for width, height in WINDOWS:
                page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
                page.set_default_timeout(PATIENCE_MS)
                page.goto(f"{home}/{address}")
                expect(page.locator("h1").first).to_be_visible()
                page.wait_for_load_state("networkidle")
                page.wait_for_timeout(3000)  # what is below a component waits until it is drawn
                pictures.append(shot(page).resize((width * ROW // height, ROW), Image.Resampling.LANCZOS))
                page.close()
            rows.append(side_by_side(pictures))
        sheet = Image.new("RGB", (rows[0].width, 2 * ROW + GAP), "white")
        for number, row in enumerate(rows):
            sheet.paste(row, (0, number * (ROW + GAP)))
        sheet.save(IMAGES / f"pages-{name}.webp", quality=72, method=6)


def side_by_side(pictures: list[Image.Image]) -> Image.Image:
    """Pictures of one height as one."""
    row = Image.new("RGB", (sum(each.width + GAP for each in pictures) - GAP, ROW), "white")
    left = 0
    for each in pictures:
        row.paste(each, (left, 0))
        left += each.width + GAP
    return row


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
            page.goto(f"{server.url}/?layer={LAYER}&filter=40")
            page.get_by_role("button", name="Render now").click()
            expect(page.get_by_text("Activation over the steps")).to_be_visible()
            page.locator(".player .xy").hover()
            page.wait_for_timeout(500)  # the labels fade in
            shot(page).save(IMAGES / "explore-done.webp", quality=80, method=6)
            page.close()
            keep_sheets(browser, server.url)
        finally:
            browser.close()
            server.close()


if __name__ == "__main__":
    main()
