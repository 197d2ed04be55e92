"""What the page tests and `bench/pages.py` measure on a page in Chromium: layout shift, first picture, accessibility.

axe-core (https://github.com/dequelabs/axe-core) checks accessibility, in the copy that axe-playwright-python brings.
"""

from typing import Any, NamedTuple

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.processes import PATIENCE_MS

WIDTHS = (375, 1400, 2560)
"""Of a phone, a laptop and a large screen, in CSS pixels."""

# Adds up what PerformanceObserver reports as layout shift, and records when a picture was first drawn (ms).
_OBSERVER = """
window.measured = {shift: 0, shifts: [], picture: null};
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    measured.shift += entry.value;
    measured.shifts.push([entry.value, Math.round(entry.startTime), entry.sources.map((s) =>
      s.node?.className || s.node?.nodeName || "?")]);
  }
}).observe({type: "layout-shift", buffered: true});
const look = () => {
  for (const host of document.querySelectorAll("[data-testid=stBidiComponentIsolated]"))
    if (host.shadowRoot?.querySelector(".player[data-frame]:not(.empty), .wall[data-drawn]"))
      measured.picture = performance.now();
  if (measured.picture === null) requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""

_SETTLED = """
() => new Promise((resolve) => document.fonts.ready.then(() =>
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => resolve(true), 0)))))
"""


class PageMeasures(NamedTuple):
    """The measures of one page load.

    Attributes:
        shift: sum of all layout shifts, without unit; what moves while nothing was pressed.
        shifts: value, time in ms and moved elements of each.
        picture: ms from the start of the navigation to the first clip on the screen; None for a page without clips.
    """

    shift: float
    shifts: list[Any]
    picture: float | None


def wait_until_idle(page: Page) -> None:
    """Wait until the page's script has ended, and what it sent is on the screen."""
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached()
    page.evaluate(_SETTLED)


def measure(browser: Browser, address: str, ready: str, width: int) -> PageMeasures:
    """Load a page in a fresh profile and measure it.

    Args:
        browser: a Chromium.
        address: of the page.
        ready: selector of what the page shows last.
        width: of the window, CSS pixels.
    """
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.add_init_script(_OBSERVER)
        page.goto(address)
        expect(page.locator(ready).first).to_be_attached()
        wait_until_idle(page)
        found = page.evaluate("measured")
        return PageMeasures(found["shift"], found["shifts"], found["picture"])


def violations(page: Page) -> list[str]:
    """The rules of axe-core that a page breaks, one line per element."""
    found = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {node['target']} {_reason(node)}" for rule in found for node in rule["nodes"]]


def _reason(node: dict[str, Any]) -> str:
    checks = [check["message"] for kind in ("any", "all", "none") for check in node[kind]]
    return f"{node['html'][:160]} ({'; '.join(checks)[:300]})"
