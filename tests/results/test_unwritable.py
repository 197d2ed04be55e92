"""The store where it cannot write: a held, misplaced, full or read-only folder."""

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from c3dvis.errors import StoreError
from c3dvis.results import RenderResult, ResultStore
from c3dvis.results import diskcache_entries as disk_module
from tests.processes import PATIENCE

MakeResult = Callable[..., RenderResult]
Same = Callable[[RenderResult | None, RenderResult], None]
ROOT = Path(__file__).resolve().parents[2]


def test_a_store_that_another_process_holds_says_so(
    filled: ResultStore, make_result: MakeResult, same: Same, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_module, "WAIT_SECONDS", 0)
    filled.close()
    with closing(sqlite3.connect(filled.stats().path / "cache.db", isolation_level=None)) as other:
        filled.put(make_result(4))
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process is holding it"):
            filled.put(make_result(5))
        same(filled.get(make_result(0).spec), make_result(0))
        other.execute("ROLLBACK")
    filled.put(make_result(5))
    assert filled.verify() == []
    assert filled.stats().count == len(list(filled.stats().path.glob("??/*.h5"))) == 6


def test_a_file_in_the_place_of_the_folder_is_said_so(tmp_path: Path, make_result: MakeResult) -> None:
    (tmp_path / "cache").write_text("a file")
    store = ResultStore(tmp_path / "cache", starter=None)
    assert store.get(make_result().spec) is None
    with pytest.raises(StoreError, match=r"Not a directory.*C3DVIS_CACHE_DIR"):
        store.put(make_result())


# A full disk and a folder that cannot be written, for real, in a process of their own

CHILD = """
import os, resource, sys
from pathlib import Path
from c3dvis.errors import StoreError
from c3dvis.results import RenderResult, ResultStore

def load(name):
    return RenderResult.from_bytes(Path(name).read_bytes())

store = ResultStore(sys.argv[1], starter=None)
new, old = load(sys.argv[2]), [load(name) for name in sys.argv[3:]]

def check_old():
    for result in old:
        found = store.get(result.spec)
        assert found is not None and (found.clip == result.clip).all()
    assert store.keys() == sorted(result.key for result in old)
"""

FULL = """
# No file may grow beyond this: to a program, that is a disk without room.
resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))
for _ in range(3):
    try:
        store.put(new)
    except StoreError as error:
        print(error)
    check_old()
"""

NOBODY = 65534
DROP_RIGHTS = f"""
if os.geteuid() == 0:
    # Nothing is read-only to root.
    os.setgid({NOBODY})
    os.setuid({NOBODY})
"""

READ_ONLY = """
for act in (lambda: store.put(new), store.clear):
    try:
        act()
    except StoreError as error:
        print(error)
    check_old()
print(store.verify())
"""


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that any user may reach, unlike pytest's."""
    with tempfile.TemporaryDirectory(prefix="c3dvis-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Takes the right to write from the folder's owner, who is the process that in_child runs."""
    paths = [folder, *folder.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)
    try:
        yield
    finally:
        for path in paths:
            path.chmod(0o755 if path.is_dir() else 0o644)


def in_child(code: str, folder: Path, results: list[RenderResult]) -> str:
    """Runs CHILD and `code` on the store in `folder`; the first result is new, the others are stored there."""
    files = []
    for result in results:
        files.append(folder / f"{result.key}.h5")
        files[-1].write_bytes(result.to_bytes())
    command = [sys.executable, "-W", "error", "-c", CHILD + code, str(folder / "cache"), *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def entries_below(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*.h5")}


def test_a_full_disk_is_said_so_and_loses_nothing(public_folder: Path, make_result: MakeResult) -> None:
    old = [make_result(seed) for seed in range(3)]
    with ResultStore(public_folder / "cache", starter=None) as store:
        for result in old:
            store.put(result)
    before = entries_below(public_folder / "cache")
    large = make_result(9, height=96, width=96)
    assert len(large.to_bytes()) > 200_000
    said = in_child(FULL.replace("ROOM", "200_000"), public_folder, [large, *old])
    assert said.count("the disk is full. Free some space") == 3
    assert "C3DVIS_CACHE_DIR" in said
    assert entries_below(public_folder / "cache") == before, "half a file was left behind"


def test_no_room_for_the_index_is_said_so_and_loses_nothing(public_folder: Path, make_result: MakeResult) -> None:
    """The entry's file fits, and the index cannot take it in."""
    old = [make_result(seed, frames=2, height=16, width=16) for seed in range(3)]
    with ResultStore(public_folder / "cache", starter=None) as store:
        for result in old:
            store.put(result)
        index = store.stats().path / "cache.db"
    before = entries_below(public_folder / "cache")
    new = make_result(9, frames=2, height=16, width=16)
    limit = 20_000
    assert len(new.to_bytes()) < limit < index.stat().st_size
    said = in_child(FULL.replace("ROOM", str(limit)), public_folder, [new, *old])
    assert said.count("The result could not be stored") == 3
    assert entries_below(public_folder / "cache") == before, "the entry's file was left behind"
    with ResultStore(public_folder / "cache", starter=None) as store:
        assert store.verify() == []
        store.put(new)
        assert store.stats().count == 4


def test_a_read_only_folder_serves_what_it_has(public_folder: Path, make_result: MakeResult) -> None:
    old = [make_result(seed) for seed in range(3)]
    with ResultStore(public_folder / "cache", starter=None) as store:
        for result in old:
            store.put(result)
    before = entries_below(public_folder / "cache")
    with read_only(public_folder / "cache"):
        said = in_child(DROP_RIGHTS + READ_ONLY, public_folder, [make_result(9), *old])
    lines = said.splitlines()
    assert "could not be stored" in lines[0]
    assert "could not be emptied" in lines[1]
    for line in lines[:2]:
        assert "the folder cannot be written" in line
        assert "C3DVIS_CACHE_DIR" in line
    assert lines[2:] == ["[]"]
    assert entries_below(public_folder / "cache") == before


def test_a_damaged_entry_in_a_read_only_folder_is_a_miss(public_folder: Path, make_result: MakeResult) -> None:
    bad, good = make_result(0), make_result(1)
    with ResultStore(public_folder / "cache", starter=None) as store:
        store.put(bad)
        store.put(good)
        (file,) = store.stats().path.glob(f"??/{bad.key}-*.h5")
        os.truncate(file, 1000)
    code = """
import logging
logging.disable()
print(store.get(new.spec), [store.get(result.spec) is not None for result in old])
print(store.verify())
"""
    with read_only(public_folder / "cache"):
        said = in_child(DROP_RIGHTS + code, public_folder, [bad, good])
    assert said.splitlines() == ["None [True]", repr([bad.key])]
