"""What comes with the program is what this version of it would show."""

from pathlib import Path

import numpy as np

from c3dvis.media import decode_frames, encode_frames
from c3dvis.networks.classes import class_spec
from c3dvis.networks.registry import describe
from c3dvis.results import RenderResult, ResultStore
from c3dvis.results.starters import STARTER_PICTURES
from c3dvis.results.store import STARTER, result_key
from c3dvis.spec import RenderSpec
from c3dvis.ui.components.layer_strip import strip_blocks


def test_the_first_visit_finds_its_picture_in_an_empty_store(tmp_path):
    with ResultStore(tmp_path / "cache") as store:
        result = store.get(RenderSpec())
    assert result is not None, "python docs/starters.py makes it anew"
    assert result.metrics["dead"] is False
    assert result.clip.std() > 20


def test_every_starter_is_whole_current_and_a_real_picture():
    files = sorted(STARTER.glob("*.h5"))
    assert len(files) >= 4
    images = (Path(__file__).parents[2] / "docs" / "images").iterdir()
    assert sum(file.stat().st_size for file in (*files, STARTER / STARTER_PICTURES, *images)) < 8_000_000
    results = [RenderResult.from_bytes(file.read_bytes()) for file in files]
    for file, result in zip(files, results, strict=True):
        assert file.stem == result.key
        assert result.is_current
        assert np.unique(result.clip).size > 200
        assert result.metrics["dead"] is False
    # A weak filter may be among many, and a gain is undefined where no twin excites it: most are to be good ones.
    gains = [np.inf if result.metrics["twin_gain"] is None else result.metrics["twin_gain"] for result in results]
    assert np.median(gains) > 5
    assert np.median([float(result.metrics["robustness"] or 0) for result in results]) > 0.85


def test_each_main_layer_has_pictures_on_the_first_visit(tmp_path: Path) -> None:
    info = describe(RenderSpec().network)
    needs_a_larger_clip = {"Logits/Conv3d_0c_1x1"}
    layers = {block["layer"] for block in strip_blocks(info, info.default_size)} - needs_a_larger_clip
    with ResultStore(tmp_path / "cache") as store:
        for layer in layers:
            specs = [RenderSpec(layer=layer, filter=number) for number in range(6)]
            found = store.thumbnails([result_key(spec) for spec in specs])
            assert len(found) == len(specs), f"{layer}: python docs/starters.py makes them anew"
            for thumbnail in found.values():
                clip = thumbnail.clip()
                assert clip.shape == (*thumbnail.shape, 3)
                assert clip.std() > 10
                assert thumbnail.metrics["dead"] is False
        scores = class_spec(info, 5)
        keys = [result_key(spec) for spec in (scores, scores.replace(objective="filter"))]  # the same search
        assert [each.clip().shape for each in store.thumbnails(keys).values()] == [(16, 200, 200, 3)] * 2
        assert store.keys() == sorted(file.stem for file in STARTER.glob("*.h5"))  # the others are pictures alone


def test_a_picture_alone_is_no_result(tmp_path: Path) -> None:
    with ResultStore(tmp_path / "cache") as store:
        alone = result_key(RenderSpec(layer="Mixed_3b", filter=0))
        assert store.get_key(alone) is None
        assert alone not in store
        assert store.present([alone]) == set()
        assert store.thumbnails([alone], images=False)[alone].image == b""


def test_the_frames_of_a_picture_are_those_of_its_clip() -> None:
    clip = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    image, grid = encode_frames(clip, quality=95)
    decoded = decode_frames(image, clip.shape[:3], grid.columns)
    assert decoded.shape == clip.shape
    assert np.abs(decoded.astype(int) - clip).mean() < 25
    nearest = [min(range(5), key=lambda other: np.abs(decoded[t].astype(int) - clip[other]).mean()) for t in range(5)]
    assert nearest == [0, 1, 2, 3, 4]
