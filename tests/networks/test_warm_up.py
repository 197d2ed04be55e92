"""Warming up runs every kind of operation of a search step."""

from typing import Any

import pytest
import tensorflow as tf

import c3dvis
from c3dvis.errors import InvalidSpec
from c3dvis.networks.compute import device, warm_up
from tests.maximize.small_c3d import PRECISIONS

PLUMBING = {"Const", "Identity", "NoOp", "Pad", "Placeholder"}
"""Kinds that move or name numbers and have no code to be generated."""


def kinds(function: Any, *arguments: tf.TensorSpec) -> set[tuple[str, str]]:
    """(operation, type of its first output) in the graph of a function."""
    operations = tf.function(function, autograph=False).get_concrete_function(*arguments).graph.get_operations()
    return {(op.type, op.outputs[0].dtype.name) for op in operations if op.outputs and op.type not in PLUMBING}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_kind_of_operation_of_a_pass_has_been_used(weights, precision):
    network = c3dvis.load_network("i3d-kinetics400")

    def forward_and_backward(clips: tf.Tensor) -> Any:
        response = network.forward(clips, "Mixed_4b")
        return response.backward(None, response.after)

    pass_of_network = kinds(forward_and_backward, tf.TensorSpec((1, 8, 32, 32, 3), precision))
    assert len(pass_of_network) > 8
    numbers, count = tf.TensorSpec((32, 32)), tf.TensorSpec((), tf.int32)
    assert pass_of_network <= kinds(warm_up.every_kind(precision).python_function, numbers, count)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_starting_is_a_step_on_a_few_numbers(precision):
    numbers = tf.ones((32, 32))
    moved, objective = warm_up.every_kind(precision)(numbers, tf.constant(0))
    assert moved.shape == numbers.shape
    assert bool(tf.reduce_all(tf.math.is_finite(moved)))
    assert bool(tf.math.is_finite(objective[0]))


BFLOAT16 = {"avx512f", "avx512_bf16"}


@pytest.mark.parametrize(
    ("flags", "limit", "expected"),
    [
        (BFLOAT16, "", "bfloat16"),
        (BFLOAT16 | {"amx_bf16"}, "AVX512_CORE_AMX", "bfloat16"),
        (BFLOAT16, "AVX512_CORE_BF16", "bfloat16"),
        (BFLOAT16, "AVX512_CORE", "float32"),  # oneDNN would emulate bfloat16
        (BFLOAT16, "avx2", "float32"),
        ({"avx2"}, "", "float32"),
    ],
)
def test_the_precision_is_one_that_the_processor_multiplies_in(monkeypatch, flags, limit, expected):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(device, "_cpu_flags", lambda: frozenset(flags))
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert device.resolve_precision("auto") == expected


def test_bfloat16_is_refused_where_tensorflow_would_abort(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(device, "_cpu_flags", lambda: frozenset(BFLOAT16))
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    with pytest.raises(InvalidSpec, match="limits oneDNN to AVX2, which has no bfloat16"):
        device.resolve_precision("bfloat16")
    assert device.resolve_precision("float32") == "float32"
    monkeypatch.setattr(device, "_cpu_flags", lambda: frozenset({"avx2"}))  # there TensorFlow has kernels of its own
    assert device.resolve_precision("bfloat16") == "bfloat16"
