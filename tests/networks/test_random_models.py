"""Random Keras models come in proved, and respond as the models in memory."""

from pathlib import Path

import pytest

from tests.networks.random_models import check


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("seed", range(100, 112))  # each of the forms that a model is saved in, twice
def test_a_random_model_is_imported_right(seed: int, tmp_path: Path) -> None:
    assert check(seed, tmp_path) in ("proved and right", "right, not proved")
