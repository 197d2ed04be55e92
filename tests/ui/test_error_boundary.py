"""Every page shows a failure as one sentence, and logs what was unexpected."""

import logging
from typing import Any

import pytest
from streamlit.runtime.state.common import WidgetMetadata
from streamlit.runtime.state.session_state import WStates
from streamlit.testing.v1 import AppTest

from c3dvis.errors import StoreError
from c3dvis.ui.compare import page as compare
from c3dvis.ui.explore import page as explore
from c3dvis.ui.gallery import page as gallery
from c3dvis.ui.network import page as network
from c3dvis.ui.shared.error_boundary import is_of_a_value
from c3dvis.ui.shared.server_resources import server_resources
from c3dvis.ui.status import page as status

PAGES = {"explore": explore, "gallery": gallery, "compare": compare, "network": network, "status": status}


def open_page(name: str) -> AppTest:
    return AppTest.from_string(f"from c3dvis.ui.{name} import page\npage.page()", default_timeout=600).run()


def failing(error: Exception) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def our_records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name.startswith("c3dvis")]


@pytest.mark.parametrize("name", PAGES)
def test_an_unexpected_exception_is_a_sentence_on_the_page_and_a_traceback_in_the_log(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(PAGES[name], "server_resources", failing(RuntimeError("of no use to a visitor")))
    with caplog.at_level(logging.ERROR, "c3dvis"):
        page = open_page(name)
    assert not page.exception
    (said,) = [error.value for error in page.error]
    assert said.startswith("The page met an unexpected RuntimeError and stopped here. Reload it")
    (record,) = our_records(caplog)
    assert record.getMessage() == f"The {name.capitalize()} page failed"
    assert "of no use to a visitor" in (record.exc_text or "")


@pytest.mark.parametrize("name", PAGES)
def test_a_c3dvis_error_is_shown_with_its_own_text(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(PAGES[name], "server_resources", failing(StoreError("The folder went away: bring it back.")))
    page = open_page(name)
    assert not page.exception
    assert [error.value for error in page.error] == ["The folder went away: bring it back."]
    assert our_records(caplog) == []


def test_a_fragment_that_fails_leaves_the_rest_of_the_page(weights: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_resources().store, "stats", failing(RuntimeError("of no use to a visitor")))
    page = open_page("explore")  # its status line asks for them
    assert not page.exception
    assert [error.value.partition(" and ")[0] for error in page.error] == ["The page met an unexpected RuntimeError"]
    assert page.button(key="render").label == "Render"  # drawn after the status line: the page continued


@pytest.mark.parametrize(("kind", "value"), [("int_value", "x"), ("double_value", "x"), ("string_array_value", 3)])
def test_a_value_of_another_kind_is_told_apart_from_a_failure(kind: Any, value: object) -> None:
    """As Streamlit meets it when it draws a control for which a message had a value of another kind."""
    states = WStates()
    states.set_from_value("control", value)
    states.set_widget_metadata(WidgetMetadata("control", lambda each: each, lambda each: each, kind))
    with pytest.raises(TypeError) as met:
        states.get_serialized("control")
    assert is_of_a_value(met.value)
    with pytest.raises(TypeError) as own:
        int([])  # type: ignore[call-overload]
    assert not is_of_a_value(own.value)
