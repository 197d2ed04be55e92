"""bench/gpu: the exported step is the engine's own. JAX, which runs it on a GPU, is not needed here."""

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla

from bench.gpu import run_step
from bench.gpu.export_step import export, first_arguments, steps_of
from c3dvis.spec import RenderSpec
from tests.maximize.small_c3d import PRECISIONS, SIZE, small_c3d

FRAMES, HEIGHT, WIDTH = SIZE
SPEC = RenderSpec(network="small-c3d", layer="conv3b", frames=FRAMES, height=HEIGHT, width=WIDTH)
FILTERS, COUNT = [1, 5], 3


@functools.cache
def exported(precision: str) -> run_step.Export:
    """The small network's step, written and read again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "step.npz"
        arrays: dict[str, Any] = export(small_c3d(), SPEC, precision, FILTERS, [COUNT])
        np.savez_compressed(path, **arrays)
        return run_step.Export(path)


@functools.cache
def run_by_tensorflow(precision: str) -> list[np.ndarray]:
    """The outputs of the StableHLO in the file, with the arguments and weights in the file."""
    step, count = exported(precision), COUNT
    outputs = step.outputs(count)
    given = [tf.constant(array) for array in (*step.arguments(count), *step.weights(count))]
    results: Any = xla.call_module(
        given, version=9, module=step.module(count).encode(), platforms=["CPU"],
        Sout=[array.shape for array in outputs], Tout=[tf.as_dtype(array.dtype) for array in outputs],
    )  # fmt: skip
    return [result.numpy() for result in results]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_exported_step_is_the_engines(precision: str) -> None:
    step, found = exported(precision), run_by_tensorflow(precision)
    start = step.arguments(COUNT)[0]
    engine, exact = step.outputs(COUNT), step.outputs(COUNT, exact=True)
    near = run_step.distances(found, engine, start)
    if precision == "bfloat16":
        # It rounds in other places than the engine, and the first step of Adam is nearly the gradient's sign: both are
        # about as far from the exact step.
        ours, theirs = (run_step.distances(each, exact, start) for each in (found, engine))
        assert run_step.agrees(ours, theirs), (ours, theirs)
        del near["step"]
    assert max(near.values()) < (1e-4 if precision == "float32" else 0.1), near
    assert np.abs(found[0] - start).max() > 1e-3  # it is a step


def test_a_batch_repeats_the_filters_with_their_own_results() -> None:
    start, found = exported("float32").arguments(COUNT)[0], run_by_tensorflow("float32")
    np.testing.assert_array_equal(start[0], start[2])
    assert not np.array_equal(start[0], start[1])
    network = small_c3d()
    arguments: Any = [start[1:2], *first_arguments(network, SPEC, "float32", FILTERS[1:])[1:]]
    alone, _, log = steps_of(network, SPEC, "float32", 1).step(*arguments)
    np.testing.assert_allclose(found[0][1], alone[0], atol=1e-4)
    np.testing.assert_allclose(found[-1][:, 1], log[:, 0], rtol=1e-4)


def test_another_step_is_told_apart() -> None:
    step = exported("float32")
    start, exact = step.arguments(COUNT)[0], step.outputs(COUNT, exact=True)
    assert max(run_step.distances(exact, exact, start).values()) == 0
    others = [np.roll(array, 1, axis=1 if array.ndim == 2 else 0) for array in exact]  # each filter's of another one
    assert min(run_step.distances(others, exact, start).values()) > run_step.ROUNDING


def test_limits_of_a_card() -> None:
    row = {"operations": 2e9, "bytes_by_xla": 1e8, "steps_per_second": 50.0}
    found = run_step.limits(row, run_step.Card(operations=1e12, bandwidth=1e10))
    assert found == {"limit_by_operations": 500.0, "limit_by_bandwidth": 100.0, "share_of_operations": 0.1}
    assert run_step.limits(row, None) == {}
