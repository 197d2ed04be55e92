"""Random ONNX graphs, and damaged ones; thousands by hand, with the modules that are run here."""

from pathlib import Path

import pytest

from tests.networks import fuzz_onnx, random_onnx


@pytest.mark.parametrize("seed", range(12))
def test_a_random_graph_comes_in_as_onnxruntime_computes_it(seed: int, tmp_path: Path) -> None:
    random_onnx.check(seed, tmp_path)


def test_a_graph_that_keras_would_add_up_wrongly(tmp_path: Path) -> None:
    """One number for each frame, where there are as many frames as channels."""
    random_onnx.check(53, tmp_path)


def test_damaged_files_are_refused_or_read_in_part() -> None:
    ended = fuzz_onnx.run(0, 150)
    assert ended.total() == 150
    assert ended["refused"] > 30
