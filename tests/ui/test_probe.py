"""The page Probe on its sample: what it shows before and after the workers have answered."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.processes import PATIENCE


@pytest.fixture
def page(weights: Path) -> AppTest:
    app = AppTest.from_string("from c3dvis.ui.probe import page\npage.page()", default_timeout=PATIENCE)
    app.query_params["size"] = "small"
    app.query_params["layer"] = "Conv3d_2c_3x3"
    return app


def test_the_sample_opens_with_its_window_and_is_probed(page: AppTest) -> None:
    page.run()
    assert not page.exception
    assert not page.error
    assert [title.value for title in page.title] == ["Probe: sample clip"]
    assert any("The network sees 16 frames of 112 × 112 pixels" in caption.value for caption in page.caption)


def test_a_link_to_a_file_asks_for_that_file(page: AppTest) -> None:
    page.query_params["file"] = "bikes.mp4"
    page.run()
    assert not page.exception
    assert "This link shows bikes" in page.info[0].value
    page.button(key="p.sample").click().run()
    assert [title.value for title in page.title] == ["Probe: sample clip"]
    assert "file" not in page.query_params
