"""Text from outside in a real Chromium: Streamlit shows its characters, and nothing else."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.ui.conftest import Server, dashboard
from tests.ui.hostile_text import PAYLOADS, combined
from tests.visit import visiting

TEXTS = [*PAYLOADS, *combined(240, seed=1)]

SCRIPT = """
import json
import streamlit as st
from c3dvis.ui.shared.plain_text import draw_caption, draw_error, draw_warning, plain

draws = [
    draw_error, draw_warning, draw_caption,
    lambda text: st.markdown(f"### {plain(text)}"),
    lambda text: st.markdown(f"**{plain(text)}**"),
    lambda text: st.markdown(f"- **File**: {plain(text)}"),
    lambda text: st.progress(0.5, text=plain(text)),
]
for number, text in enumerate(json.loads(TEXTS)):
    with st.container(key=f"text-{number}"):
        draws[number % len(draws) if number >= PAYLOADS else number % 3](text)
st.html("<p class='end'></p>")
"""

READ = """() => [...document.querySelectorAll('[class*="st-key-text-"]')].map(box => {
  const texts = box.querySelectorAll('[data-testid=stMarkdownContainer], [data-testid=stCaptionContainer]');
  const text = texts[texts.length - 1];
  const drawn = [...text.querySelectorAll('a, img, svg, table, hr, input, .katex, [role=img]')];
  const own = element => element.closest('[data-testid=stHeaderActionElements]');  // the heading's own anchor
  return [text.textContent, drawn.filter(element => !own(element)).length];
})"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("texts")
    script = SCRIPT.replace("PAYLOADS", str(len(PAYLOADS))).replace("TEXTS", repr(json.dumps(TEXTS)))
    (folder / "texts.py").write_text(script)
    with dashboard(folder, folder, app=folder / "texts.py") as running:
        yield running


def test_streamlit_shows_the_characters_of_a_text_and_nothing_else(browser: Browser, server: Server) -> None:
    with visiting(browser, server.url) as visit:
        visit.page.goto(server.url)
        expect(visit.page.locator(".end")).to_be_attached()
        visit.page.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton]')")
        shown = visit.page.evaluate(READ)
    assert len(shown) == len(TEXTS)
    wrong = [
        (text, seen, others)
        for text, (seen, others) in zip(TEXTS, shown, strict=True)
        if " ".join(seen.replace("File: ", "", 1).split()) != " ".join(text.split()) or others
    ]
    assert wrong == [], "\n".join(map(repr, wrong))
