"""What a worker has made and nobody could store is not made again."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bench.stand_in import Cluster
from c3dvis.networks.registry import describe
from c3dvis.networks.weights import installed_weights
from c3dvis.queue import RenderQueue, outbox
from c3dvis.queue.outbox import Outbox
from c3dvis.results import RenderResult, ResultStore
from c3dvis.spec import ALGORITHM_VERSION, RenderSpec
from tests.processes import PATIENCE
from tests.queue.conftest import SMALL, Until


def result_of(spec: RenderSpec) -> RenderResult:
    clip = np.random.default_rng(0).integers(0, 256, (spec.frames, spec.height, spec.width, 3), dtype=np.uint8)
    return RenderResult(
        spec, clip, {}, [], installed_weights.fingerprint(describe(spec.network)), ALGORITHM_VERSION, {}
    )


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Outbox:
    monkeypatch.setenv("C3DVIS_CACHE_DIR", str(tmp_path))
    return Outbox()


def test_a_result_is_held_until_it_is_confirmed(box: Outbox, tmp_path: Path) -> None:
    result = result_of(SMALL)
    blob = result.to_bytes()
    assert box.find(result.key) is None
    box.keep(result.key, blob)
    assert Outbox().find(result.key) == blob
    assert (tmp_path / "outbox").stat().st_mode & 0o777 == 0o700
    outbox.confirm([result.key, "0" * 64])  # it may have been confirmed before
    assert box.find(result.key) is None


@pytest.mark.parametrize("harm", ["cut", "another"])
def test_what_is_not_that_result_is_let_go(box: Outbox, tmp_path: Path, harm: str) -> None:
    result, other = result_of(SMALL), result_of(SMALL.replace(filter=1))
    box.keep(result.key, result.to_bytes()[:-1] if harm == "cut" else other.to_bytes())
    assert box.find(result.key) is None
    assert not list((tmp_path / "outbox").iterdir())


def test_it_keeps_to_its_size_and_age(box: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "_MAX_BYTES", 250)
    now = time.time()
    for age, name in enumerate("abc"):
        box.keep(name, bytes(100))
        os.utime(tmp_path / "outbox" / name, (now + age, now + age))
    assert {path.name for path in (tmp_path / "outbox").iterdir()} == {"b", "c"}
    os.utime(tmp_path / "outbox" / "c", (now - 25 * 3600, now - 25 * 3600))
    box.keep("d", bytes(10))
    assert {path.name for path in (tmp_path / "outbox").iterdir()} == {"b", "d"}


def test_a_folder_that_cannot_be_made_is_said_and_the_render_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("C3DVIS_CACHE_DIR", str(tmp_path / "file"))
    Outbox().keep("a", b"")
    assert "is not kept until it is stored" in caplog.text
    assert Outbox().find("a") is None


ASKS_AND_NEVER_STORES = """
import sys, time
from c3dvis.queue import RenderQueue
from c3dvis.results import ResultStore
from tests.queue.conftest import SMALL

RenderQueue._deliver = lambda *_: time.sleep(600)
queue = RenderQueue(ResultStore(sys.argv[1]), scheduler=sys.argv[2])
while not any(worker.ready for worker in queue.status().workers):
    time.sleep(0.01)
for number in range(9):
    queue.submit(SMALL.replace(filter=number), background=number > 0)
time.sleep(600)
"""


def test_an_asking_side_that_is_killed_before_it_has_stored_costs_no_second_render(
    weights: Path, tmp_path: Path, until: Until
) -> None:
    log, theirs = tmp_path / "renders.log", tmp_path / "of the workers"
    held = lambda: [path for path in theirs.glob("outbox/*") if path.suffix != ".part"]  # noqa: E731
    with (
        ResultStore(tmp_path / "cache") as store,
        Cluster(1, 0.3, log=log, kind="GPU", environment={"C3DVIS_CACHE_DIR": str(theirs)}) as cluster,
    ):
        command = [sys.executable, "-c", ASKS_AND_NEVER_STORES, str(tmp_path / "cache"), cluster.address]
        killed = subprocess.Popen(command, cwd=Path(__file__).parents[2])
        try:
            until(lambda: len(held()) == 9 or killed.poll() is not None, state=held)  # one alone, then eight together
        finally:
            killed.kill()
            killed.wait()
        assert len(held()) == 9
        assert store.stats().count == 0
        queue = RenderQueue(store, scheduler=cluster.address)
        jobs = [queue.submit(SMALL.replace(filter=number), background=True) for number in range(10)]
        for job in jobs:
            assert job.wait(PATIENCE), job.snapshot()
            assert job.state == "done", job.snapshot()
            assert store.get(job.spec) is not None
        queue.close()
    ends = Counter(line["key"] for line in map(json.loads, log.read_text().splitlines()) if line["event"] == "end")
    assert ends == {job.key: 1 for job in jobs}
    assert not held()  # all are confirmed
