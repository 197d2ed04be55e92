"""A result in a notebook: it plays where scripts run, its GIF moves where they do not, and it reads nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.results.conftest import MakeResult
from tests.visit import visiting


@pytest.fixture
def page_file(make_result: MakeResult, tmp_path: Path) -> Path:
    """A page with two results, each as a notebook puts it: with its own script."""
    path = tmp_path / "notebook.html"
    path.write_text("".join(make_result(seed)._repr_html_() for seed in (0, 1)), "utf-8")
    return path


def test_each_result_plays_once_and_leaves_the_page_its_keys(page_file: Path, browser: Browser) -> None:
    with visiting(browser, page_file.as_uri()) as visit:
        visit.page.goto(page_file.as_uri())
        players = visit.page.locator(".player")
        expect(players).to_have_count(2)
        for index in range(2):
            expect(players.nth(index).locator("canvas")).to_have_count(3)
            expect(players.nth(index).locator("button")).to_have_count(1)
            players.nth(index).get_by_role("button", name="Pause").click()
        first = players.nth(0)
        frame = first.get_attribute("data-frame")
        visit.page.locator("body").press("ArrowRight")
        assert first.get_attribute("data-frame") == frame
        first.locator("canvas").first.press("ArrowRight")
        assert first.get_attribute("data-frame") == str((int(frame or 0) + 1) % 16)
        assert visit.console == []
        assert visit.foreign_requests == []


def test_without_scripts_the_gif_is_shown(page_file: Path, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(page_file.as_uri())
    image = page.locator("img").first
    expect(image).to_be_visible()
    assert (image.get_attribute("src") or "").startswith("data:image/gif;base64,")
    context.close()


def test_it_says_what_it_shows_and_reads_nothing_from_elsewhere(make_result: MakeResult) -> None:
    result = make_result(layer="Mixed_4d", filter=7)
    text = result._repr_html_()
    assert "Mixed_4d · filter 7" in text
    assert "Shown activation <b>5.25</b>" in text
    assert "http" not in text
    assert "is dead" in replace(result, metrics={"dead": True})._repr_html_()
    assert "<b>hostile" not in make_result(layer="<b>hostile")._repr_html_()
