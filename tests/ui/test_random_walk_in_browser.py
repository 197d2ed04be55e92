"""A random walk of a visitor through the Gallery and the other pages in a real Chromium, while filters are rendered.

After each act the heading, the wall, the counts, the pager, the buttons and the address have to agree, and Back has to
show what was shown before the act. A browser keeps the values of controls that it does not draw, which AppTest lacks.
"""

import random
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect
from playwright.sync_api import TimeoutError as NotInTime

from bench.stand_in import Cluster
from c3dvis.networks import registry
from c3dvis.spec import RenderSpec
from c3dvis.ui.gallery.page_state import SHOW_TITLES, SORT_TITLES
from tests.ui.conftest import Server, dashboard, made_result
from tests.visit import DESKTOP, visiting

BASE = RenderSpec(filter=0, seed=1)
LAYERS = ("Mixed_3b", "Mixed_3c", "Conv3d_1a_7x7")
ACTS = 10

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
