"""Texture and motion in a result's file, in the store and in the downloads; files without them stay as they were."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import imageio.v3 as iio
import numpy as np
import pytest

from c3dvis.errors import ResultDamaged
from c3dvis.results import RenderResult, ResultStore
from c3dvis.results.file_formats import TEXTURE_MOTION_FORMATS, encode_result
from c3dvis.results.interpretation import share_sentences
from c3dvis.results.store import STARTER
from tests.results.test_result import reseal

MakeResult = Callable[..., RenderResult]
Same = Callable[[RenderResult | None, RenderResult], None]


def test_texture_and_motion_come_back(make_apart: MakeResult, same: Same) -> None:
    for margin in (0, 3, 12):
        result = make_apart(margin=margin)
        same(RenderResult.from_bytes(result.to_bytes()), result)
        assert result.to_bytes() == make_apart(margin=margin).to_bytes()


def test_the_store_has_them_in_place_of_the_result_without(
    store: ResultStore, make_result: MakeResult, make_apart: MakeResult, same: Same
) -> None:
    before, after = make_result(), make_apart()
    store.put(before)
    same(store.get(before.spec), before)
    store.put(after)
    same(store.get(before.spec), after)
    assert store.keys() == [before.key] == [after.key]
    assert store.thumbnails([before.key])[before.key].metrics["texture_share"] == 0.125
    assert store.verify() == []


def test_files_from_before_still_open(make_result: MakeResult) -> None:
    """The starters were made before there was texture and motion; files without them keep their format."""
    for path in STARTER.glob("*.h5"):
        assert RenderResult.from_bytes(path.read_bytes()).texture_motion is None
    with h5py.File(io.BytesIO(make_result().to_bytes())) as h5:
        assert h5.attrs["format_version"] == 1


def test_anybody_with_h5py_can_rebuild_the_clip(make_apart: MakeResult) -> None:
    result = make_apart()
    assert result.texture_motion
    with h5py.File(io.BytesIO(result.to_bytes())) as h5:
        assert h5.attrs["format_version"] == 2
        assert "texture_motion" in str(h5.attrs["readme"])
        group: Any = h5["texture_motion"]
        texture, displacement = group["texture"][()], group["displacement"][()].astype(float)
    t, y, x = 5, 11, 7
    m = (texture.shape[0] - result.clip.shape[1]) // 2
    down, right = m + y + displacement[t, y, x, 0], m + x + displacement[t, y, x, 1]
    top, left = int(down), int(right)
    corners = texture[top : top + 2, left : left + 2].astype(float)
    weights = np.outer([1 - down + top, down - top], [1 - right + left, right - left])
    expected = np.einsum("yxc,yx->c", corners, weights)
    np.testing.assert_allclose(result.texture_motion.rebuilt()[t, y, x], expected, atol=0.51)


def group_of(h5: Any) -> Any:
    return h5["texture_motion"]


def replaced(h5: Any, name: str, data: np.ndarray) -> None:
    del group_of(h5)[name]
    group_of(h5).create_dataset(name, data=data)


EDITS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "no texture": (lambda h5: group_of(h5).pop("texture"), "other members"),
    "something more": (lambda h5: group_of(h5).create_group("more"), "other members"),
    "uneven margin": (lambda h5: replaced(h5, "texture", np.zeros((30, 32, 3), np.uint8)), "same margin"),
    "odd margin": (lambda h5: replaced(h5, "texture", np.zeros((29, 29, 3), np.uint8)), "same margin"),
    "small texture": (lambda h5: replaced(h5, "texture", np.zeros((20, 20, 3), np.uint8)), "same margin"),
    "huge texture": (lambda h5: replaced(h5, "texture", np.zeros((90, 90, 3), np.uint8)), "same margin"),
    "texture without colours": (lambda h5: replaced(h5, "texture", np.zeros((30, 30), np.uint8)), "does not fit"),
    "one number": (lambda h5: replaced(h5, "texture", np.zeros((), np.uint8)), "cannot be read"),
    "other type": (lambda h5: replaced(h5, "displacement", np.zeros((16, 24, 24, 2), "f4")), "does not fit"),
    "other length": (lambda h5: replaced(h5, "displacement", np.zeros((8, 24, 24, 2), "f2")), "does not fit"),
    "not finite": (lambda h5: replaced(h5, "displacement", np.full((16, 24, 24, 2), np.nan, "f2")), "finite"),
    "a link": (
        lambda h5: (group_of(h5).pop("texture"), group_of(h5).update({"texture": h5py.ExternalLink("/etc/x", "/x")})),
        "reaches outside itself",
    ),
    "a dataset instead": (
        lambda h5: (h5.pop("texture_motion"), h5.create_dataset("texture_motion", data=[1])), "to be a Group",
    ),
    "an old version number": (lambda h5: h5.attrs.update({"format_version": 1}), "other members"),
}  # fmt: skip


@pytest.mark.parametrize(("edit", "words"), EDITS.values(), ids=EDITS)
def test_files_whose_parts_do_not_fit_are_refused(
    make_apart: MakeResult, tmp_path: Path, edit: Callable[[Any], Any], words: str
) -> None:
    path = tmp_path / "forged.h5"
    path.write_bytes(make_apart().to_bytes())
    with h5py.File(path, "r+") as h5:
        edit(h5)
    with pytest.raises(ResultDamaged, match=words):
        RenderResult.from_bytes(reseal(path.read_bytes()))


def test_each_part_can_be_downloaded(make_apart: MakeResult, make_result: MakeResult) -> None:
    result = make_apart()
    assert result.texture_motion
    files = {fmt: encode_result(result, fmt) for fmt in TEXTURE_MOTION_FORMATS}
    texture = iio.imread(files["texture"], extension=".png")
    np.testing.assert_array_equal(texture[..., :3], result.texture_motion.texture)
    assert len(iio.imread(files["rebuilt"], extension=".gif")) == 16
    displacement = np.load(io.BytesIO(files["displacement"]))
    np.testing.assert_array_equal(displacement, result.texture_motion.displacement)
    for fmt in TEXTURE_MOTION_FORMATS:
        with pytest.raises(ValueError, match="was not taken apart"):
            encode_result(make_result(), fmt)


def test_displacements_of_another_clip_are_refused(make_apart: MakeResult, make_result: MakeResult) -> None:
    import dataclasses

    with pytest.raises(ValueError, match="displacements do not fit"):
        dataclasses.replace(make_result(), texture_motion=make_apart(frames=8).texture_motion)


def test_the_shares_in_words() -> None:
    words = share_sentences({"rebuilt_share": 0.97, "texture_share": 0.1234, "motion_share": None})
    assert set(words) == {"rebuilt_share", "texture_share"}
    assert words["texture_share"][0] == "12 %"
    assert "is enough" in words["rebuilt_share"][1]
    assert "explains 72 %" in share_sentences({"rebuilt_share": 0.9, "rebuilt_likeness": 0.72})["rebuilt_share"][1]
    assert "changes its form" in share_sentences({"rebuilt_share": 0.6})["rebuilt_share"][1]
    assert "more than one texture" in share_sentences({"rebuilt_share": 0.2})["rebuilt_share"][1]
