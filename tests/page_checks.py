"""What the page tests and `bench/pages.py` measure on a page in Chromium: layout shift, first picture, accessibility.

axe-core (https://github.com/dequelabs/axe-core) checks accessibility, in the copy that axe-playwright-python brings.
"""

from typing import Any, NamedTuple

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from c3dvis.spec import RenderSpec
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

# Streamlit has loaded the code of every widget, and each component has drawn something.
_COMPLETE = """
() => !document.querySelector(".stSkeleton, [data-testid=stSkeleton]") && (!document.querySelector("[data-shown]")
  || !document.querySelector("[data-testid=stBidiComponentIsolated]:not([data-shown])"))
"""

_SETTLED = """
() => new Promise((resolve) => document.fonts.ready.then(() =>
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => resolve(true), 0)))))
"""


# Watches the focus: what it is on, and whether that, or something beside it, looks otherwise than without the focus.
_FOCUS = """
window.focusWatch = {last: null, invisible: [], seen: new Set()};
window.noteFocus = () => {
  const parts = (element) => {
    const parent = element.parentNode instanceof ShadowRoot ? element.parentNode.host : element.parentElement;
    const above = [parent, parent?.parentElement, parent?.parentElement?.parentElement].filter(Boolean);
    const near = parent ? [...(element.parentNode?.children ?? []), ...element.children] : [];
    return [element, ...above, ...near];
  };
  const look = (element) => parts(element).map((part) => {
    const style = getComputedStyle(part);
    return [style.outlineStyle === "none" ? "" : style.outline, style.boxShadow, style.borderColor,
      style.backgroundColor, style.textDecorationLine, style.clipPath].join("|");
  }).join("\\n");
  const watch = window.focusWatch;
  if (watch.last?.element.isConnected && look(watch.last.element) === watch.last.look)
    watch.invisible.push(watch.last.element.outerHTML.slice(0, 160));
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  const over = !element || element === document.body || watch.seen.has(element);
  watch.last = over ? null : {element, look: look(element)};
  watch.seen.add(element);
  return !over;
};
"""


# The names of what had the focus; what contains half a page, as a part that scrolls, has none.
_NAMES = """
() => [...focusWatch.seen].map((one) => one?.ariaLabel || one?.innerText?.trim() || "")
  .filter((name) => name.length < 60)
"""


_UPLOAD = '<section role="presentation" tabindex="-1" data-testid="stFileUploaderDropzone"'
"""Streamlit's frame around the button of an upload. It is said to be nothing, and has a name, which is the button's."""

STORED = [RenderSpec(layer="Mixed_3c", filter=3, seed=seed) for seed in range(3)]
"""Whose results the pages show."""


class Place(NamedTuple):
    """A page in one state.

    Attributes:
        path: address.
        ready: selector of what it shows last.
        title: of the browser's tab, before the program's name; also the heading.
        panels: texts and names of what is pressed to open everything that can be opened.
    """

    path: str
    ready: str
    title: str
    panels: tuple[str, ...] = ()


PLACES = {
    "explore": Place("?layer=Mixed_3c&filter=3", ".player[data-frame]", "Mixed_3c · filter 3", ("Advanced",)),
    "not rendered": Place("?layer=Mixed_3c&filter=77&engine=keras-vis", ".player", "Mixed_3c · filter 77"),
    "dropped link": Place("?layer=Mixed_3c&filter=nonsense&seed=x", ".player", "Mixed_3c · filter 40"),
    "wiring": Place("?layer=Mixed_3c&filter=3&tab=wiring", ".wall[data-cells]", "Mixed_3c · filter 3"),
    "embedded": Place("?layer=Mixed_3c&filter=3&embed=true", ".player[data-frame]", "Mixed_3c · filter 3"),
    "gallery": Place("gallery?layer=Mixed_3c", ".wall[data-cells]", "Mixed_3c", ("Network, layer, order",)),
    "sweep": Place(
        "compare?spec=layer%3DMixed_3c%26filter%3D3&sweep=seed&values=0,1,2", ".wall[data-cells]", "Compare"
    ),
    "pins": Place(
        "compare?pin=layer%3DMixed_3c%26filter%3D3&pin=layer%3DMixed_3c%26filter%3D3%26seed%3D1",
        ".wall[data-cells]",
        "Compare",
    ),
    "nothing pinned": Place("compare", "h1", "Compare"),
    "probe": Place("probe?size=small&layer=Mixed_3c", ".wall[data-drawn='6']", "Probe: sample clip"),
    "probe, link": Place("probe?file=bikes.mp4", "[data-testid=stAlert]", "Probe: bikes.mp4"),
    "network": Place("network", "td", "Inception-I3D on Kinetics-400"),
    "status": Place("status", "td", "Status"),
    "method": Place("method", "td", "Method"),
}
"""Every page, in each state that looks different."""


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
    page.wait_for_function(_COMPLETE)
    page.evaluate(_SETTLED)


def open_place(page: Page, home: str, place: Place) -> None:
    """Go to a page of the dashboard at the address `home`, open its panels, and wait until it is idle."""
    page.goto(f"{home}/{place.path}")
    expect(page.locator(place.ready).first).to_be_attached()
    for panel in place.panels:
        page.get_by_text(panel).first.click()
    wait_until_idle(page)


def measure(browser: Browser, home: str, place: Place, width: int) -> PageMeasures:
    """Load a page in a fresh profile and measure it.

    Args:
        browser: a Chromium.
        home: address of the dashboard.
        place: the page.
        width: of the window, CSS pixels.
    """
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.add_init_script(_OBSERVER)
        page.goto(f"{home}/{place.path}")
        expect(page.locator(place.ready).first).to_be_attached()
        wait_until_idle(page)
        found = page.evaluate("measured")
        return PageMeasures(found["shift"], found["shifts"], found["picture"])


def violations(page: Page) -> list[str]:
    """The rules of axe-core that a page breaks, one line per element."""
    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']}: {node['target']} {_reason(node)}"
        for rule in found
        for node in rule["nodes"]
        if not (rule["id"] == "presentation-role-conflict" and _UPLOAD in node["html"])
    ]


def without_visible_focus(page: Page) -> tuple[list[str], list[str]]:
    """Press Tab through a page: the names of the elements that took the focus, and those on which it cannot be seen."""
    page.add_style_tag(content="* { transition: none !important; }")
    page.evaluate(_FOCUS)
    for _ in range(200):
        page.keyboard.press("Tab")
        if not page.evaluate("noteFocus()"):
            break
    names = page.evaluate(_NAMES)
    return names, page.evaluate("focusWatch.invisible")


def _reason(node: dict[str, Any]) -> str:
    checks = [check["message"] for kind in ("any", "all", "none") for check in node[kind]]
    return f"{node['html'][:160]} ({'; '.join(checks)[:300]})"
