"""The store in daily use: found again, privately kept, bounded, shared between threads and processes."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from c3dvis.errors import StoreError, UnknownNetwork
from c3dvis.results import RenderResult, ResultStore
from c3dvis.spec import RenderSpec
from tests.processes import PATIENCE

MakeResult = Callable[..., RenderResult]
Same = Callable[[RenderResult | None, RenderResult], None]
ROOT = Path(__file__).resolve().parents[2]


def entry_files(store: ResultStore) -> list[Path]:
    return sorted(store.stats().path.glob("??/*.h5"))


def test_what_was_stored_is_found_by_its_spec(store: ResultStore, make_result: MakeResult, same: Same) -> None:
    result = make_result()
    store.put(result)
    same(store.get(result.spec), result)
    same(store.get_key(result.key), result)
    assert result.key in store
    assert store.keys() == [result.key]


def test_what_was_not_stored_is_a_miss(store: ResultStore, make_result: MakeResult) -> None:
    store.put(make_result(1))
    assert store.get(make_result(2).spec) is None
    assert make_result(2).key not in store


def test_it_is_still_there_for_the_next_process(tmp_path: Path, make_result: MakeResult, same: Same) -> None:
    with ResultStore(str(tmp_path), starter=None) as first:
        first.put(make_result())
    with ResultStore(tmp_path, starter=None) as second:
        same(second.get(make_result().spec), make_result())


def test_looking_makes_nothing(tmp_path: Path, make_result: MakeResult) -> None:
    store = ResultStore(tmp_path / "cache", starter=None)
    assert store.get(make_result().spec) is None
    assert store.keys() == store.verify() == []
    assert store.clear() == store.stats().count == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["", "x" * 64, "A" * 64, "../" * 20, "0" * 63, "0" * 64 + "\n"])
def test_what_is_no_key_is_a_miss(store: ResultStore, key: str) -> None:
    assert store.get_key(key) is None
    assert key not in store


def test_a_key_is_a_text(store: ResultStore) -> None:
    assert 3 not in store


def test_networks_without_weights_have_no_results(
    store: ResultStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path / "none"))
    assert store.get(RenderSpec(network="c3d-sports1m", layer="conv1", filter=0)) is None
    assert store.stats().misses == 1


def test_an_unknown_network_is_said_so(store: ResultStore) -> None:
    with pytest.raises(UnknownNetwork):
        store.get(RenderSpec(network="no-such-network"))


def test_a_second_result_of_the_same_key_replaces_the_first(
    store: ResultStore, make_result: MakeResult, same: Same
) -> None:
    first = make_result()
    second = RenderResult(first.spec, first.clip[::-1], {}, [], first.fingerprint, first.algorithm, {})
    store.put(first)
    store.put(second)
    same(store.get(first.spec), second)
    assert len(entry_files(store)) == store.stats().count == 1


def test_entries_are_files_that_people_can_find(store: ResultStore, make_result: MakeResult, same: Same) -> None:
    result = make_result()
    store.put(result)
    (file,) = entry_files(store)
    assert file.name.startswith(result.key)
    same(RenderResult.from_bytes(file.read_bytes()), result)


def test_stats_count_what_is_there_and_what_was_asked(store: ResultStore, make_result: MakeResult) -> None:
    for seed in range(3):
        store.put(make_result(seed))
    for seed in range(5):
        store.get(make_result(seed).spec)
    stats = store.stats()
    assert (stats.count, stats.hits, stats.misses, stats.starters, stats.damaged) == (3, 3, 2, 0, 0)
    assert stats.bytes == sum(file.stat().st_size for file in entry_files(store))
    assert stats.size_limit == 8 * 2**30
    assert stats.path.is_dir()


def test_clear_removes_results_and_nothing_else(store: ResultStore, make_result: MakeResult) -> None:
    for seed in range(3):
        store.put(make_result(seed))
    weights = store.stats().path.parent / "weights" / "network.h5"
    weights.parent.mkdir()
    weights.write_bytes(b"weights")
    assert store.clear() == 3
    assert store.keys() == entry_files(store) == []
    assert weights.read_bytes() == b"weights"
    store.put(make_result(1))
    assert store.keys() == [make_result(1).key]


def test_results_of_another_algorithm_are_not_stored(store: ResultStore, make_result: MakeResult) -> None:
    with pytest.raises(StoreError, match="algorithm version 0"):
        store.put(make_result(algorithm=0))
    assert store.keys() == []


def test_the_size_limit_can_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C3DVIS_CACHE_LIMIT", "0.5")
    assert ResultStore(tmp_path).stats().size_limit == 500_000_000
    for wrong in ("0", "-3", "much", "nan", "inf"):
        monkeypatch.setenv("C3DVIS_CACHE_LIMIT", wrong)
        with pytest.raises(StoreError, match="C3DVIS_CACHE_LIMIT must be a number of GB"):
            ResultStore(tmp_path)


def test_a_size_limit_must_be_positive(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"1 byte or more\. Received: 0"):
        ResultStore(tmp_path, 0)


@pytest.mark.parametrize("mode", [None, 0o755, 0o777])
def test_only_its_owner_may_enter_the_folder(tmp_path: Path, make_result: MakeResult, mode: int | None) -> None:
    folder = tmp_path / "results"
    if mode is not None:
        folder.mkdir()
        folder.chmod(mode)
    before = stat.S_IMODE(tmp_path.stat().st_mode)
    with ResultStore(tmp_path, starter=None) as store:
        store.put(make_result())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(tmp_path.stat().st_mode) == before, "the cache folder itself may hold other things"


def test_the_least_recently_used_go_first(tmp_path: Path, make_result: MakeResult) -> None:
    results = [make_result(seed) for seed in range(5)]
    size = len(results[0].to_bytes())
    # Room for three, and for the index.
    with ResultStore(tmp_path, size_limit=int(3.5 * size) + 28_672, starter=None) as store:
        for age, result in zip((300, 200, 100), results, strict=False):
            store.put(result)
            (file,) = [path for path in entry_files(store) if result.key in path.name]
            then = file.stat().st_mtime - age
            os.utime(file, (then, then))
        assert store.get(results[0].spec) is not None, "used now, so the oldest no more"
        store.put(results[3])
        assert store.keys() == sorted(results[seed].key for seed in (0, 2, 3))
        store.put(results[4])
        assert store.keys() == sorted(results[seed].key for seed in (0, 3, 4))
        assert len(entry_files(store)) == 3


def test_the_result_just_stored_stays_however_small_the_limit(tmp_path: Path, make_result: MakeResult) -> None:
    with ResultStore(tmp_path, size_limit=1, starter=None) as store:
        for seed in range(3):
            store.put(make_result(seed))
            assert store.keys() == [make_result(seed).key]


def test_results_that_come_with_the_program_are_found(tmp_path: Path, make_result: MakeResult, same: Same) -> None:
    shipped, own = make_result(1), make_result(2)
    starter = tmp_path / "starter"
    starter.mkdir()
    (starter / f"{shipped.key}.h5").write_bytes(shipped.to_bytes())
    (starter / "README.h5").write_bytes(b"not a key")
    with ResultStore(tmp_path / "cache", starter=starter) as store:
        same(store.get(shipped.spec), shipped)
        assert not (tmp_path / "cache").exists()
        store.put(own)
        assert store.keys() == sorted([shipped.key, own.key])
        assert shipped.key in store
        assert (store.stats().count, store.stats().starters, store.stats().hits) == (1, 1, 1)
        assert store.clear() == 1
        same(store.get(shipped.spec), shipped)
        assert store.verify() == []


def test_a_starter_under_a_wrong_name_or_of_an_older_version_is_not_shown(
    tmp_path: Path, make_result: MakeResult
) -> None:
    (tmp_path / f"{make_result(1).key}.h5").write_bytes(make_result(2).to_bytes())
    (tmp_path / f"{make_result(3).key}.h5").write_bytes(make_result(3, algorithm=0).to_bytes())
    store = ResultStore(tmp_path / "cache", starter=tmp_path)
    assert store.get(make_result(1).spec) is None
    assert store.get(make_result(3).spec) is None


def test_a_damaged_starter_is_a_miss_and_reported(
    tmp_path: Path, make_result: MakeResult, caplog: pytest.LogCaptureFixture
) -> None:
    key = make_result().key
    (tmp_path / f"{key}.h5").write_bytes(make_result().to_bytes()[:-1])
    store = ResultStore(tmp_path / "cache", starter=tmp_path)
    assert store.get(make_result().spec) is None
    assert "cannot be used" in caplog.text
    assert store.verify() == [key]


def test_threads_share_a_store(store: ResultStore, make_result: MakeResult, same: Same) -> None:
    def work(seed: int) -> None:
        result = make_result(seed % 5)
        store.put(result)
        same(store.get(result.spec), result)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    assert store.keys() == sorted(make_result(seed).key for seed in range(5))
    assert len(entry_files(store)) == 5


WRITER = """
import sys
from pathlib import Path
from c3dvis.results import RenderResult, ResultStore
store = ResultStore(sys.argv[1], starter=None)
results = [RenderResult.from_bytes(Path(name).read_bytes()) for name in sys.argv[2:]]
print("ready", flush=True)
sys.stdin.readline()
for _ in range(3):
    for result in results:
        store.put(result)
        found = store.get(result.spec)
        assert found is not None and (found.clip == result.clip).all()
"""


def test_two_processes_write_at_once(tmp_path: Path, make_result: MakeResult, same: Same) -> None:
    files = []
    for seed in range(9):
        files.append(tmp_path / f"{seed}.h5")
        files[-1].write_bytes(make_result(seed).to_bytes())
    # Both store numbers 3 to 5, and both make the folder.
    writers = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", WRITER, str(tmp_path / "cache"), *map(str, part)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for part in (files[:6], files[3:])
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        _, complaints = writer.communicate(timeout=PATIENCE)
        assert (writer.returncode, complaints) == (0, "")
    with ResultStore(tmp_path / "cache", starter=None) as store:
        assert store.verify() == []
        assert store.stats().count == len(entry_files(store)) == 9
        for seed in range(9):
            same(store.get(make_result(seed).spec), make_result(seed))


def test_the_page_can_use_it_without_tensorflow(tmp_path: Path) -> None:
    code = (
        "import sys; from c3dvis.results import ResultStore; import c3dvis.media; "
        f"ResultStore({str(tmp_path)!r}).keys(); "
        "print([name for name in ('tensorflow', 'streamlit', 'av', 'dask') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
