"""Layout shift, first picture and accessibility of every page of the dashboard, in Chromium, as a table.

    python bench/pages.py
    python bench/pages.py --pages explore,gallery --widths 375,1400
    python bench/pages.py --app ../older/app.py

Layout shift is the sum of what the browser reports while a page loads; the picture column is the time to the first clip
in the narrowest window, in seconds, the quickest of `--times` loads; the last column is the number of elements that
break a rule of axe-core, in light and in dark.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from c3dvis.networks.weights.fetch.package import fetch
from c3dvis.results import ResultStore
from tests.browser import FLAGS, find
from tests.page_checks import PLACES, STORED, WIDTHS, Place, measure, open_place, violations
from tests.processes import PATIENCE_MS
from tests.ui.conftest import APP, Server, made_result


def row(browser: Browser, home: str, place: Place, widths: list[int], times: int) -> str:
    """The cells of one page."""
    loads = [[measure(browser, home, place, width) for _ in range(times)] for width in widths]
    shifts = [f"{max(load.shift for load in same):.3f}" for same in loads]
    pictures = [load.picture for load in loads[0] if load.picture is not None]
    broken = []
    for scheme in ("light", "dark"):
        with browser.new_context(viewport={"width": 1400, "height": 1000}, color_scheme=scheme) as context:
            page = context.new_page()
            open_place(page, home, place)
            broken.append(str(len(violations(page))))
    picture = f"{min(pictures) / 1000:.1f}" if pictures else "–"
    return " | ".join([*shifts, picture, " + ".join(broken)])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure every page of the dashboard.")
    parser.add_argument("--pages", default=",".join(PLACES), help="names of pages, separated by commas")
    parser.add_argument("--widths", default=",".join(map(str, WIDTHS)), help="of the window, CSS pixels")
    parser.add_argument("--times", type=int, default=2, help="loads of each page at each width")
    parser.add_argument("--app", type=Path, default=APP, help="app.py of the version to measure")
    arguments = parser.parse_args()
    widths = [int(width) for width in arguments.widths.split(",")]
    expect.set_options(timeout=PATIENCE_MS)
    weights = fetch("i3d-kinetics400").parent.parent
    os.environ["PYTHONPATH"] = str(arguments.app.resolve().parent)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        with ResultStore(Path(folder) / "cache") as store:
            for spec in STORED:
                store.put(made_result(spec))
        server = Server(Path(folder) / "cache", Path(folder) / "log.txt", weights, app=arguments.app.resolve())
        browser = playwright.chromium.launch(executable_path=find(), args=FLAGS)
        print(f"| page | {' | '.join(f'{width} px' for width in widths)} | picture, s | axe |")
        print("|---" * (len(widths) + 3) + "|")
        try:
            for name in arguments.pages.split(","):
                print(f"| {name} | {row(browser, server.url, PLACES[name], widths, arguments.times)} |", flush=True)
        finally:
            browser.close()
            server.close()


if __name__ == "__main__":
    main()
