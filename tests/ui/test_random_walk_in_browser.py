"""Random walks of a visitor in a real Chromium, through the Gallery, and through Explore and Compare, during renders.

After each act in the Gallery the heading, the wall, the counts, the pager, the buttons and the address have to agree.
After each act on Explore and Compare a visitor who opens the same address has to see the same. Back has to show what
was shown before the act. A browser keeps the values of controls that it does not draw, which AppTest lacks.
"""

import random
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect
from playwright.sync_api import TimeoutError as NotInTime

from bench.stand_in import Cluster
from c3dvis.networks import registry
from c3dvis.spec import RenderSpec
from c3dvis.ui.gallery.page_state import SHOW_TITLES, SORT_TITLES
from tests.page_checks import wait_until_idle
from tests.processes import PATIENCE_MS
from tests.ui.conftest import Server, dashboard, made_result
from tests.visit import DESKTOP, visiting

BASE = RenderSpec(filter=0, seed=1)
LAYERS = ("Mixed_3b", "Mixed_3c", "Conv3d_1a_7x7")
ACTS = 10  # in the Gallery
PAGE_ACTS = 7  # on Explore and Compare, where each is followed by a load of the page

# Whether the heading, the strip, the wall, the counts, the buttons and the pager agree with the address.
AGREE = """({filters, usual, shows, sorts}) => {
  const query = new URLSearchParams(location.search);
  const layer = query.get('layer') ?? usual;
  const text = document.querySelector('[data-testid=stMain]').innerText;
  const roots = [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')].map((host) => host.shadowRoot);
  const chosen = roots.map((root) => root?.querySelector('.strip [aria-checked=true]')).find(Boolean)?.dataset.layer;
  const wall = roots.map((root) => root?.querySelector('.wall')).find(Boolean);
  const cells = wall ? [...wall.querySelectorAll('a')] : [];
  const absent = cells.filter((cell) => cell.parentElement.matches('.is-absent, .is-failed')).length;
  const page = text.match(/Page (\\d+) of (\\d+), (\\d+) filters/);
  return {
    run: document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning',
    heading: document.querySelector('h1')?.textContent === layer,
    strip: chosen === layer,
    label: !wall || wall.getAttribute('aria-label') === `Filters of ${layer}: ` +
      `${shows[query.get('show') ?? 'all']}, by ${sorts[query.get('sort') ?? 'filter']}, ` +
      `page ${query.get('page') ?? 1}`,
    links: cells.every((cell) => (new URL(cell.href).searchParams.get('layer') ?? usual) === layer),
    wall: !!wall !== text.includes('No filter of this layer matches'),
    show: query.get('show') !== 'rendered' || absent === 0,
    counts: new RegExp(`\\\\d+ of ${filters[layer]} rendered`).test(text),
    buttons: text.includes(`Render this page (${absent})`),
    pager: page ? page[1] === (query.get('page') ?? '1') : !query.has('page'),
  };
}"""
WALL = """() => [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')]
  .flatMap((host) => [...(host.shadowRoot?.querySelectorAll('.wall a') ?? [])]).map((cell) => cell.href)"""

# What follows from the address of Explore or Compare: heading, controls, tab, clip, wall, what can be done.
VIEW = """() => {
  const all = (selector, read) => [...document.querySelectorAll(selector)].filter((each) => each.checkVisibility({
    visibilityProperty: true})).map(read);
  const roots = [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')].map((host) => host.shadowRoot);
  const inside = (selector, read) => roots.flatMap((root) => [...(root?.querySelectorAll(selector) ?? [])]).map(read);
  return JSON.stringify({
    heading: all('h1', (head) => head.textContent),
    captions: all('[data-testid=stMain] [data-testid=stCaptionContainer]', (text) => text.textContent)
      .filter((text) => !text.includes('Worker') && !/takes about|takes as long/.test(text)),
    values: all('[data-testid=stSidebar] input', (input) => `${input.getAttribute('aria-label')}: ${input.value}`),
    chosen: all(':is([aria-checked=true], [aria-selected=true])', (each) => each.textContent),
    pins: all('[data-testid=stSidebar] [data-testid=stMarkdown]', (text) => text.textContent),
    buttons: all('[data-testid=stMain] [data-testid^=stBaseButton]', (button) => `${button.disabled} ` +
      button.textContent.replace(' for everyone', '')),  // asked of a visitor beside whom another one watches
    strip: inside('.strip [aria-checked=true]', (layer) => layer.dataset.layer),
    player: inside('.player', (player) => player.getAttribute('aria-label')),
    wall: inside('.wall li', (cell) => cell.querySelector('a')?.href ?? ''),
  });
}"""


@pytest.fixture(scope="module")
def hold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that keeps every render under way until it is stopped."""
    file = tmp_path_factory.mktemp("hold") / "hold"
    file.write_text("none")
    return file


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, weights: Path, hold: Path) -> Iterator[Server]:
    """A dashboard with some filters of some layers stored, and a worker that finishes nothing."""
    folder = tmp_path_factory.mktemp("walk")
    with dashboard(
        folder,
        weights,
        [
            made_result(BASE.replace(layer=layer, filter=number), twin_gain=float(number), dead=number % 9 == 0)
            for layer in LAYERS[:2]
            for number in range(0, 40, 3)
        ],
        workers=Cluster(1, seconds=0.1, hold=hold),
    ) as running:
        yield running


class Walk:
    """A visitor in the Gallery, and what the address has to be after each act.

    Attributes:
        expected: the query of the address.
    """

    def __init__(self, page: Page, seed: int) -> None:
        self.page = page
        self.dice = random.Random(seed)
        self.expected = {"layer": LAYERS[0], "seed": "1"}

    def act(self) -> None:
        """Does something that the page offers, and checks the page."""
        acts = [self.choose_layer, self.choose_order, self.press_strip, self.press_strip]
        for name, act in (("Next ›", self.next_page), ("Stop", self.stop), ("Render this page", self.render)):
            button = self.page.get_by_role("button", name=name)
            if button.count() and button.is_enabled():
                acts += [act, act]
        self.dice.choice(acts)()
        self.check()

    def choose_layer(self) -> None:
        layer = self.dice.choice(LAYERS)
        self.choose("Layer", layer)
        self.expect_layer(layer)

    def choose_order(self) -> None:
        label, parameter, titles = self.dice.choice([("Sort by", "sort", SORT_TITLES), ("Show", "show", SHOW_TITLES)])
        value = self.dice.choice(list(titles))
        self.choose(label, titles[value])
        usual = next(iter(titles))
        if value != self.expected.get(parameter, usual):
            self.expected = {name: each for name, each in self.expected.items() if name not in ("page", parameter)}
            self.expected |= {parameter: value} if value != usual else {}

    def press_strip(self) -> None:
        layer = self.dice.choice(LAYERS)
        self.page.locator(f'.strip [data-layer="{layer}"]').click()
        self.expect_layer(layer)

    def next_page(self) -> None:
        self.page.get_by_role("button", name="Next ›").click()
        self.expected = self.expected | {"page": str(int(self.expected.get("page", "1")) + 1)}

    def render(self) -> None:
        self.page.get_by_role("button", name="Render this page").click()
        expect(self.page.get_by_role("button", name="Stop")).to_be_visible()

    def stop(self) -> None:
        self.page.get_by_role("button", name="Stop").click()
        expect(self.page.get_by_role("button", name="Stop")).to_have_count(0)

    def choose(self, label: str, option: str) -> None:
        """Chooses in the popover, which is then closed: its controls stay in the page, but are drawn no more."""
        opener = self.page.get_by_role("button", name="Network, layer, order")
        opener.click()
        self.page.get_by_role("combobox", name=label).click()
        if label == "Layer":
            self.page.keyboard.type(option)  # the list draws only what is in sight
        self.page.get_by_role("option", name=option, exact=True).click()
        opener.click()
        expect(self.page.get_by_role("combobox", name=label)).to_have_count(0)

    def expect_layer(self, layer: str) -> None:
        if layer != self.expected["layer"]:
            self.expected = {name: value for name, value in self.expected.items() if name != "page"} | {"layer": layer}

    def check(self) -> None:
        """The address is the expected one, and all parts of the page agree with it."""
        query = urlencode(sorted(self.expected.items()))
        self.page.wait_for_function(
            "(query) => { const now = new URLSearchParams(location.search); now.sort(); return `${now}` === query; }",
            arg=query,
        )
        info = registry.describe(BASE.network)
        facts = {
            "filters": {layer: info.output_shape(layer, *BASE.size)[3] for layer in LAYERS},
            "usual": BASE.layer,
            "shows": {name: title.lower() for name, title in SHOW_TITLES.items()},
            "sorts": {name: title.lower() for name, title in SORT_TITLES.items()},
        }
        try:
            self.page.wait_for_function(
                f"(facts) => Object.values(({AGREE})(facts)).every(Boolean)", arg=facts, timeout=30_000
            )
        except NotInTime as error:
            agreed = self.page.evaluate(AGREE, facts)
            wrong = [part for part, agrees in agreed.items() if not agrees]
            raise AssertionError(f"The {wrong} of the page are not those of {self.page.url}") from error

    def seen(self) -> tuple[dict[str, str], list[str]]:
        """What Back has to bring back: the query, and the cells of the wall."""
        return self.expected, self.page.evaluate(WALL)


@pytest.mark.parametrize("seed", [7, 9])
def test_the_parts_of_the_gallery_agree_whatever_is_pressed(browser: Browser, server: Server, seed: int) -> None:
    with visiting(browser, server.url, viewport=DESKTOP) as visit:
        page = visit.page
        page.goto(f"{server.url}/gallery?layer={LAYERS[0]}&seed=1&page=none&show=beauty&iterations=many")
        walk = Walk(page, seed)
        walk.check()
        seen = [walk.seen()]
        for _ in range(ACTS):
            walk.act()
            if walk.expected != seen[-1][0]:
                seen.append(walk.seen())
        page.reload()
        walk.check()
        for before in reversed(seen[:-1]):
            page.go_back()
            walk.expected = before[0]
            page.wait_for_function(f"(links) => JSON.stringify(({WALL})()) === JSON.stringify(links)", arg=before[1])
            walk.check()


class PageWalk:
    """A visitor of Explore and Compare, beside one who opens each address anew."""

    def __init__(self, page: Page, other: Page, seed: int) -> None:
        self.page = page
        self.other = other
        self.dice = random.Random(seed)

    def act(self) -> None:
        """Presses something that the page offers, and checks the page."""
        self.dice.choice(self.offered())()
        self.check()

    def offered(self) -> list[Callable[[], object]]:
        """What can be pressed now, and does something."""
        page = self.page
        here = "Compare" if "/compare" in page.url else "Explore"
        menu = page.get_by_role("link", name="Compare" if here == "Explore" else "Explore", exact=True)
        names = (
            r"Next filter|Random filter|Undo|Render now|Render this$|Cancel|Pin to compare|Remove \d|Render what|Stop"
        )
        buttons = page.get_by_role("button", name=re.compile(names)).all()
        found = [*buttons, menu.first, *page.get_by_role("tab", selected=False).all()]
        if here == "Explore":
            found += [page.get_by_role("radio", name=name, exact=True).first for name in ("natural", "clear", "fast")]
            found += [page.locator(f'.strip [data-layer="{layer}"]') for layer in LAYERS]
        else:
            found += [
                *page.locator(".wall a").all(),
                *page.get_by_role("link", name=re.compile("filters of|seeds of")).all(),
            ]
        return [each.click for each in found if each.is_visible() and each.is_enabled()]

    def check(self) -> None:
        """A visitor who opens the address sees the same. An act is over when the address and the page have followed."""
        deadline = time.monotonic() + PATIENCE_MS / 1000
        wait_until_idle(self.page)
        opened = shown = anew = ""
        while self.page.url != opened or shown != anew:
            assert time.monotonic() < deadline, f"{opened} shows {shown}, and anew {anew}"
            if self.page.url != opened:
                opened = self.page.url
                self.other.goto(opened)
                wait_until_idle(self.other)
            shown, anew = self.page.evaluate(VIEW), self.other.evaluate(VIEW)


def test_a_walk_through_explore_and_compare_shows_what_its_address_says(browser: Browser, server: Server) -> None:
    with visiting(browser, server.url, viewport=DESKTOP) as visit, visiting(browser, server.url) as other:
        visit.page.goto(f"{server.url}/?layer={LAYERS[0]}&filter=3&seed=1")
        walk = PageWalk(visit.page, other.page, seed=2)
        walk.check()
        seen = [(visit.page.url, visit.page.evaluate(VIEW))]
        for _ in range(PAGE_ACTS):
            walk.act()
            if visit.page.url != seen[-1][0]:
                seen.append((visit.page.url, visit.page.evaluate(VIEW)))
        assert len(seen) > 3
        for address, _ in reversed(seen[:-1]):
            visit.page.go_back()
            visit.page.wait_for_url(address)
            walk.check()
