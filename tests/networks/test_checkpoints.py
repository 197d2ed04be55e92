"""Checkpoints of PyTorch as people have them: beside arrays they hold settings, dates, and the state of a trainer."""

import argparse
import datetime as dt
import pickle
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.weights.weights_file import open_weights
from tests.networks import layouts
from tests.networks.layouts import SIZE, THIN, Arrays, random_weights


class Trainer:
    """Whatever class a program of its own keeps in a checkpoint; its module is not there when the file is read."""

    def __init__(self) -> None:
        self.callbacks = {"best": 0.5, "parts": {1, 2}}

    def __setstate__(self, state: Any) -> None:
        raise AssertionError("an object of a checkpoint was built")


class Moment(tuple):
    """An object that is made by a call."""

    def __reduce__(self) -> Any:
        return _called, (1, "two")


def _called(*arguments: Any) -> None:
    raise AssertionError("a function of a checkpoint was called")


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    return random_weights(THIN)


def _tree(state: Any, buffers: Any) -> dict[str, Any]:
    """A checkpoint with bookkeeping, as argparse, NumPy, Lightning and training loops leave it."""
    return {
        "args": argparse.Namespace(lr=0.1, name="c3d"),
        "best_acc": np.float64(0.5),
        "epochs": [np.int64(3), complex(1, 2), 10**30],
        "date": dt.datetime(2020, 1, 2, tzinfo=dt.UTC),
        "path": Path("runs"),
        "counts": defaultdict(int, {"a": 1}),
        "tags": {"a", "b"},
        "frozen": frozenset({1}),
        "trainer": Trainer(),
        "moment": Moment(),
        "hyper_parameters": OrderedDict(lr=0.1),
        "kind": np.dtype("float32"),
        "state_dict": state,
        "optimizer": {"state": {0: {"exp_avg": buffers}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
    }


@pytest.mark.parametrize("form", ["zip", "old"])
def test_arrays_are_taken_and_what_is_no_array_is_not_built(form: str, arrays: Arrays, tmp_path: Path) -> None:
    named = {f"model.{name}.weight": np.moveaxis(kernel, (4, 3), (0, 1)) if kernel.ndim == 5 else kernel.T
             for name, (kernel, _) in arrays.items()}  # fmt: skip
    named |= {f"model.{name}.bias": bias for name, (_, bias) in arrays.items()}
    state, storages = layouts.torch_state({**named, "momentum": np.ones(7, np.float64)})
    tree = _tree(state, state.pop("momentum"))
    write = layouts.torch_zip if form == "zip" else layouts.torch_old
    read = open_weights(write(tmp_path / "model.ckpt", tree, storages), THIN, SIZE)
    assert list(read) == list(arrays)
    for name in ("conv1", "conv5b"):
        np.testing.assert_array_equal(read[name][0], arrays[name][0])
        np.testing.assert_array_equal(read[name][1], arrays[name][1])


def test_a_whole_model_is_refused_with_the_way(tmp_path: Path) -> None:
    path = layouts.torch_zip(tmp_path / "model.pth", {"model": Trainer()}, [])
    with pytest.raises(WeightsDamaged, match=r"test_checkpoints\.Trainer.*; no code .* torch\.save\(model\.state_dict"):
        open_weights(path, THIN, SIZE)


def test_a_function_that_a_pickle_names_is_not_called(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    for tree in ({"conv1.weight": Evil()}, {Evil(): 1}, [Evil()]):
        with pytest.raises(WeightsDamaged, match="no code of it was run"):
            open_weights(layouts.torch_zip(tmp_path / "evil.pth", {}, [], pickle.dumps(tree, 2)), THIN, SIZE)
    assert not (tmp_path / "ran").exists()


def test_bfloat16_is_read_exactly(arrays: Arrays, tmp_path: Path) -> None:
    """safetensors of a network trained in bfloat16."""
    short = {
        name: tuple((np.ascontiguousarray(part).view(np.uint32) & 0xFFFF0000).view(np.float32) for part in pair)
        for name, pair in arrays.items()
    }
    path = layouts.safetensors(tmp_path, short)  # type: ignore[arg-type]
    assert b'"BF16"' in path.read_bytes()[:1000]
    read = open_weights(path, THIN, SIZE)
    for name, pair in short.items():
        np.testing.assert_array_equal(read[name][0], pair[0])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((b'"F32"', b'"Q31"'), "has the type 'Q31'"),
        ((b'"data_offsets": [0,', b'"data_offsets": [9,'), "bytes, and lies at 9"),
        ((b'{"__meta', b'{"_\xffmeta'), "is not a readable safetensors file"),
    ],
)
def test_damaged_safetensors_are_refused(
    change: tuple[bytes, bytes], said: str, arrays: Arrays, tmp_path: Path
) -> None:
    path = layouts.safetensors(tmp_path, arrays)
    path.write_bytes(path.read_bytes().replace(*change, 1))
    with pytest.raises(WeightsDamaged, match=said):
        open_weights(path, THIN, SIZE)
    whole = layouts.safetensors(tmp_path, arrays).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsDamaged, match="is not a readable safetensors file"):
        open_weights(path, THIN, SIZE)
