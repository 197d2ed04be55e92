"""The start clips in the store: by content hash, whole or missing, limited in size, cleared with the results."""

from pathlib import Path

import numpy as np
import pytest

from c3dvis.errors import StoreError
from c3dvis.results import ResultStore, start_clips
from c3dvis.results.start_clips import StartClips, unpack_clip
from c3dvis.spec.clip_digest import clip_digest


def clip(seed: int, shape: tuple[int, ...] = (4, 8, 10, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def test_a_clip_is_found_by_its_content(tmp_path: Path) -> None:
    clips = StartClips(tmp_path / "start_clips")
    digest = clips.put(clip(0))
    assert digest == clip_digest(clip(0))
    found = clips.get(digest)
    assert found is not None
    np.testing.assert_array_equal(found, clip(0))
    assert clips.get("0" * 64) is None
    assert clips.get("../" + digest) is None
    assert (tmp_path / "start_clips").stat().st_mode & 0o77 == 0


def test_a_shape_is_part_of_the_content() -> None:
    assert clip_digest(clip(0, (4, 8, 10, 3))) != clip_digest(clip(0, (4, 10, 8, 3)))
    with pytest.raises(ValueError, match="uint8"):
        clip_digest(clip(0).astype(float))


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"not a clip"])
def test_a_damaged_file_counts_as_missing(tmp_path: Path, damage: bytes) -> None:
    clips = StartClips(tmp_path)
    digest = clips.put(clip(0))
    (tmp_path / f"{digest}.npz").write_bytes(damage)
    assert clips.get(digest) is None
    assert clips.put(clip(0)) == digest  # is written again
    assert clips.get(digest) is not None
    with pytest.raises(ValueError, match="no clip"):
        unpack_clip(damage)


def test_another_clip_under_its_name_counts_as_missing(tmp_path: Path) -> None:
    clips = StartClips(tmp_path)
    first, second = clips.put(clip(0)), clips.put(clip(1))
    (tmp_path / f"{first}.npz").write_bytes((tmp_path / f"{second}.npz").read_bytes())
    assert clips.get(first) is None


def test_the_oldest_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = StartClips(tmp_path)
    first = clips.put(clip(0))
    monkeypatch.setattr(start_clips, "MOST_BYTES", (tmp_path / f"{first}.npz").stat().st_size + 10)
    second = clips.put(clip(1))
    assert clips.get(first) is None
    assert clips.get(second) is not None


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="could not be kept"):
        StartClips(tmp_path / "file").put(clip(0))


def test_they_are_cleared_with_the_results(tmp_path: Path) -> None:
    with ResultStore(tmp_path) as store:
        digest = store.start_clips.put(clip(0))
        store.clear()
        assert store.start_clips.get(digest) is None
