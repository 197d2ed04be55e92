"""Damaged weights files, by the hundred: refused in a sentence or loaded, and never more than that."""

import os
import signal
from pathlib import Path

import pytest

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.weights.sandbox import Apart
from tests.networks.fuzz_weights import run
from tests.networks.layouts import SIZE, THIN, keras2, random_weights


def test_damaged_files_end_in_a_sentence_or_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where code that ran would leave its file
    (tmp_path / "files").mkdir()
    ended, done, used = run(1100, 7, tmp_path / "files")
    assert ended.total() == 1100
    assert ended["refused"] > 500
    assert ended["loaded"] > 50  # a flipped bit of a value cannot be told from the value
    assert len(done) == 19
    assert used < 1024


def test_a_reader_that_dies_is_told_of_and_replaced(tmp_path: Path) -> None:
    path = keras2(tmp_path, random_weights(THIN))
    with Apart() as apart:
        assert apart.inspect(path, THIN, SIZE).parameters
        assert apart.process_id
        os.kill(apart.process_id, signal.SIGSEGV)
        with pytest.raises(WeightsDamaged, match=r"keras2\.h5 is refused: reading it crashed the library .*SIGSEGV"):
            apart.inspect(path, THIN, SIZE)
        assert apart.inspect(path, THIN, SIZE).parameters


def test_a_reader_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    path = keras2(tmp_path, random_weights(THIN))
    with Apart(silence=0.5) as apart:
        with Apart() as other:  # warm the files' cache: this is about silence, not about a slow disk
            other.inspect(path, THIN, SIZE)
        apart._start()
        assert apart.process_id
        os.kill(apart.process_id, signal.SIGSTOP)
        with pytest.raises(WeightsDamaged, match="took too long"):
            apart.inspect(path, THIN, SIZE)
        assert apart.process_id is None


def test_progress_is_passed_on(tmp_path: Path) -> None:
    path, told = keras2(tmp_path, random_weights(THIN)), []
    with Apart() as apart:
        apart.convert(path, tmp_path / "own.h5", THIN, SIZE, on_progress=lambda *step: told.append(step))
    assert told == [(done, 11) for done in range(12)]
