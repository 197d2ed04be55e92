"""The Network page: layer table, weights and their provenance, check, fetch, upload."""

import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import h5py
import pytest
from playwright.sync_api import Browser
from streamlit.testing.v1 import AppTest

from c3dvis.networks import registry
from c3dvis.networks.importers.add_network import add
from c3dvis.networks.nearest_spec import fit
from c3dvis.networks.weights import installed_weights, obtain
from c3dvis.networks.weights.published_files import WEIGHTS_AT_URLS
from c3dvis.spec import RenderSpec
from c3dvis.ui.components.layer_strip import strip_blocks
from c3dvis.ui.shared.plain_text import plain
from c3dvis.ui.shared.server_resources import server_resources
from tests.networks.address_server import AddressServer
from tests.networks.layouts import convolutions
from tests.networks.onnx_models import Graph
from tests.networks.test_user_networks import save, unet
from tests.processes import PATIENCE
from tests.ui.conftest import dashboard, table_rows
from tests.visit import DESKTOP, visiting

PAGE = "from c3dvis.ui.network import page\npage.page()"


def text(page: AppTest) -> str:
    parts = [*page.markdown, *page.caption, *page.error, *page.success, *page.code]
    return "\n".join(part.value for part in parts)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path / "weights"))
    return tmp_path / "weights"


def test_the_table_is_the_published_one_with_what_each_layer_sees(weights: Path) -> None:
    page = AppTest.from_string(PAGE, default_timeout=600).run()
    assert not page.exception
    assert page.title[0].value == plain("Inception-I3D on Kinetics-400")
    assert registry.describe("i3d-kinetics400").weights_sha256 in text(page)  # type: ignore[operator]
    page.selectbox(key="network page").select("c3d-sports1m").run()
    rows = table_rows(page)
    assert ["conv1 (conv)", "(16, 112, 112, 64)", "5,248", "3 × 3 × 3"] in rows
    assert ["fc8 (dense)", "(487,)", "1,995,239", "76 × 246 × 246"] in rows
    assert rows[-1] == ["Total", "", "79,991,015", ""]


def test_every_layer_leads_to_its_filters_from_the_diagram_and_from_the_table(weights: Path) -> None:
    page = AppTest.from_string(PAGE, default_timeout=600).run()
    parts = [re.findall(r'data-visit href="([^"]+)"', html.proto.body) for html in page.get("html")]
    diagram, table = [[urlsplit(unescape(link)) for link in links] for links in parts if links]
    for links in (diagram, table):
        assert {link.path for link in links} == {"./gallery"}
        layers = [dict(parse_qsl(link.query)).get("layer", RenderSpec().layer) for link in links]
        assert set(layers) == set(registry.describe("i3d-kinetics400").layers)


def test_a_look_at_the_network_loses_nothing_of_explore(weights: Path) -> None:
    script = """
import streamlit as st
from c3dvis.ui.explore import page as explore
from c3dvis.ui.network import page as network
(network if st.session_state.get("away") else explore).page()
"""
    page = AppTest.from_string(script, default_timeout=600)
    page.query_params["layer"], page.query_params["filter"] = "Mixed_3c", "7"
    page.run()
    for away in (True, False):
        page.query_params.clear()  # as the menu leads to a page
        page.session_state["away"] = away
        page.run()
        assert not page.exception
    assert page.title[0].value == plain("Mixed_3c · filter 7")


def test_pages_say_why_a_network_is_not_proved(folder: Path, tmp_path: Path) -> None:
    script = """
from c3dvis.ui.shared.weights_notice import draw_proof_notice
for name in ("i3d-kinetics400", "c3d-sports1m"):
    draw_proof_notice(name)
"""
    assert (
        not AppTest.from_string(script, default_timeout=600).run().caption
    )  # without weights there is nothing to prove
    info = registry.describe("c3d-sports1m")
    obtain.install(info, convolutions(tmp_path / "mine.h5"))
    [caption] = AppTest.from_string(script, default_timeout=600).run().caption
    assert caption.value.startswith(plain(f"{info.title}. Not proved: weights alone, which no framework runs"))


def test_provenance_of_weights_is_shown_and_weights_are_checked(folder: Path, tmp_path: Path) -> None:
    info = registry.describe("c3d-sports1m")
    obtain.install(info, convolutions(tmp_path / "mine.h5"))
    page = AppTest.from_string(PAGE, default_timeout=600).run()
    page.selectbox(key="network page").select("c3d-sports1m").run()
    said = text(page)
    for part in (
        "**Made from**: mine.h5",
        "Keras 2 HDF5",
        "27,655,936",
        "**Missing layers**: fc6, fc7, fc8",
        "**Not proved**: weights alone, which no framework runs; evidence for their layout: axes assumed",
        "non-commercial",
    ):
        assert part in said
    page.button(key="check").click().run()
    assert "The weights are whole" in text(page)
    with h5py.File(info.weights_path, "r+") as file:
        file["conv1/bias"][0] = 17.0  # type: ignore[index]
    page.button(key="check").click().run()
    assert "are not those it was written with" in text(page)
    assert not page.exception


def test_the_page_fetches_from_the_address_once_the_terms_are_accepted(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    name = "c3d-sports1m"
    with AddressServer(convolutions(tmp_path / "mine.h5"), "page cut good") as server:
        moved = replace(WEIGHTS_AT_URLS[name], url=server.url, labels_url=server.url)
        monkeypatch.setitem(WEIGHTS_AT_URLS, name, moved)
        page = AppTest.from_string(PAGE, default_timeout=600).run()
        page.selectbox(key="network page").select(name).run()
        assert page.button(key="fetch").disabled
        page.checkbox(key=f"accept {name}").check().run()
        for said in ("it sent a web page in place of the file", "**Fetched from**: `http://127.0.0.1"):
            page.button(key="fetch").click().run()
            fetch = server_resources().weights_fetch(name)
            assert fetch
            assert fetch.wait(PATIENCE)
            page.run()
            assert said in text(page)
            if fetch.error:
                other = AppTest.from_string(PAGE, default_timeout=600).run()
                other.selectbox(key="network page").select(name).run()
                assert not other.error  # the failure is told to the visitor who asked for the fetch
                assert "--" not in page.error[0].value  # a visitor has no command line
    assert not page.exception
    assert installed_weights.present(registry.describe(name))


def test_an_added_network_stands_there_and_on_the_strip(folder: Path, tmp_path: Path) -> None:
    import keras

    info = add("lungs", save(unet(keras), tmp_path / "m.keras"), None, ((0.0,), (1.0,)), title="Lungs in grey")
    page = AppTest.from_string(PAGE, default_timeout=600).run()
    page.selectbox(key="network page").select("lungs").run()
    assert not page.exception
    assert page.title[0].value == "Lungs in grey"
    assert ["up1 (conv transpose)", "(8, 16, 16, 4)"] in [row[:2] for row in table_rows(page)]
    blocks = strip_blocks(info, info.default_size)
    assert [block["layer"] for block in blocks] == list(info.layers)
    (folder / "lungs" / "network.json").write_text("{}")
    page = AppTest.from_string(PAGE, default_timeout=600).run()
    page.selectbox(key="network page").select("lungs").run()
    assert not page.exception
    assert "does not describe a network" in text(page)


def test_a_link_to_a_broken_network_keeps_its_good_parts(folder: Path) -> None:
    from c3dvis.spec import RenderSpec

    (folder / "mine").mkdir(parents=True)
    (folder / "mine" / "network.json").write_text("{}")
    spec, problems = fit(RenderSpec(network="mine", layer="x", seed=5))
    assert (spec.network, spec.seed) == ("i3d-kinetics400", 5)
    assert problems[0].part == "network"


def test_an_upload_is_read_as_arrays_or_refused_in_a_sentence(browser: Browser, tmp_path: Path) -> None:
    empty = tmp_path / "weights"
    empty.mkdir()
    bad = tmp_path / "evil.pth"
    bad.write_bytes(b"\x80\x02cos\nsystem\n(S'touch /tmp/never'\ntR.")
    with dashboard(tmp_path, empty) as server, visiting(browser, server.url) as visit:
        page = visit.page
        page.goto(f"{server.url}/network")
        page.get_by_role("combobox").first.click()
        page.get_by_role("option", name="C3D on Sports-1M").click()
        page.get_by_text("79,991,015").wait_for()
        assert page.locator("input[type=file]").is_disabled()
        page.get_by_text("I accept these terms").click()
        page.get_by_text("Accept the terms above first").wait_for(state="detached")
        page.locator("input[type=file]:not([disabled])").set_input_files(str(bad))
        page.get_by_text("evil.pth is a pickle that PyTorch did not write").wait_for()
        page.locator("input[type=file]").set_input_files(str(convolutions(tmp_path / "mine.h5")))
        page.get_by_text("27,655,936").wait_for()
        assert "mine.h5" in page.locator("body").inner_text()
    assert not Path("/tmp/never").exists()
    assert registry.NAMES[1] in {path.name for path in empty.iterdir()}


def test_a_network_is_added_from_an_uploaded_model_or_refused_in_a_sentence(browser: Browser, tmp_path: Path) -> None:
    graph = Graph()
    graph.add("Relu", graph.conv("input", 3, 4))
    model = graph.save(tmp_path / "small model.onnx")
    damaged = tmp_path / "cut.onnx"
    damaged.write_bytes(model.read_bytes()[:500])
    folder = tmp_path / "weights"
    folder.mkdir()
    with dashboard(tmp_path, folder) as server, visiting(browser, server.url, viewport=DESKTOP) as visit:
        page = visit.page
        page.goto(f"{server.url}/network")

        def fill(name: str, black: str, file: Path) -> None:
            page.get_by_label("Name", exact=True).fill(name)
            page.get_by_label("Input value of black", exact=True).fill(black)
            page.locator("[data-testid=stPopoverBody] input[type=file]").first.set_input_files(str(file))
            page.get_by_text(file.name, exact=True).wait_for()
            visit.press("Read and prove it")

        visit.press("Add a network")
        fill("c3d-sports1m", "0", damaged)
        page.get_by_text("There is a network c3d-sports1m already").wait_for()
        fill("small", "0", damaged)
        page.get_by_text("cut.onnx is no ONNX model").wait_for()
        fill("small", "-1,-1,inf", model)
        page.get_by_text("all finite").wait_for()
        fill("small", "-1,-1,-2", model)
        page.get_by_text("Proved").wait_for()
        page.get_by_text("small, added from small_model.onnx").first.wait_for()
        assert "network=small" in page.url
        page.locator("[data-testid=stPopoverBody]").wait_for(state="detached")
        page.reload()
        page.get_by_text("Proved").wait_for()
        assert str(tmp_path) not in page.locator("body").inner_text()
    assert {path.name for path in folder.iterdir()} == {"small"}
