"""A failure is told in the same way on every page: one sentence for the visitor, the rest for the log."""

import logging
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from c3dvis.errors import StoreError
from c3dvis.ui.compare import page as compare
from c3dvis.ui.explore import page as explore
from c3dvis.ui.gallery import page as gallery
from c3dvis.ui.network import page as network
from c3dvis.ui.shared.services import services
from c3dvis.ui.status import page as status

PAGES = {"explore": explore, "gallery": gallery, "compare": compare, "network": network, "status": status}


def opened(name: str) -> AppTest:
    return AppTest.from_string(f"from c3dvis.ui.{name} import page\npage.page()", default_timeout=600).run()


def failing(error: Exception) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name.startswith("c3dvis")]


@pytest.mark.parametrize("name", PAGES)
def test_what_nobody_foresaw_is_a_sentence_on_the_page_and_a_traceback_in_the_log(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(PAGES[name], "services", failing(RuntimeError("of no use to a visitor")))
    with caplog.at_level(logging.ERROR, "c3dvis"):
        page = opened(name)
    assert not page.exception
    (said,) = [error.value for error in page.error]
    assert said.startswith("The page met an unexpected RuntimeError and stopped here. Reload it")
    (record,) = ours(caplog)
    assert record.getMessage() == f"The {name.capitalize()} page failed"
    assert "of no use to a visitor" in (record.exc_text or "")


@pytest.mark.parametrize("name", PAGES)
def test_a_failure_of_ours_is_its_own_sentence(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(PAGES[name], "services", failing(StoreError("The folder went away: bring it back.")))
    page = opened(name)
    assert not page.exception
    assert [error.value for error in page.error] == ["The folder went away: bring it back."]
    assert ours(caplog) == []


def test_a_part_that_looks_again_fails_alone(weights: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services().store, "stats", failing(RuntimeError("of no use to a visitor")))
    page = opened("explore")  # its line of status asks for them
    assert not page.exception
    assert [error.value.partition(" and ")[0] for error in page.error] == ["The page met an unexpected RuntimeError"]
    assert page.button(key="render").label == "Render"  # drawn after the line: the page went on
