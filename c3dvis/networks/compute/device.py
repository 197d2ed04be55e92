"""The device that renders: TensorFlow's configuration, and the precision that the device computes fastest."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.python.framework import config as tf_config

from c3dvis.errors import InvalidSpec

# Limits that ONEDNN_MAX_CPU_ISA may set, of those that matter here. Below AVX512 oneDNN has no bfloat16 kernels; below
# AVX512-BF16 it emulates them in float32, which is slower than float32 itself.
_ONEDNN_WITHOUT_BFLOAT16 = {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2"}
_ONEDNN_EMULATES_BFLOAT16 = {"AVX512_CORE", "AVX512_CORE_VNNI"}


_META_OPTIMIZER = "disable_meta_optimizer"

_entering = threading.Lock()
_inside = 0  # threads within `deterministic`
_before = (False, False)  # determinism and meta optimiser off, before the first of them


@cache
def configure() -> None:
    """Configure TensorFlow as `deterministic` does, for good: in processes that render and do nothing else."""
    _set(True, not grows_memory())


@contextmanager
def deterministic() -> Iterator[None]:
    """While it lasts TensorFlow's operations are deterministic; also a decorator.

    Afterwards TensorFlow is configured as it was: the process may be a notebook that trains a model, and training with
    deterministic operations raises errors where a seed is missing.
    """
    global _inside, _before
    has_gpu = grows_memory()
    with _entering:
        if not _inside:
            options = tf.config.optimizer.get_experimental_options()
            _before = tf_config.is_op_determinism_enabled(), bool(options.get(_META_OPTIMIZER))
        _inside += 1
        _set(True, not has_gpu)
    try:
        yield
    finally:
        with _entering:
            _inside -= 1
            _set(*((True, not has_gpu) if _inside else _before))


def _set(is_deterministic: bool, has_no_meta_optimizer: bool) -> None:
    (tf_config.enable_op_determinism if is_deterministic else tf_config.disable_op_determinism)()
    # on a CPU the graph optimiser takes 0.1 s per graph and does not make a step faster
    tf.config.optimizer.set_experimental_options({_META_OPTIMIZER: has_no_meta_optimizer})


@cache
def grows_memory() -> bool:
    """Whether there is a GPU. It takes its memory on demand from now on, unless it is in use already."""
    gpus = tf.config.list_physical_devices("GPU")
    state: Any = context.context()
    running = state._initialized
    for gpu in gpus:
        if not running:  # afterwards TensorFlow refuses to change it
            tf.config.experimental.set_memory_growth(gpu, True)
    return bool(gpus)


@cache
def _cpu_flags() -> frozenset[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux: without this file, float32 is used
        return frozenset()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.split())


def _onednn_limit() -> str:
    """The instruction set that oneDNN is limited to by the environment, or an empty text."""
    return (os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or "").upper()


def computes_bfloat16() -> bool:
    """Whether TensorFlow can compute in bfloat16 in this process, fast or not.

    TensorFlow hands bfloat16 to oneDNN on every CPU with AVX512. Where the environment limits oneDNN to less, oneDNN
    has no such kernels, and TensorFlow aborts the process.
    """
    if tf.config.list_physical_devices("GPU"):
        return True
    return not ("avx512f" in _cpu_flags() and _onednn_limit() in _ONEDNN_WITHOUT_BFLOAT16)


def fast_precision() -> str:
    """`bfloat16` where the hardware supports it (AVX512-BF16, AMX, GPUs from Ampere on), else `float32`.

    A limit that `ONEDNN_MAX_CPU_ISA` sets counts as the processor's own.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        capability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0))
        return "bfloat16" if capability >= (8, 0) else "float32"
    limited = _onednn_limit() in _ONEDNN_WITHOUT_BFLOAT16 | _ONEDNN_EMULATES_BFLOAT16
    return "bfloat16" if _cpu_flags() & {"amx_bf16", "avx512_bf16"} and not limited else "float32"


def resolve_precision(precision: str) -> str:
    """The precision that a spec's `precision` stands for on this device.

    Raises:
        InvalidSpec: this process cannot compute in it.
    """
    if precision == "bfloat16" and not computes_bfloat16():
        raise InvalidSpec(
            f"precision bfloat16 cannot be used here: the environment limits oneDNN to {_onednn_limit()}, which has no "
            "bfloat16. Expected precision auto or float32, or ONEDNN_MAX_CPU_ISA unset."
        )
    return fast_precision() if precision == "auto" else precision


def describe_device(precision: str = "auto") -> dict[str, Any]:
    """The device that renders in this process, and the precision it uses for a spec's `precision`.

    Returns:
        `device`: one line for people; `kind`: `GPU` or `CPU`; `count`; `threads`; `precision`; `tensorflow`: its
        version.
    """
    gpus = tf.config.list_physical_devices("GPU")
    precision = resolve_precision(precision)
    # macOS and Windows do not report which cores a process may use
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = tf.config.threading.get_intra_op_parallelism_threads() or cores
    if gpus:
        name = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")
        line = f"{name}, {precision}"
    else:
        unit = " (AMX)" if precision == "bfloat16" and "amx_bf16" in _cpu_flags() else ""
        line = f"CPU, {threads} threads, {precision}{unit}"
    return {
        "device": line,
        "kind": "GPU" if gpus else "CPU",
        "count": max(1, len(gpus)),
        "threads": threads,
        "precision": precision,
        "tensorflow": tf.__version__,
    }
