"""Pinned results stay: through eviction, clearing, a damaged index and a clock that is set back."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from c3dvis.errors import StoreError
from c3dvis.results import RenderResult, ResultStore

MakeResult = Callable[..., RenderResult]
INDEX = 28_672  # bytes of the index of a small store


def set_used(store: ResultStore, result: RenderResult, seconds_from_now: float) -> None:
    (file,) = store.stats().path.glob(f"??/{result.key}-*.h5")
    os.utime(file, (then := time.time() + seconds_from_now, then))


def test_pinned_results_stay_when_room_is_needed(tmp_path: Path, make_result: MakeResult) -> None:
    results = [make_result(seed) for seed in range(5)]
    with ResultStore(tmp_path, size_limit=int(2.5 * len(results[0].to_bytes())) + INDEX, starter=None) as store:
        store.put(results[0])
        store.pin([results[0].key])
        set_used(store, results[0], -1e6)
        for result in results[1:]:
            store.put(result)
            assert store.keys() == sorted([results[0].key, result.key])
        store.unpin([results[0].key])
        store.put(results[1])
        assert store.keys() == sorted(results[seed].key for seed in (1, 4))


def test_clear_leaves_pinned_results(filled: ResultStore, make_result: MakeResult) -> None:
    kept = [make_result(seed).key for seed in (1, 2)]
    filled.pin(kept)
    assert filled.stats().pinned == 2
    assert filled.clear() == 2
    assert filled.keys() == sorted(kept)
    assert filled.get(make_result(1).spec) is not None
    filled.unpin(kept)
    assert filled.clear() == 2
    assert filled.keys() == []


def test_pins_survive_a_damaged_index(filled: ResultStore, make_result: MakeResult) -> None:
    filled.pin([make_result(3).key])
    filled.close()
    (filled.stats().path / "cache.db").write_bytes(b"no database" * 1000)
    assert filled.clear() == 3
    assert filled.keys() == [make_result(3).key]


def test_what_is_not_stored_cannot_be_pinned(filled: ResultStore, make_result: MakeResult) -> None:
    with pytest.raises(StoreError, match=f"Expected keys of stored results.*{make_result(9).key}"):
        filled.pin([make_result(0).key, make_result(9).key])
    assert filled.pinned() == set()


def test_no_more_is_pinned_than_has_room(tmp_path: Path, make_result: MakeResult) -> None:
    size = len(make_result(0).to_bytes())
    with ResultStore(tmp_path, size_limit=int(1.5 * size), starter=None) as store:
        for seed in range(2):
            store.put(make_result(seed))
            if seed == 0:
                store.pin([make_result(0).key])
        with pytest.raises(StoreError, match="C3DVIS_CACHE_LIMIT"):
            store.pin([make_result(1).key])
        assert store.pinned() == {make_result(0).key}


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(-100_000, 100_000), min_size=3, max_size=3, unique=True))
def test_a_clock_that_was_set_back_does_not_evict_the_newest(
    tmp_path_factory: pytest.TempPathFactory, make_result: MakeResult, hours: list[int]
) -> None:
    """What was used in the future was used before the clock was set back, so earlier than what was used since."""
    ages = [3600.0 * hour for hour in hours]
    results = [make_result(seed) for seed in range(4)]
    size = len(results[0].to_bytes())
    folder = tmp_path_factory.mktemp("store")
    with ResultStore(folder, size_limit=int(3.5 * size) + INDEX, starter=None) as store:
        for result, age in zip(results, ages, strict=False):
            store.put(result)
            set_used(store, result, age)
        store.put(results[3])
        by_use = sorted(zip(ages, results, strict=False), key=lambda pair: (pair[0] <= 60, pair[0]))
        assert store.keys() == sorted([results[3].key, *(result.key for _, result in by_use[1:])])
