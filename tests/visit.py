"""A visitor in a real Chromium: a fresh profile on a page, that notes what is said and what is asked for."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, ViewportSize, expect

from tests.processes import PATIENCE_MS

DESKTOP: ViewportSize = {"width": 1400, "height": 1000}

# When the first text or picture was painted, in ms since the navigation began.
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"

READ_CANVAS = """(canvas) => {
  const {data, width, height} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return {width, height, data: Array.from(data)};
}"""


class Visit:
    """One visitor.

    Args:
        context: a browser profile.
        home: the beginning of every address that the page may ask for.

    Attributes:
        page: the visitor's tab.
        said: (kind, text) of what stands in the console; an error that nobody caught is of the kind `error`.
        asked: every address that was asked for.
    """

    def __init__(self, context: BrowserContext, home: str) -> None:
        self.page: Page = context.new_page()
        self.home = home
        self.said: list[tuple[str, str]] = []
        self.asked: list[str] = []
        self.page.on("pageerror", lambda error: self.said.append(("error", str(error))))
        self.page.on("console", self._hear)
        self.page.on("request", lambda request: self.asked.append(request.url))

    def _hear(self, message: ConsoleMessage) -> None:
        # a page that is not the first one looks for Streamlit's own addresses below itself before it finds them
        if not re.fullmatch(rf"{re.escape(self.home)}/\w+/_stcore/(health|host-config)", message.location["url"]):
            self.said.append((message.type, message.text))

    @property
    def errors(self) -> list[str]:
        return [text for kind, text in self.said if kind == "error"]

    @property
    def elsewhere(self) -> list[str]:
        """What was asked of anyone but home."""
        return [url for url in self.asked if not url.startswith((self.home, "blob:", "data:"))]

    def open(self, query: str = "") -> Locator:
        """Opens the dashboard's first page at a query, and gives its player."""
        self.page.goto(f"{self.home}/?{query}")
        expect(self.player).to_be_visible()
        return self.player

    @property
    def player(self) -> Locator:
        return self.page.locator(".player")

    def data(self, name: str) -> str:
        return self.player.get_attribute(f"data-{name}") or ""

    def picture(self, view: str = "xy") -> np.ndarray:
        """A canvas as the visitor has it, (H, W, 3) uint8."""
        drawn = self.page.locator(f".player .{view} canvas").evaluate(READ_CANVAS)
        return np.array(drawn["data"], np.uint8).reshape(drawn["height"], drawn["width"], 4)[..., :3]

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def download(self, name: str) -> tuple[str, bytes]:
        with self.page.expect_download() as waiting:
            self.press(name)
        return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


@contextmanager
def visiting(browser: Browser, home: str, **profile: Any) -> Iterator[Visit]:
    """A visit in a fresh profile (`new_context` takes what it is); it ends without an error, and asked nobody else."""
    with browser.new_context(**profile) as context:
        context.set_default_timeout(PATIENCE_MS)
        visit = Visit(context, home)
        yield visit
    assert visit.errors == [], visit.errors
    assert visit.elsewhere == [], visit.elsewhere
