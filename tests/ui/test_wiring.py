"""The tab Wiring under AppTest, over the real store and weights."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from c3dvis.networks import registry
from c3dvis.networks.wiring import wiring
from c3dvis.results import RenderResult
from c3dvis.spec import RenderSpec
from c3dvis.ui.shared.plain_text import plain
from tests.ui.conftest import go_to

OpenPage = Callable[..., AppTest]
Stored = Callable[..., RenderResult]


def walls(page: AppTest) -> dict[str, tuple[list[dict[str, Any]], bytes]]:
    """The cells of each wall by the wall's label, and the bytes of their pixels."""
    found = {}
    for element in page.get("bidi_component"):
        if element.proto.component_name == "c3dvis.wall":
            message = element.proto.bytes
            end = 8 + int.from_bytes(message[4:8], "little")
            header = json.loads(message[8:end])
            found[header["label"]] = header["cells"], message[end:]
    return found


def clip(pixels: dict[str, Any], payload: bytes) -> np.ndarray:
    return np.frombuffer(payload[pixels["from"] : pixels["to"]], np.uint8).reshape(*pixels["shape"], 3)


def captions(page: AppTest) -> str:
    return "\n".join(caption.value for caption in page.caption)


def test_the_wiring_is_read_only_in_its_tab(open_page: OpenPage) -> None:
    page = open_page(layer="Mixed_3b", filter="5")
    assert walls(page) == {}
    page.session_state["explore"].open_tab("Wiring")
    page.run()
    assert not page.exception
    assert "Excited by these filters" in walls(page)
    assert page.query_params == {"layer": "Mixed_3b", "filter": "5", "tab": "wiring"}


def test_the_wiring_follows_the_controls_without_a_render(open_page: OpenPage) -> None:
    page = open_page(layer="Mixed_3b", filter="5", tab="wiring")
    page.button(key="filter1").click().run()
    assert page.title[0].value == plain("Mixed_3b · filter 6")
    assert page.query_params == {"layer": "Mixed_3b", "filter": "6", "tab": "wiring"}
    first = wiring(registry.describe("i3d-kinetics400"), "Mixed_3b", 6).exciting(1)[0].source
    assert walls(page)["Excited by these filters"][0][0]["title"].startswith(f"Filter {first.filter} ")


def test_back_leads_to_the_tab_of_that_address(open_page: OpenPage) -> None:
    page = open_page(layer="Mixed_3b", filter="5", tab="wiring")
    page.session_state["explore"].open_tab("Picture")
    page.run()
    assert page.query_params == {"layer": "Mixed_3b", "filter": "5"}
    for tab, shown in (("wiring", True), (None, False)):
        go_to(page, {"layer": "Mixed_3b", "filter": "6"} | ({"tab": tab} if tab else {}))
        assert ("Excited by these filters" in walls(page)) == shown
        assert page.title[0].value == plain("Mixed_3b · filter 6")


def test_the_listed_filters_are_those_of_the_network(open_page: OpenPage, stored: Stored) -> None:
    layer, block = "Mixed_4b/Branch_1/Conv3d_0a_1x1", RenderSpec(layer="Mixed_4b", filter=300)
    found = wiring(registry.describe(block.network), block.layer, 300)
    first, second, *_ = found.exciting(6)
    kept = stored(RenderSpec(layer=layer, filter=first.source.filter))
    stored(RenderSpec(layer=layer, filter=second.source.filter), dead=True)
    page = open_page(layer="Mixed_4b", filter="300", tab="wiring")
    assert not page.exception
    assert "filter 108 of Mixed_4b/Branch_1/Conv3d_0b_3x3" in captions(page)
    assert "reads 96 inputs, each over 3 × 3 × 3 frames and pixels" in captions(page)
    cells, payload = walls(page)["Excited by these filters"]
    assert [cell["title"].split()[1] for cell in cells] == [str(each.source.filter) for each in found.exciting(6)]
    assert [float(cell["title"].split()[2]) for cell in cells] == pytest.approx(
        [each.strength for each in found.exciting(6)], rel=1e-2
    )
    assert [cell["state"] for cell in cells] == ["stored", "dead", *["absent"] * 4]
    assert cells[0]["pixels"]["key"] == kept.key
    assert {cell["caption"] for cell in cells} == {layer}
    taps = clip(cells[0]["taps"], payload)
    weights = first.weights
    assert taps.shape == (3, 3, 3, 3)
    np.testing.assert_array_equal(taps[..., 0] > taps[..., 2], weights > np.abs(found.kernel).max() / 256)
    inhibiting, _ = walls(page)["Inhibited by these filters"]
    assert all(cell["title"].split()[2].startswith("−") for cell in inhibiting)
    (kernel,), payload = walls(page)["Kernel of the filter"]
    lightness = clip(kernel["pixels"], payload)[..., 0]
    assert np.unravel_index(lightness.argmax(), lightness.shape) == np.unravel_index(
        found.norm_over_inputs.argmax(), (3, 3, 3)
    )
    assert page.button(key="w.render").label == "Render the missing pictures (10)"


def test_a_picture_of_the_joined_block_serves_its_branch(open_page: OpenPage, stored: Stored) -> None:
    found = wiring(registry.describe("i3d-kinetics400"), "Mixed_4d", 40)
    joined = found.exciting(1)[0].source.joined
    assert joined
    kept = stored(RenderSpec(layer=joined[0], filter=joined[1], seed=4))
    page = open_page(layer="Mixed_4d", filter="40", seed="4", tab="wiring")
    cells, _ = walls(page)["Excited by these filters"]
    assert (cells[0]["state"], cells[0]["pixels"]["key"]) == ("stored", kept.key)
    assert cells[0]["link"] == f"./?layer=Mixed_4c&filter={joined[1]}&seed=4&tab=wiring"


def test_the_first_layer_is_in_colour(open_page: OpenPage) -> None:
    page = open_page(layer="Conv3d_1a_7x7", filter="9", tab="wiring")
    assert not page.exception
    (whole, *channels), payload = walls(page)["Kernel of the filter"]
    kernel = wiring(registry.describe("i3d-kinetics400"), "Conv3d_1a_7x7", 9).kernel
    colours = clip(whole["pixels"], payload).astype(float) / 127.5 - 1
    np.testing.assert_allclose(colours, kernel / np.abs(kernel).max(), atol=0.005)
    assert [cell["title"].split()[0] for cell in channels] == ["Red", "Green", "Blue"]
    assert "Excited by these filters" not in walls(page)


def test_what_has_no_wiring_is_said_in_words(open_page: OpenPage) -> None:
    page = open_page(network="c3d-sports1m", layer="conv3a", tab="wiring")
    assert not page.exception
    assert any("are not here" in info.value for info in page.info)
    page = open_page(filter="1,2", tab="wiring")
    assert [info.value for info in page.info] == ["Wiring is shown for one filter. Choose one in the sidebar."]
    assert not walls(page)


@pytest.mark.usefixtures("weights")
def test_a_sum_names_its_parts_and_names_from_outside_are_plain_text(
    open_page: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    from c3dvis.networks.importers.add_network import add
    from tests.networks.test_user_networks import save

    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path / "weights"))
    clip = keras.Input((8, 16, 16, 3))
    left = keras.layers.Conv3D(4, 3, padding="same", activation="relu", name="*left*")(clip)
    right = keras.layers.Conv3D(4, 1, name="[right](x)")(left)
    model = keras.Model(clip, keras.layers.Add(name="sum")([left, right]))
    add("mine", save(model, tmp_path / "model.keras"), None, ((-1.0,), (1.0,)))
    page = open_page(network="mine", layer="sum", filter="2", frames="8", height="16", width="16", tab="wiring")
    assert not page.exception
    assert "the sum of filter 2 of \\*left\\* and filter 2 of \\[right\\](x)" in page.info[0].value
    cells, _ = walls(page)["Made of these filters"]
    assert [cell["caption"] for cell in cells] == ["*left*", "[right](x)"]
