"""The Explore page under AppTest, over the real store and the real queue."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from streamlit.testing.v1 import AppTest

import c3dvis
from c3dvis.networks import registry
from c3dvis.results import RenderResult
from c3dvis.spec import MOTION_PRESETS, RenderSpec
from c3dvis.spec.text import command
from c3dvis.ui.shared.plain_text import plain
from tests.processes import PATIENCE
from tests.ui.conftest import DASHBOARD, ROOT, labelled, table_rows

OpenPage = Callable[..., AppTest]
Stored = Callable[..., RenderResult]


def text(page: AppTest) -> str:
    """All text of the page outside its widgets."""
    parts = [*page.markdown, *page.caption, *page.error, *page.warning, *page.info]
    return "\n".join(part.value for part in parts)


def player_header(page: AppTest) -> dict[str, object]:
    """The JSON header of the message to the player."""
    message = next(e.proto for e in page.get("bidi_component") if e.proto.component_name == "c3dvis.player").bytes
    return json.loads(message[8 : 8 + int.from_bytes(message[4:8], "little")])


def controls_spec(page: AppTest) -> RenderSpec:
    return page.session_state["explore"].controls_spec


def test_a_stored_address_shows_its_volume_with_measures_and_downloads(open_page: OpenPage, stored: Stored) -> None:
    result = stored(RenderSpec(layer="Mixed_3b", filter=5, seed=3))
    page = open_page(layer="Mixed_3b", filter="5", seed="3")
    assert not page.exception
    assert player_header(page)["key"] == result.key
    assert page.title[0].value == plain("Mixed_3b · filter 5")
    assert "a test's processor" in text(page)
    assert any("Shown activation" in html.proto.body for html in page.get("html"))
    assert {button.proto.label for button in page.get("download_button")} == {
        "GIF", "MP4", "WebP", "APNG", "PNG sheet", "NPY", "HDF5", "Recipe",
        "PNG figure", "PDF figure",
    }  # fmt: skip
    shared = next(e.proto for e in page.get("bidi_component") if e.proto.component_name == "c3dvis.share_link").bytes
    assert json.loads(shared) == {
        "query": "layer=Mixed_3b&filter=5&seed=3",
        "command": command(result.spec, "Mixed_3b_filter-5.gif"),
    }


def test_the_controls_take_the_whole_address(open_page: OpenPage) -> None:
    spec = RenderSpec(
        layer="Mixed_4d/Branch_1/Conv3d_0b_3x3", filter=7, objective="neuron", position=(1, 2, 2), seed=9,
        iterations=9, tv_time_weight=0.25, lp_weight=2.5, jitter_pixels=40, frames=8, height=64, width=48,
        lp_p=4.0, tv_beta=2.0, learning_rate=0.1, parametrization="pixel", precision="float32",
    )  # fmt: skip
    page = open_page(**spec.to_query())
    assert not page.exception
    assert controls_spec(page) == spec
    assert page.run().session_state["explore"].controls_spec == spec
    assert page.query_params == spec.to_query()


@pytest.mark.parametrize(
    "spec",
    [
        RenderSpec(engine="keras-vis", tv_space_weight=3.0, tv_time_weight=3.0),
        RenderSpec(filter=((1, 0.5), (3, -1.0))),
        RenderSpec(objective="layer"),
        RenderSpec(network="c3d-sports1m", layer="conv3a", filter=1),
    ],
)
def test_the_controls_carry_what_they_cannot_change(open_page: OpenPage, spec: RenderSpec) -> None:
    page = open_page(**spec.to_query())
    assert not page.exception
    assert controls_spec(page) == spec


def test_what_is_not_stored_is_offered_and_not_started(open_page: OpenPage) -> None:
    page = open_page(filter="77")
    assert "Not rendered here yet." in text(page)
    assert page.button(key="render focus").label == "Render now"
    assert not page.get("progress")


def test_a_moved_slider_starts_nothing_and_says_that_the_picture_differs(open_page: OpenPage, stored: Stored) -> None:
    spec = RenderSpec(filter=6)
    result = stored(spec)
    page = open_page(filter="6")
    page.select_slider(key="c.tv_space_weight").set_value(100.0).run()
    assert controls_spec(page) == spec.replace(tv_space_weight=100.0)
    assert f"differ from this picture: **Spatial TV {spec.tv_space_weight:g} → 100**" in text(page)
    assert player_header(page)["key"] == result.key
    assert page.query_params == {"filter": "6", "controls": "tv_space_weight=100"}
    assert not page.get("progress")
    page.button(key="undo").click().run()
    assert controls_spec(page) == spec
    assert "differ" not in text(page)
    assert page.query_params == {"filter": "6"}


def test_a_reload_keeps_what_was_moved_also_where_it_is_not_possible(open_page: OpenPage) -> None:
    page = open_page(filter="6")
    page.number_input(key="c.frames").set_value(1).run()
    page.selectbox(key="c.layer").set_value("Logits/Conv3d_0c_1x1").run()
    (error,) = page.error
    again = open_page(**page.query_params)
    assert not again.exception
    assert again.number_input(key="c.frames").value == 1
    assert again.selectbox(key="c.layer").value == "Logits/Conv3d_0c_1x1"
    assert [each.value for each in again.error] == [error.value]
    assert again.button(key="remedy").label == page.button(key="remedy").label


def test_moved_controls_of_a_link_that_mean_nothing_are_dropped(open_page: OpenPage) -> None:
    controls = "seed=many&layer=nowhere&network=vgg&objective=class&filter=x&steps=3&contrast=30&engine=keras-vis"
    page = open_page(filter="6", controls=controls)
    assert not page.exception
    dropped = [warning.value.split(" was dropped")[0] for warning in page.warning]
    assert dropped == [
        "The link's seed=many",
        "The link's layer=nowhere",
        "The link's network=vgg",
        "The link's filter=x",
    ]
    assert page.error  # a class is not read at this layer, and keras-vis fixes the contrast
    page.button(key="remedy").click().run()
    assert not page.error
    assert "seed" not in page.query_params.get("controls", "")


def test_what_is_stored_for_the_controls_shows_at_once(open_page: OpenPage, stored: Stored) -> None:
    stored(RenderSpec(filter=8))
    other = stored(RenderSpec(filter=9))
    page = open_page(filter="8")
    page.button(key="filter1").click().run()
    assert player_header(page)["key"] == other.key
    assert page.query_params == {"filter": "9"}


def test_previous_wraps_around_and_the_dice_stays_in_range(open_page: OpenPage) -> None:
    page = open_page(filter="0")
    page.button(key="filter-1").click().run()
    assert controls_spec(page).filter == 511
    page.button(key="dice").click().run()
    assert 0 <= labelled(page.number_input, "Filter").value < 512


def test_another_layer_keeps_the_filter_in_range(open_page: OpenPage) -> None:
    page = open_page(filter="500")
    page.selectbox(key="c.layer").set_value("Conv3d_1a_7x7").run()
    assert not page.exception
    assert (controls_spec(page).layer, controls_spec(page).filter) == ("Conv3d_1a_7x7", 63)


def test_presets_set_the_controls(open_page: OpenPage) -> None:
    page = open_page()
    assert labelled(page.segmented_control, "Preset").value == "clear"
    labelled(page.segmented_control, "Preset").set_value("keras-vis").run()
    assert controls_spec(page) == RenderSpec(engine="keras-vis")
    labelled(page.segmented_control, "Preset").set_value("raw").run()
    assert (controls_spec(page).engine, controls_spec(page).tv_space_weight, controls_spec(page).jitter_pixels) == (
        "fast",
        0.0,
        0,
    )
    labelled(page.segmented_control, "Preset").set_value("clear").run()
    labelled(page.segmented_control, "Motion").set_value("slow").run()
    assert controls_spec(page) == RenderSpec().replace(**MOTION_PRESETS["slow"])
    assert labelled(page.segmented_control, "Preset").value == "clear"
    labelled(page.segmented_control, "Motion").set_value(None).run()  # a second press on it
    assert controls_spec(page) == RenderSpec().replace(**MOTION_PRESETS["slow"])
    assert not page.exception


def test_the_engine_brings_its_own_numbers_and_gives_up_a_neuron(open_page: OpenPage) -> None:
    page = open_page(objective="neuron", position="1,1,1", seed="5")
    page.segmented_control(key="c.engine").set_value("keras-vis").run()
    assert controls_spec(page) == RenderSpec(engine="keras-vis", seed=5)
    page.select_slider(key="c.tv_weight").set_value(3.0).run()
    assert (controls_spec(page).tv_space_weight, controls_spec(page).tv_time_weight) == (3.0, 3.0)


def test_a_spec_that_cannot_be_made_is_explained_and_not_offered(open_page: OpenPage) -> None:
    page = open_page()
    page.selectbox(key="c.layer").set_value("Logits/Conv3d_0c_1x1").run()
    assert not page.exception
    assert any("too small for Logits/Conv3d_0c_1x1" in error.value for error in page.error)
    assert page.button(key="render").disabled
    assert page.button(key="remedy").label == "Change the size to 16 frames of 200 × 200"
    page.button(key="remedy").click().run()
    assert not page.error
    assert controls_spec(page) == RenderSpec(layer="Logits/Conv3d_0c_1x1", height=200, width=200)


EXTREMES = {
    "layer": ["Conv3d_1a_7x7", "Mixed_4d", "Logits/Conv3d_0c_1x1"], "frames": [1, 2, 128], "height": [8, 112, 512],
    "width": [8, 112, 512], "variants": [1, 8], "variant": [0, 7], "objective": ["filter", "neuron"],
    "engine": ["fast", "keras-vis"],
}  # fmt: skip


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=some.fixed_dictionaries({name: some.sampled_from(values) for name, values in EXTREMES.items()}))
def test_what_the_controls_allow_works_or_a_button_offers_the_change(
    open_page: OpenPage, values: dict[str, object]
) -> None:
    page = open_page(controls=urlencode(values))
    assert not page.exception
    assert labelled(page.number_input, "Frames").value == values["frames"]
    if page.error:
        page.button(key="remedy").click().run()
        assert not page.exception
        assert not page.error
    spec = controls_spec(page)
    registry.describe(spec.network).check(spec)
    assert not page.button(key="render").disabled


def test_there_is_one_offer_to_render_where_nothing_is_shown(open_page: OpenPage) -> None:
    page = open_page(filter="77", seed="4711")
    page.number_input(key="c.iterations").set_value(24).run()
    assert [button.label for button in page.main.button if "ender" in button.label] == ["Render now"]
    assert page.query_params == {"filter": "77", "seed": "4711", "iterations": "24"}


def test_a_preset_leaves_the_other_sliders_as_they_were(open_page: OpenPage) -> None:
    page = open_page()
    before = {slider.label: slider.options for slider in page.select_slider}
    labelled(page.segmented_control, "Motion").set_value("still").run()
    labelled(page.segmented_control, "Motion").set_value("slow").run()
    assert {slider.label: slider.options for slider in page.select_slider} == before


def test_a_broken_link_says_what_it_lost(open_page: OpenPage) -> None:
    page = open_page(filter="99999", seed="11", frames="many")
    assert not page.exception
    assert controls_spec(page) == RenderSpec(seed=11)
    assert [w.value.split(" was")[0] for w in page.warning] == ["The link's frames=many", "The link's filter"]


def test_a_dead_filter_is_said_in_words_with_its_neighbours(open_page: OpenPage, stored: Stored) -> None:
    stored(RenderSpec(filter=0, seed=77), dead=True, twin_gain=None)
    page = open_page(filter="0", seed="77")
    assert "Filter 0 of Mixed_4d is dead" in text(page)
    assert player_header(page)["placeholder"] == "A dead filter: no picture."
    assert not page.get("download_button")
    assert {b.label for b in page.button if str(b.key).startswith("neighbour")} == {
        "Filter 1", "Filter 2", "Filter 510", "Filter 511",
    }  # fmt: skip
    page.button(key="neighbour.1").click().run()
    assert controls_spec(page) == RenderSpec(filter=1, seed=77)


def test_missing_weights_are_said_and_a_failed_fetch_too(
    open_page: OpenPage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    empty = tmp_path / "file-not-folder"
    empty.write_text("")
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(empty))  # nothing can be fetched into it
    page = open_page(filter="78")
    assert "weights of Inception-I3D on Kinetics-400 are not on this machine yet" in text(page)
    assert page.button(key="render").disabled
    page.button(key="fetch").click().run()
    from c3dvis.ui.shared.server_resources import server_resources

    fetch = server_resources().weights_fetch("i3d-kinetics400")
    assert fetch
    assert fetch.wait(PATIENCE)
    page.run()
    assert fetch.error
    assert fetch.error in text(page)
    assert not page.exception


def test_weights_with_terms_are_fetched_once_these_are_accepted(open_page: OpenPage) -> None:
    page = open_page(network="c3d-sports1m", layer="conv3a", filter="1")
    assert "non-commercial purposes only" in text(page)
    assert page.button(key="fetch").disabled
    page.checkbox(key="accept c3d-sports1m").check().run()
    assert not page.button(key="fetch").disabled


def test_the_status_line_names_worker_queue_store_and_versions(open_page: OpenPage) -> None:
    line = next(caption.value for caption in open_page().caption if "Worker" in caption.value)
    assert "queue empty" in line
    assert "stored" in line
    assert f"c3dvis {c3dvis.__version__}, TensorFlow 2." in line


def test_the_status_page_lists_workers_queue_store_and_versions(weights: Path) -> None:
    script = "from c3dvis.ui.status import page\npage.page()"
    page = AppTest.from_string(script, default_timeout=600).run()
    assert not page.exception
    said = "\n".join([text(page), *map(" ".join, table_rows(page))])
    for part in ("Workers", "Nothing is waiting.", "Results rendered here", "tensorflow 2."):
        assert part in said


def test_the_page_loads_neither_tensorflow_nor_pandas(weights: Path, tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from streamlit.testing.v1 import AppTest\n"
        f"page = AppTest.from_file({str(DASHBOARD)!r}, default_timeout=600).run()\n"
        "page.session_state['explore'].open_tab('Wiring')\n"
        "page.run()\n"
        "assert not page.exception, page.exception\n"
        "assert any(e.proto.component_name == 'c3dvis.wall' for e in page.get('bidi_component'))\n"
        "heavy = {'tensorflow', 'keras', 'tf_keras', 'pandas', 'altair', 'matplotlib'} & set(sys.modules)\n"
        "from c3dvis.ui.shared.server_resources import server_resources\n"
        "server_resources.clear()\n"
        "sys.exit(f'loaded: {sorted(heavy)}' if heavy else 0)\n"
    )
    environment = {
        "C3DVIS_CACHE_DIR": str(tmp_path),
        "C3DVIS_WEIGHTS_DIR": str(weights),
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_control_that_a_browser_makes_anew_starts_from_its_value(open_page: OpenPage) -> None:
    """A widget that is mounted anew starts from its default, which the next press would send."""
    page = open_page(layer="Mixed_3c", filter="12", iterations="40", tv_time_weight="3", frames="8", lp_p="4").run()
    defaults = {element.key: element.proto.default for element in page.sidebar.number_input}
    assert {key: defaults[f"c.{key}"] for key in ("filter", "iterations", "frames", "lp_p")} == {
        "filter": 12, "iterations": 40, "frames": 8, "lp_p": 4,
    }  # fmt: skip
    assert all(element.proto.default == element.value for element in page.sidebar.number_input)
    assert all(list(element.proto.default) == [element.value] for element in page.sidebar.slider)
    sliders = page.sidebar.select_slider
    assert all(
        [element.options[int(at)] for at in element.proto.default] == [f"{element.value:g}"] for element in sliders
    )
    assert [element.options[element.proto.default] for element in page.sidebar.selectbox[1:2]] == ["Mixed_3c"]


def test_every_slider_leads_back_to_its_default(open_page: OpenPage) -> None:
    """Also after a link has set other weights."""
    weights: dict[str, Any] = {name: 0.7 for name in RenderSpec().to_dict() if name.endswith("_weight")}
    page = open_page(**RenderSpec(**weights).to_query())
    for name in weights:
        assert f"{getattr(RenderSpec(), name):g}" in page.select_slider(key=f"c.{name}").options


def test_a_press_takes_the_start_clip_away(open_page) -> None:
    page = open_page(layer="Conv3d_2b_1x1", filter="3", start_clip="ab" * 32)
    assert "start_clip" in page.query_params
    page.button(key="no start clip").click().run()
    assert not page.exception
    assert "start_clip" not in page.query_params
    assert "no start clip" not in [button.key for button in page.button]
