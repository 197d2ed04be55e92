"""What comes with the program is what this version of it would show."""

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
    assert sum(file.stat().st_size for file in files) < 4 * 2**20
    for file in files:
        result = RenderResult.from_bytes(file.read_bytes())
        assert file.stem == result.key
        assert result.is_current
        assert np.unique(result.clip).size > 200
        gain, robustness = result.metrics["gain"], result.metrics["robustness"]
        assert isinstance(gain, float)
        assert isinstance(robustness, float)
        assert gain > 5
        assert robustness > 0.85
