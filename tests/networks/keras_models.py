"""Keras models with weights, saved in the forms that versions of Keras write."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np


def randomised(model: Any, seed: int = 0) -> Any:
    """With weights that are all different; variances stay above zero."""
    generator = np.random.default_rng(seed)
    values = [generator.normal(0, 0.4, weight.shape).astype(weight.dtype) for weight in model.get_weights()]
    model.set_weights([np.abs(v) + 0.5 if w.name.endswith(("variance", "variance:0")) else v
                       for v, w in zip(values, model.weights, strict=True)])  # fmt: skip
    for layer in model._flatten_layers():
        if hasattr(layer, "finalize_state"):  # a Normalization, which Keras finalises when it loads one
            layer.finalize_state()
    return model


def save(model: Any, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are saving your model as an HDF5 file")
        warnings.filterwarnings("ignore", "__array__ implementation")
        if path.name.endswith((".weights.h5", "-weights.h5")):
            model.save_weights(path)
        elif path.suffix == ".json":
            path.write_text(model.to_json())
        else:
            model.save(path)
    return path


FORMS = {
    "keras 3 .keras": ("keras", ["model.keras"]),
    "keras 3 .h5": ("keras", ["model.h5"]),
    "keras 3 json and weights": ("keras", ["model.json", "model.weights.h5"]),
    "keras 2 .h5": ("tf_keras", ["model.h5"]),
    "keras 2 json and weights": ("tf_keras", ["model.json", "old-weights.h5"]),
    "keras 2 .keras": ("tf_keras", ["model.keras"]),
}
