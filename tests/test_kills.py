"""`bench/kills.py` with few kills: it counts, and what it counts is as promised."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_killed_workers_and_dashboards_lose_nothing(weights: Path, chromium: Path) -> None:
    flags = ["--times", "2", "--seconds", "0.05", "--layer", "Conv3d_1a_7x7", "--victims", "worker,dashboard"]
    done = subprocess.run([sys.executable, "bench/kills.py", *flags], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(done.stdout.splitlines()[-1])
    assert [row["victim"] for row in rows] == ["worker", "dashboard"]
    for row in rows:
        assert (row["kills"], row["lost"], row["damaged"]) == (2, 0, 0)
        assert row["filters"] == 64
        assert 64 <= row["renders"] <= 64 + 2 * 4
        assert row["most_renders"] <= 2


def test_killed_atlases_render_no_batch_again_that_was_done(weights: Path) -> None:
    flags = ["--times", "2", "--batches", "--layer", "Conv3d_2c_3x3", "--victims", "atlas"]
    done = subprocess.run([sys.executable, "bench/kills.py", *flags], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = json.loads(done.stdout.splitlines()[-1])
    assert (row["kills"], row["lost"], row["damaged"]) == (2, 0, 0)
    assert row["filters"] == row["renders"] == 192
