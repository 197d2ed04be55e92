"""The exported site: whole, valid, and at home in a folder, with JavaScript and without."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser

from c3dvis.atlas.pages import index_page
from c3dvis.atlas.plan import AtlasPlan, make_plan
from c3dvis.atlas.rendering import FailedRender
from c3dvis.atlas.site import FORMATS, Site
from c3dvis.errors import InvalidSpec, OutputFailed, RenderFailed
from c3dvis.networks import registry
from c3dvis.results import RenderResult
from c3dvis.spec import RenderSpec
from tests.ui.conftest import made_result
from tests.visit import visiting

BRANCH = "Mixed_3b/Branch_0/Conv3d_0a_1x1"
VOID = {"meta", "link", "img", "br", "input"}


@pytest.fixture(scope="module")
def plan() -> AtlasPlan:
    return make_plan(RenderSpec(frames=8, height=32, width=48), ["Conv3d_1a_7x7", BRANCH], "0-5")


@pytest.fixture(scope="module")
def results(plan: AtlasPlan) -> list[RenderResult]:
    """Of all but the last filter; one is dead."""
    return [made_result(spec, dead=spec.filter == 2) for spec in plan.specs[:-1]]


@pytest.fixture(scope="module")
def folder(plan: AtlasPlan, results: list[RenderResult], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished site with one failure."""
    folder = tmp_path_factory.mktemp("atlas") / "site <&> é"
    site = Site(folder, plan, FORMATS, fps=12)
    for result in results:
        site.add(result)
    site.finish([FailedRender(plan.specs[-1], RenderFailed("Numbers <overflowed> & more."))])
    return folder


class Reader(HTMLParser):
    """Reads a page strictly: every tag closed in its order, every id and attribute once, no unknown nesting."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: set[str] = set()
        self.addresses: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        found = dict(attrs)
        if "id" in found:
            assert found["id"] not in self.ids
            self.ids.add(str(found["id"]))
        if tag == "img":
            assert found.get("alt")
            assert {"width", "height"} <= set(found)
            self.images.append(found)
        if tag == "li":
            assert self.open[-1] in ("ul", "ol")
        if tag in ("p", "ul", "div", "table", "dl", "figure"):
            assert "p" not in self.open, f"<{tag}> in a paragraph"
        self.addresses += [str(found[name]) for name in ("href", "src", "data-sheet") if name in found]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def pages(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.html"))


def test_every_filter_has_an_address_with_all_its_files(folder: Path, results: list[RenderResult]) -> None:
    assert len(pages(folder)) == 1 + 2 + len(results) + 1
    for result in results:
        stem = folder / result.spec.layer.replace("/", ".") / str(result.spec.filter)
        assert RenderSpec.from_json(stem.with_suffix(".json").read_text()) == result.spec
        assert RenderResult.from_bytes(stem.with_suffix(".h5").read_bytes()).key == result.key
        with Image.open(stem.with_suffix(".webp")) as moving:
            moving.seek(5)
            np.testing.assert_array_equal(np.asarray(moving.convert("RGB")), result.clip[5])
        assert len(iio.imread(stem.with_suffix(".gif"))) == 8
        for name in ("mp4", "apng", "png", "npy"):
            assert stem.with_suffix(f".{name}").stat().st_size > 0
    assert not list(folder.rglob("*.part"))


def test_pages_are_valid_and_every_address_is_a_file_of_the_site(folder: Path) -> None:
    for page in pages(folder):
        text = page.read_text(encoding="utf-8")
        assert text.startswith("<!DOCTYPE html>\n<html lang=")
        assert len(re.findall("<title>[^<]+</title>", text)) == len(re.findall("<h1>", text)) == 1
        for address in Reader(text).addresses:
            if address != "data:,":
                assert not re.match(r"[a-z]+:|//|/", address), address
                assert (page.parent / address).is_file(), (page, address)


def test_the_first_page_is_the_original_table_with_lazy_pictures(folder: Path) -> None:
    text = (folder / "index.html").read_text()
    images = Reader(text).images
    assert len(images) == 2 * 4 - 2  # layers × four filters, of which one each is dead
    assert {image["loading"] for image in images} == {"lazy"}
    assert "Conv3d_2b_1x1" in text  # in the architecture's table, though not in the atlas
    assert "Numbers &lt;overflowed&gt; &amp; more." in text
    assert "11 of 12 filters are here" in text


def test_a_filters_page_says_what_it_is_worth_and_how_to_repeat_it(folder: Path) -> None:
    text = (folder / BRANCH.replace("/", ".") / "1.html").read_text()
    assert "<dt>Gain <b>×7.00</b></dt>" in text
    assert f"c3dvis render --network i3d-kinetics400 --layer {BRANCH} --filter 1" in text
    assert 'rel="prev" href="0.html"' in text
    assert 'rel="next" href="2.html"' in text
    assert "This filter is dead" in (folder / BRANCH.replace("/", ".") / "2.html").read_text()


def test_text_of_a_network_or_a_result_is_never_markup(
    plan: AtlasPlan, results: list[RenderResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = "</title><script>alert('x')</script><img src=x onerror=\"alert(1)\">"
    info = replace(plan.info, title=hostile, licence=hostile)
    monkeypatch.setattr(registry, "describe", lambda name: info)
    site = Site(tmp_path, plan)
    site.add(replace(results[0], provenance={"device": hostile}))
    site.finish([FailedRender(plan.specs[1], RenderFailed(hostile))])
    for page in pages(tmp_path):
        text = page.read_text()
        Reader(text)
        assert "<script>" not in text
        assert "<img src=x" not in text
    escaped = "&lt;/title&gt;&lt;script&gt;alert(&#39;x&#39;)"
    folder = tmp_path / "Conv3d_1a_7x7"
    index, layer, filter_0, failed = (
        (tmp_path / "index.html").read_text(),
        *((folder / name).read_text() for name in ("index.html", "0.html", "1.html")),
    )
    assert [text.count(escaped) for text in (index, layer, filter_0, failed)] == [4, 3, 3, 3]


def test_a_layers_name_is_never_the_scheme_of_an_address(
    plan: AtlasPlan, results: list[RenderResult], tmp_path: Path
) -> None:
    name = "javascript:alert(1)?#%2F"
    specs = tuple(spec.replace(layer=name) for spec in plan.layers["Conv3d_1a_7x7"])
    text = index_page(AtlasPlan(plan.base, {name: specs}), {spec: {} for spec in specs}, {})
    assert 'href="javascript%3Aalert%281%29%3F%23%252F/0.html"' in text
    assert 'src="javascript' in text
    assert not re.search('(?:href|src)="javascript:', text)


def test_nothing_is_written_twice_and_what_changed_is(
    plan: AtlasPlan, results: list[RenderResult], tmp_path: Path
) -> None:
    first = Site(tmp_path, plan)
    for result in results[:3]:
        first.add(result)
    again = Site(tmp_path, plan)
    (tmp_path / "Conv3d_1a_7x7" / "1.gif").unlink()
    other = made_result(plan.specs[2], twin_gain=2.0)
    for result in (*results[:2], other):
        again.add(result)
    assert (first.written, again.written) == (3, 2)
    assert (tmp_path / "Conv3d_1a_7x7" / "1.gif").is_file()


def test_impossible_wishes_are_refused(plan: AtlasPlan, tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match="'avi'"):
        Site(tmp_path, plan, ["avi"])
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputFailed):
        Site(tmp_path / "file", plan)


@pytest.mark.parametrize("script", [True, False])
def test_it_opens_from_a_folder(browser: Browser, folder: Path, script: bool) -> None:
    with visiting(browser, folder.as_uri(), java_script_enabled=script) as visit:
        page = visit.page
        page.goto((folder / "index.html").as_uri())
        page.get_by_role("link", name=BRANCH).first.click()
        page.wait_for_url("**/index.html")
        page.locator("#filter-1 a").click()
        page.wait_for_url("**/1.html")
        if script:
            player = page.locator(".player[data-frame]")
            player.wait_for()
            before = player.get_attribute("data-frame")
            page.wait_for_function("(before) => document.querySelector('.player').dataset.frame !== before", arg=before)
            page.get_by_role("button", name="Pause").click()
            page.keyboard.press("ArrowRight")
            assert page.locator("canvas").count() == 3
            page.get_by_role("slider", name="Frame").fill("6")
            assert player.get_attribute("data-frame") == "5"
        else:
            picture = page.get_by_role("img", name=re.compile("Moving volume")).bounding_box()
            assert picture
            assert picture["width"] == 336
            assert any(url.endswith("/1.gif") for url in visit.requests)
        assert visit.console == []
        assert all(url.startswith("file:") for url in visit.requests), visit.requests
