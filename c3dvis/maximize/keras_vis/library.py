"""keras-vis 0.4.1 from PyPI, unmodified, made importable beside Keras 3.

keras-vis was written in 2017 for Keras 2 and for Python 2 and 3.6. This module imports it once. During the import it
replaces, in `sys.modules` and `collections`,

- `keras` by tf_keras, the maintained Keras 2, with two functions of its backend adapted (`_function`,
  `_learning_phase`) and the private names of layers that keras-vis looks up,
- `scipy.misc.imresize`, `scipy.ndimage.interpolation` and `collections.Iterable`, which current releases no longer
  have, by substitutes. The functions of keras-vis that c3dvis calls use only the last of the three.

It restores both right after the import, so that the rest of the process keeps Keras 3. This module does not depend on
specs or networks.
"""

import collections
import collections.abc
import gc
import importlib
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import scipy.ndimage
import tensorflow as tf
import tf_keras

_lock = threading.Lock()


@dataclass(frozen=True)
class KerasVis:
    """The functions of the library that c3dvis calls.

    Attributes:
        visualize_activation: `vis.visualization.visualize_activation`.
        deprocess_input, find_layer_idx, random_array: of `vis.utils.utils`.
    """

    visualize_activation: Callable[..., np.ndarray]
    deprocess_input: Callable[..., np.ndarray]
    find_layer_idx: Callable[..., int]
    random_array: Callable[..., np.ndarray]


def load() -> KerasVis:
    """The library, imported at the first call."""
    with _lock:
        return _import()


@contextmanager
def session() -> Iterator[None]:
    """A TensorFlow 1 graph and session for keras-vis and its tf_keras model. Both are closed with the block.

    Only the calling thread uses them. Code that needs eager TensorFlow meanwhile runs under `eagerly()`.
    """
    config = tf.compat.v1.ConfigProto(allow_soft_placement=True)
    config.MergeFrom(tf.__internal__.eager_context.get_config())  # threads and memory as in the rest of the process
    try:
        with tf.Graph().as_default(), tf.compat.v1.Session(config=config):
            yield
    finally:
        gc.collect()  # a graph and its operations refer to each other, and would accumulate from render to render


def eagerly() -> Any:
    """Context in which the calling thread leaves a `session()`."""
    return tf.__internal__.eager_context.eager_mode()


@cache
def _import() -> KerasVis:
    # modules that need no stand-in are imported first, so that the mapping below holds only briefly
    for name in ("matplotlib.cm", "matplotlib.font_manager", "skimage.io", "skimage.transform"):
        importlib.import_module(name)
    with _mapped(_modules()), warnings.catch_warnings():
        # "\i" in a docstring; a SyntaxWarning from Python 3.12 on
        warnings.filterwarnings("ignore", "invalid escape sequence", DeprecationWarning)
        warnings.filterwarnings("ignore", "invalid escape sequence", SyntaxWarning)
        visualization = importlib.import_module("vis.visualization")
        utils = importlib.import_module("vis.utils.utils")
    return KerasVis(visualization.visualize_activation, utils.deprocess_input, utils.find_layer_idx, utils.random_array)


@contextmanager
def _mapped(modules: dict[str, ModuleType]) -> Iterator[None]:
    """Puts modules into `sys.modules` under these names, and restores what was there afterwards."""
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    collections.Iterable = collections.abc.Iterable  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del collections.Iterable  # type: ignore[attr-defined]
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def _modules() -> dict[str, ModuleType]:
    layers = tf_keras.layers
    backend = _module("keras.backend", **vars(tf_keras.backend))
    backend.function, backend.learning_phase = _function, _learning_phase  # type: ignore[attr-defined]
    keras = _module("keras", backend=backend, layers=layers, models=tf_keras.models)
    return {
        "keras": keras,
        "keras.backend": backend,
        "keras.models": tf_keras.models,
        "keras.layers": layers,
        "keras.layers.convolutional": _module("keras.layers.convolutional", _Conv=layers.Conv3D.__base__),
        "keras.layers.pooling": _module(
            "keras.layers.pooling",
            _Pooling1D=layers.MaxPooling1D.__base__,
            _Pooling2D=layers.MaxPooling2D.__base__,
            _Pooling3D=layers.MaxPooling3D.__base__,
        ),
        "scipy.misc": _module("scipy.misc", imresize=None),
        "scipy.ndimage.interpolation": _module("scipy.ndimage.interpolation", shift=scipy.ndimage.shift),
    }


def _module(name: str, **contents: Any) -> ModuleType:
    module = ModuleType(name)
    vars(module).update({key: value for key, value in contents.items() if not key.startswith("__")})
    return module


def _learning_phase() -> int:
    """0 is inference. The models are built for it, so that there is no placeholder to feed."""
    return 0


def _function(inputs: Sequence[Any], outputs: Sequence[Any]) -> Callable[[Sequence[Any]], list[Any]]:
    """`K.function`. keras-vis also feeds the learning phase, and fetches a tensor that it feeds."""
    fed = [tf.is_tensor(tensor) for tensor in inputs]
    # a session cannot fetch a tensor that is fed; it can fetch a copy
    run = tf_keras.backend.function(
        [tensor for tensor, is_fed in zip(inputs, fed, strict=True) if is_fed], [tf.identity(o) for o in outputs]
    )
    return lambda values: run([value for value, is_fed in zip(values, fed, strict=True) if is_fed])
