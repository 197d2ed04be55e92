"""A visitor in a real Chromium: a fresh profile that records console messages and requests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, BrowserContext, Locator, Page, ViewportSize, expect

from tests.processes import PATIENCE_MS

DESKTOP: ViewportSize = {"width": 1400, "height": 1000}

# When the first text or picture was painted, in ms since the navigation began.
# A function, since the policy of the pages allows no string that is evaluated while it is waited for.
FIRST_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"

READ_CANVAS = """(canvas) => {
  const {data, width, height} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return {width, height, data: Array.from(data)};
}"""


class Visit:
    """One visitor.

    Args:
        context: a browser profile.
        home: the beginning of every address that the page may request.

    Attributes:
        page: the visitor's tab.
        console: (type, text) of each console message; an uncaught error has the type `error`.
        requests: every address that was requested.
    """

    def __init__(self, context: BrowserContext, home: str) -> None:
        self.page: Page = context.new_page()
        self.home = home
        self.console: list[tuple[str, str]] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.console.append(("error", str(error))))
        self.page.on("console", lambda message: self.console.append((message.type, message.text)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    @property
    def errors(self) -> list[str]:
        return [text for type_, text in self.console if type_ == "error"]

    @property
    def foreign_requests(self) -> list[str]:
        """Requests to other hosts."""
        return [url for url in self.requests if not url.startswith((self.home, "blob:", "data:"))]

    def open(self, query: str = "") -> Locator:
        """Opens the Explore page with a query and returns its player."""
        self.page.goto(f"{self.home}/?{query}")
        expect(self.player).to_be_visible()
        return self.player

    @property
    def player(self) -> Locator:
        return self.page.locator(".player")

    def data(self, name: str) -> str:
        return self.player.get_attribute(f"data-{name}") or ""

    def canvas_pixels(self, view: str = "xy") -> np.ndarray:
        """The pixels of a canvas of the player, (H, W, 3) uint8."""
        canvas = self.page.locator(f".player .{view} canvas").evaluate(READ_CANVAS)
        return np.array(canvas["data"], np.uint8).reshape(canvas["height"], canvas["width"], 4)[..., :3]

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def download(self, name: str) -> tuple[str, bytes]:
        with self.page.expect_download() as waiting:
            self.press(name)
        return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


@contextmanager
def visiting(browser: Browser, home: str, **profile: Any) -> Iterator[Visit]:
    """A visit in a fresh profile (options of `new_context`), without console errors and requests to other hosts."""
    with browser.new_context(**profile) as context:
        context.set_default_timeout(PATIENCE_MS)
        visit = Visit(context, home)
        yield visit
    assert visit.errors == [], visit.errors
    assert visit.foreign_requests == [], visit.foreign_requests
