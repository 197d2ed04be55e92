"""Thumbnails: one query gets those of many results, whatever happened to the file that stores them."""

import io
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from c3dvis import media
from c3dvis.results import ResultStore
from c3dvis.results.thumbnails import SIDE, ThumbnailFile, make_thumbnail
from tests.results.conftest import MakeResult


def file_of(store: ResultStore) -> Path:
    return store.stats().path / "summaries.db"


def test_a_stored_result_has_one_without_being_opened(filled: ResultStore, make_result: MakeResult) -> None:
    results = [make_result(seed) for seed in range(4)]
    found = filled.thumbnails([result.key for result in results] + ["f" * 64, "no key"])
    assert set(found) == {result.key for result in results}
    for result in results:
        assert found[result.key] == make_thumbnail(result)
        assert found[result.key].metrics == result.metrics
    assert (filled.stats().hits, filled.stats().misses) == (0, 0)


def test_the_thumbnail_is_the_clip_small(make_result: MakeResult) -> None:
    result = make_result(height=112, width=56)
    smooth = np.linspace(0, 255, 56).astype(np.uint8)[None, None, :, None] * np.ones((16, 112, 1, 3), np.uint8)
    result = type(result)(**{**vars(result), "clip": smooth})
    thumbnail = make_thumbnail(result)
    frames, height, width = thumbnail.shape
    assert (frames, height, width) == (16, SIDE, SIDE // 2)
    sheet = np.asarray(Image.open(io.BytesIO(thumbnail.image)).convert("RGB"))
    frame = sheet[height : 2 * height, :width]
    expected = media.thumbnail(smooth, SIDE)[thumbnail.columns]
    assert np.abs(frame.astype(int) - expected).mean() < 4


def test_without_pictures_for_sorting(filled: ResultStore, make_result: MakeResult) -> None:
    result = make_result(2)
    found = filled.thumbnails([result.key], images=False)
    assert found[result.key].image == b""
    assert found[result.key].metrics == result.metrics


@pytest.mark.parametrize("harm", ["removed", "garbage", "emptied"])
def test_a_lost_file_is_made_again(filled: ResultStore, make_result: MakeResult, harm: str) -> None:
    file = file_of(filled)
    if harm == "removed":
        file.unlink()
    elif harm == "garbage":
        file.write_bytes(b"no database" * 500)
    else:
        connection = sqlite3.connect(file)
        connection.execute("DROP TABLE summary")
        connection.commit()
        connection.close()
    result = make_result(1)
    for _ in range(2):
        assert filled.thumbnails([result.key])[result.key] == make_thumbnail(result)
    assert ThumbnailFile(file).get([result.key])[result.key] == make_thumbnail(result)


def test_they_go_with_their_results(tmp_path: Path, make_result: MakeResult) -> None:
    large = {"height": 64, "width": 64}
    size = len(make_result(0, **large).to_bytes())
    with ResultStore(tmp_path, size_limit=2 * size + size // 2, starter=None) as store:
        for seed in range(3):
            store.put(make_result(seed, **large))
        keys = [make_result(seed, **large).key for seed in range(3)]
        kept = set(ThumbnailFile(file_of(store)).get(keys))
        assert len(kept) == 2
        assert kept == set(store.thumbnails(keys)) == store.present(keys)
        store.clear()
        assert store.thumbnails(keys) == {}
        assert ThumbnailFile(file_of(store)).get(keys) == {}


def test_a_second_result_of_a_key_has_its_own(filled: ResultStore, make_result: MakeResult) -> None:
    result = make_result(0)
    other = type(result)(**{**vars(result), "metrics": {"gain": 7.0}})
    filled.put(other)
    assert filled.thumbnails([result.key])[result.key].metrics == {"gain": 7.0}


def test_starters_have_them_and_looking_makes_nothing(tmp_path: Path, make_result: MakeResult) -> None:
    result = make_result(9)
    starter = tmp_path / "starter"
    starter.mkdir()
    (starter / f"{result.key}.h5").write_bytes(result.to_bytes())
    with ResultStore(tmp_path / "cache", starter=starter) as store:
        assert store.present([result.key, "f" * 64]) == {result.key}
        assert store.thumbnails([result.key])[result.key] == make_thumbnail(result)
    assert not (tmp_path / "cache").exists()


def test_a_folder_that_cannot_be_written_still_shows_them(filled: ResultStore, make_result: MakeResult) -> None:
    file_of(filled).unlink()
    file_of(filled).mkdir()  # nothing can be kept there
    result = make_result(3)
    assert filled.thumbnails([result.key])[result.key] == make_thumbnail(result)
