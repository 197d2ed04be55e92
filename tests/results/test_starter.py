"""What comes with the program is what this version of it would show."""

from pathlib import Path

import numpy as np

from c3dvis.results import RenderResult, ResultStore
from c3dvis.results.store import STARTER
from c3dvis.spec import RenderSpec


def test_the_first_visit_finds_its_picture_in_an_empty_store(tmp_path):
    with ResultStore(tmp_path / "cache") as store:
        result = store.get(RenderSpec())
    assert result is not None, "python docs/starters.py makes it anew"
    assert result.metrics["dead"] is False
    assert result.clip.std() > 20


def test_every_starter_is_whole_current_and_a_real_picture():
    files = sorted(STARTER.glob("*.h5"))
    assert len(files) >= 4
    pictures = (Path(__file__).parents[2] / "docs" / "images").iterdir()
    assert sum(file.stat().st_size for file in (*files, *pictures)) < 8_000_000
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
