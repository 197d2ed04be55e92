"""The store and what lies damaged in its folder: entries, the index, and things that do not belong there."""

import os
import pickle
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from c3dvis.results import RenderResult, ResultStore
from c3dvis.results.diskcache_entries import BlobCache, PickleRefused

MakeResult = Callable[..., RenderResult]
Same = Callable[[RenderResult | None, RenderResult], None]


def entry_file(store: ResultStore, result: RenderResult) -> Path:
    (file,) = store.stats().path.glob(f"??/{result.key}-*.h5")
    return file


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "flipped": flip,
    "cut": lambda file: os.truncate(file, 1000),
    "empty": lambda file: os.truncate(file, 0),
    "gone": lambda file: file.unlink(),
    "other": lambda file: file.write_bytes(b"something else"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_entry_is_a_miss_and_the_others_stay(
    filled: ResultStore,
    make_result: MakeResult,
    same: Same,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], Any],
) -> None:
    bad = make_result(1)
    damage(entry_file(filled, bad))
    assert filled.get(bad.spec) is None
    assert bad.key in caplog.text
    assert "counts as not stored" in caplog.text
    assert bad.key not in filled
    for seed in (0, 2, 3):
        same(filled.get(make_result(seed).spec), make_result(seed))
    filled.put(bad)
    same(filled.get(bad.spec), bad)
    assert filled.verify() == []


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_verify_reports_what_is_damaged(
    filled: ResultStore, make_result: MakeResult, damage: Callable[[Path], Any]
) -> None:
    damage(entry_file(filled, make_result(1)))
    assert filled.verify() == [make_result(1).key]
    assert filled.keys() == sorted(make_result(seed).key for seed in (0, 2, 3))


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_what_a_look_up_set_aside_is_reported_until_it_is_rendered_again(
    filled: ResultStore, make_result: MakeResult, damage: Callable[[Path], Any]
) -> None:
    damage(entry_file(filled, make_result(1)))
    assert filled.get(make_result(1).spec) is None
    assert filled.stats().damaged == 1
    assert filled.verify() == filled.verify() == [make_result(1).key]
    filled.put(make_result(1))
    assert filled.verify() == []
    assert filled.stats().damaged == 0


def test_clear_also_removes_what_was_set_aside(filled: ResultStore, make_result: MakeResult) -> None:
    flip(entry_file(filled, make_result(1)))
    filled.verify()
    assert filled.clear() == 3
    assert filled.verify() == []
    assert list(filled.stats().path.rglob("*.h5")) == []


def test_entries_of_an_older_version_are_no_damage(filled: ResultStore, make_result: MakeResult) -> None:
    old = make_result(9, algorithm=0)
    with BlobCache(filled.stats().path) as cache:
        cache.set_or_discard(old.key, old.to_bytes())
    assert filled.get_key(old.key) is None
    assert filled.verify() == []
    assert old.key in filled.keys()  # noqa: SIM118


# The index


def overwrite_head(index: Path) -> None:
    with index.open("r+b") as file:
        file.write(b"garbage!" * 20)


def overwrite_tables(index: Path) -> None:
    """Leaves the first page, so that the file still looks like a database."""
    size = index.stat().st_size
    with index.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


INDEX_DAMAGE: dict[str, Callable[[Path], Any]] = {
    "overwritten head": overwrite_head,
    "overwritten tables": overwrite_tables,
    "cut": lambda index: os.truncate(index, 5000),
    "another file": lambda index: index.write_bytes(b"no database " * 1000),
}
FIRST_ACTS: dict[str, Callable[[ResultStore, RenderResult], Any]] = {
    "get": lambda store, _: store.get_key("0" * 64),
    "put": lambda store, result: store.put(result),
    "keys": lambda store, _: store.keys(),
    "verify": lambda store, _: store.verify(),
}


@pytest.mark.parametrize("act", FIRST_ACTS.values(), ids=FIRST_ACTS)
@pytest.mark.parametrize("damage", INDEX_DAMAGE.values(), ids=INDEX_DAMAGE)
@pytest.mark.parametrize("reopened", [False, True], ids=["open", "reopened"])
def test_a_damaged_index_loses_no_result(
    filled: ResultStore, make_result: MakeResult, same: Same, damage: Any, act: Any, reopened: bool
) -> None:
    damage(filled.stats().path / "cache.db")
    if reopened:
        filled.close()
    act(filled, make_result(0))
    for seed in range(4):
        same(filled.get(make_result(seed).spec), make_result(seed))
    filled.put(make_result(5))
    same(filled.get(make_result(5).spec), make_result(5))
    assert filled.verify() == []
    assert filled.stats().count == 5


@pytest.mark.parametrize("damage", INDEX_DAMAGE.values(), ids=INDEX_DAMAGE)
def test_a_store_with_a_damaged_index_can_be_emptied(filled: ResultStore, make_result: MakeResult, damage: Any) -> None:
    damage(filled.stats().path / "cache.db")
    assert filled.clear() == 4
    assert filled.keys() == filled.verify() == []
    filled.put(make_result(1))
    assert filled.keys() == [make_result(1).key]


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: os.truncate(path, 0)])
def test_files_without_an_index_are_taken_in_again(
    filled: ResultStore, make_result: MakeResult, same: Same, damage: Callable[[Path], Any]
) -> None:
    folder = filled.stats().path
    damage(folder / "cache.db")
    filled.put(make_result(7))
    for file in folder.glob("??/*.h5"):
        os.utime(file, (0, 0))  # long enough ago that none can be a write under way
    assert filled.verify() == []
    for seed in (0, 1, 2, 3, 7):
        same(filled.get(make_result(seed).spec), make_result(seed))
    assert len(list(folder.glob("??/*.h5"))) == 5


def test_verify_leaves_writes_under_way_alone(filled: ResultStore, make_result: MakeResult) -> None:
    folder = filled.stats().path
    whole, half = (folder / "ab" / f"{'ab' * 32}-0000000{n}.h5" for n in (1, 2))
    whole.parent.mkdir(exist_ok=True)
    whole.write_bytes(make_result(9).to_bytes())
    half.write_bytes(make_result(9).to_bytes()[:100])
    assert filled.verify() == []
    assert whole.exists()
    assert half.exists()
    os.utime(half, (0, 0))
    assert filled.verify() == ["ab" * 32]
    assert not half.exists()


def test_the_folder_may_vanish_at_any_time(filled: ResultStore, make_result: MakeResult, same: Same) -> None:
    shutil.rmtree(filled.stats().path.parent)
    assert filled.get(make_result(0).spec) is None
    assert filled.keys() == filled.verify() == []
    filled.put(make_result(0))
    same(filled.get(make_result(0).spec), make_result(0))


# Pickles (CVE-2025-69872)


class Exploit:
    """Unpickling this makes the file that it names."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple:
        return Path.touch, (self.trace,)


def test_pickles_in_the_folder_are_never_loaded(
    filled: ResultStore, make_result: MakeResult, same: Same, tmp_path: Path
) -> None:
    trace = tmp_path / "executed"
    payload = pickle.dumps(Exploit(trace))
    folder = filled.stats().path
    victim = make_result(0).key
    (folder / "evil.val").write_bytes(payload)
    with closing(sqlite3.connect(folder / "cache.db", isolation_level=None)) as index:
        insert = "INSERT INTO Cache (key, raw, mode, filename, value) VALUES (?, ?, ?, ?, ?)"
        index.execute(insert, (payload, 0, 1, None, b"x"))
        index.execute(insert, ("a" * 64, 1, 4, "evil.val", None))
        index.execute(insert, ("b" * 64, 1, 4, None, payload))
        index.execute("UPDATE Cache SET mode = 4, filename = 'evil.val' WHERE key = ?", (victim,))
    for key in (victim, "a" * 64, "b" * 64):
        assert filled.get_key(key) is None
    assert filled.keys() == sorted(make_result(seed).key for seed in (1, 2, 3))
    filled.verify()
    with BlobCache(folder) as cache:
        for key in ("a" * 64, "b" * 64):
            with pytest.raises(PickleRefused):
                cache.get(key)
        with pytest.raises(PickleRefused):
            list(cache)
    assert not trace.exists()
    pickle.loads(payload)
    assert trace.exists(), "the payload would have worked"


def test_pickles_are_never_written(tmp_path: Path) -> None:
    values: list[Any] = ["text", 3, None, {"a": 1}, bytearray(b"x")]
    keys: list[Any] = [3, b"x", ("a", 1), None]
    with BlobCache(tmp_path) as cache:
        volume = cache.volume()
        for value in values:
            with pytest.raises(PickleRefused, match="Only bytes"):
                cache.set("a" * 64, value)
        for key in keys:
            with pytest.raises(PickleRefused, match="Only text"):
                cache.set(key, b"bytes")
        assert cache.volume() == volume


@pytest.mark.parametrize("name", ["../../secret.h5", "/etc/passwd", "ab/secret.h5", "", None, 3])
def test_entries_never_lead_out_of_the_folder(
    filled: ResultStore, make_result: MakeResult, tmp_path: Path, name: Any
) -> None:
    victim = make_result(0).key
    (tmp_path / "secret.h5").write_bytes(make_result(0).to_bytes())
    with closing(sqlite3.connect(filled.stats().path / "cache.db", isolation_level=None)) as index:
        index.execute("UPDATE Cache SET filename = ? WHERE key = ?", (name, victim))
    assert filled.get_key(victim) is None
    assert victim not in filled
    filled.clear()
    assert (tmp_path / "secret.h5").exists()
