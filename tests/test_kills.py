"""`bench/kills.py` with few kills: it counts, and what it counts is as promised."""

import json
import subprocess
import sys
from pathlib import Path


def killed(checkout: Path, flags: str) -> list[dict[str, int]]:
    """The figures of a run in a checkout that has nothing but its weights."""
    line = [sys.executable, "bench/kills.py", "--times", "2", "--layer", "Conv3d_1a_7x7", *flags.split()]
    done = subprocess.run(line, cwd=checkout, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(done.stdout.splitlines()[-1])
    for row in rows:
        assert (row["kills"], row["lost"], row["damaged"], row["filters"]) == (2, 0, 0, 64)
    return rows


def test_killed_workers_and_dashboards_lose_nothing(checkout: Path, chromium: Path) -> None:
    rows = killed(checkout, "--seconds 0.15 --victims worker,dashboard")
    assert [row["victim"] for row in rows] == ["worker", "dashboard"]
    for row in rows:
        assert 64 <= row["renders"] <= 64 + 2 * 4
        assert row["most_renders"] <= 2


def test_killed_atlases_render_no_batch_again_that_was_done(checkout: Path) -> None:
    (row,) = killed(checkout, "--batches --seconds 1 --victims atlas")
    assert row["renders"] == 64
