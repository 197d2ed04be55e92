"""Finds or installs a Chromium for the tests: the system's, else Debian's package when root, else Playwright's own.

`python tests/browser.py` installs one where there is none, and prints its path; `find()` only looks for it.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")


def find() -> Path | None:
    """Path of the Chromium that the tests drive, or None."""
    on_path = next(filter(None, map(shutil.which, NAMES)), None)
    if on_path:
        return Path(on_path)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
    return own if own.is_file() else None


def ensure() -> Path:
    """Path of the Chromium that the tests drive, installed if there was none.

    Raises:
        RuntimeError: none could be installed.
    """
    if path := find():
        return path
    if _is_debian_root():
        subprocess.run(["apt-get", "update", "-q"], check=False)
        subprocess.run(
            ["apt-get", "install", "-q", "-y", "--no-install-recommends", "chromium"],
            check=False,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )
    if not find():
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)
    if path := find():
        return path
    raise RuntimeError(
        "No Chromium: expected chromium or google-chrome on the PATH, and neither apt-get nor "
        "`python -m playwright install chromium` could install one. Install Chromium and run the tests again."
    )


def _is_debian_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") is not None


if __name__ == "__main__":
    try:
        print(ensure())  # noqa: T201
    except RuntimeError as problem:
        sys.exit(str(problem))
