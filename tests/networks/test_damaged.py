"""Hundreds of damaged weights files: each is loaded or refused with one sentence, and does nothing else."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from c3dvis.errors import Cancelled, WeightsDamaged
from c3dvis.networks.weights.sandbox import convert_in_sandbox, inspect_in_sandbox
from tests.networks.fuzz_weights import run
from tests.networks.layouts import SIZE, THIN, keras2, random_weights


def test_damaged_files_end_in_a_sentence_or_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where code from a file would leave its mark
    (tmp_path / "files").mkdir()
    ended, done, used = run(1100, 7, tmp_path / "files")
    assert ended.total() == 1100
    assert ended["refused"] > 500
    assert ended["loaded"] > 50  # a flipped bit of a value cannot be told from the value
    assert len(done) == 19
    assert used < 1024


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """A file that its reader waits for: a named pipe that nobody writes."""
    os.mkfifo(tmp_path / "endless")
    return tmp_path / "endless"


def test_a_crash_is_reported_and_the_next_file_is_read(endless: Path, tmp_path: Path) -> None:
    path = keras2(tmp_path, random_weights(THIN))
    with ThreadPoolExecutor() as threads:
        reading = threads.submit(inspect_in_sandbox, endless, THIN, SIZE)
        while not (children := _children()):
            assert not reading.done()
            time.sleep(0.01)  # until the process has started
        os.kill(children[0].pid, signal.SIGSEGV)
        with pytest.raises(WeightsDamaged, match=r"endless is refused: reading it crashed the library .*SIGSEGV"):
            reading.result()
    assert inspect_in_sandbox(path, THIN, SIZE).parameters
    assert not _children()


def test_a_file_without_end_is_given_up(endless: Path) -> None:
    with pytest.raises(WeightsDamaged, match="took too long"):
        inspect_in_sandbox(endless, THIN, SIZE, timeout=2)
    assert not _children()


def test_progress_is_passed_on(tmp_path: Path) -> None:
    path, progress = keras2(tmp_path, random_weights(THIN)), []
    convert_in_sandbox(path, tmp_path / "own.h5", THIN, SIZE, on_progress=lambda *step: progress.append(step))
    assert progress == [(done, 11) for done in range(12)]
    assert not _children()


def test_an_exception_of_the_progress_callback_ends_the_process(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        convert_in_sandbox(keras2(tmp_path, random_weights(THIN)), tmp_path / "own.h5", THIN, SIZE, on_progress=stop)
    assert not _children()


def _children() -> list[psutil.Process]:
    """The processes of sandboxes."""
    return [child for child in psutil.Process().children() if "c3dvis.networks.weights.sandbox" in child.cmdline()]
