"""A plan rendered through a real queue: what is stored is not rendered, what fails is tried again and named."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import c3dvis
from bench.stand_in import Cluster
from c3dvis.atlas.api import build
from c3dvis.atlas.plan import make_plan
from c3dvis.atlas.rendering import ATTEMPTS, AtlasProgress
from c3dvis.cli import main
from c3dvis.results import ResultStore
from c3dvis.spec import RenderSpec

ROOT = Path(__file__).parents[2]
BASE = RenderSpec(frames=8, height=32, width=32, iterations=3)
Run = Callable[..., tuple[int, dict[str, object]]]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where the stand-in's workers note each render."""
    return tmp_path / "renders.log"


@pytest.fixture
def cluster(log: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cluster]:
    """Two workers whose renders sleep, and a store of this test's own."""
    monkeypatch.setenv("C3DVIS_CACHE_DIR", str(tmp_path / "cache"))
    with Cluster(2, seconds=0.15, log=log, fails=(3,)) as cluster:
        monkeypatch.setenv("C3DVIS_SCHEDULER", cluster.address)
        yield cluster


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run_it(*arguments: str) -> tuple[int, dict[str, object]]:
        capsys.readouterr()
        code = main(["atlas", "--json", *arguments])
        return code, json.loads(capsys.readouterr().out)

    return run_it


def renders(log: Path) -> Counter[str]:
    """How often each key was rendered to its end."""
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return Counter(line["key"] for line in lines if line["event"] == "end")


def test_an_atlas_goes_on_from_the_store_and_names_what_failed(
    cluster: Cluster, run: Run, log: Path, tmp_path: Path
) -> None:
    plan = ["--layers", "Conv3d_1a_7x7,Mixed_3b", "--iterations", "3", "-o", str(tmp_path / "out")]
    code, said = run(*plan, "--filters", "0-1")
    assert (code, said["rendered"], said["from_store"], said["written"]) == (0, 4, 0, 4)
    code, said = run(*plan, "--filters", "0-3")
    assert (code, said["rendered"], said["from_store"], said["written"]) == (12, 2, 4, 2)
    failed = said["failed"]
    assert isinstance(failed, list)
    assert [(entry["layer"], entry["filter"]) for entry in failed] == [("Conv3d_1a_7x7", "3"), ("Mixed_3b", "3")]
    assert "this filter was to fail" in failed[0]["why"]
    assert set(renders(log).values()) == {1}
    started = Counter(json.loads(line)["key"] for line in log.read_text().splitlines() if '"start"' in line)
    assert sorted(started.values()) == [1] * 6 + [ATTEMPTS] * 2
    assert "What did not succeed" in (tmp_path / "out" / "index.html").read_text()


def test_progress_has_a_rate_and_time_left(cluster: Cluster, tmp_path: Path) -> None:
    heard: list[AtlasProgress] = []
    report = build(make_plan(BASE, ["Mixed_3b"], "10-17"), tmp_path / "out", on_progress=heard.append)
    assert report.failures == ()
    assert (heard[-1].done, heard[-1].total, heard[-1].rendered, heard[-1].seconds_left) == (8, 8, 8, 0)
    middle = [progress for progress in heard if 0 < progress.rendered < 8]
    assert middle
    assert all(progress.per_minute and progress.seconds_left for progress in middle)


def test_a_killed_atlas_loses_nothing(cluster: Cluster, run: Run, log: Path, tmp_path: Path) -> None:
    small = ["--frames", "8", "--height", "32", "--width", "32"]
    plan = ["--layers", "Mixed_3b", "--filters", "10-49", *small, "-o", str(tmp_path / "out")]
    for kill in range(3):
        process = subprocess.Popen(
            [sys.executable, "-m", "c3dvis", "atlas", *plan],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while sum(renders(log).values()) < 5 * (kill + 1):
            assert process.poll() is None, "it ended by itself"
            os.sched_yield()
        process.send_signal(signal.SIGKILL)
        process.wait()
    code, said = run(*plan)
    assert (code, said["failed"]) == (0, [])
    assert renders(log).total() <= 40 + 3 * 2  # at a kill, each of two workers had one render under way
    assert max(renders(log).values()) <= 2
    with ResultStore(tmp_path / "cache") as store:
        assert store.verify() == []
    assert len(list((tmp_path / "out").rglob("*.gif"))) == 40


def test_visualize_all_activations_3d_writes_a_gif_per_filter(cluster: Cluster, tmp_path: Path) -> None:
    fields: dict[str, Any] = {"frames": 4, "height": 16, "width": 16, "iterations": 1}
    report = c3dvis.visualize_all_activations_3d("i3d-kinetics400", tmp_path / "out", filters="0", **fields)
    layers = make_plan(RenderSpec(**fields)).layers
    assert len(layers) > 20
    assert report.failures == ()
    assert sorted(gif.relative_to(tmp_path / "out").as_posix() for gif in (tmp_path / "out").rglob("*.gif")) == sorted(
        f"{layer.replace('/', '.')}/0.gif" for layer in layers
    )
