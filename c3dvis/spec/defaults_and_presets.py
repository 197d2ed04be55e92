"""Default values of the spec's fields for each engine, and the presets that set several fields at once."""

from typing import Any

NETWORK_SIZES: dict[str, tuple[int, int, int]] = {"i3d-kinetics400": (16, 112, 112), "c3d-sports1m": (16, 112, 112)}
"""Frames, height and width of the clips of the networks that come with the program."""

ENGINE_DEFAULTS: dict[str, dict[str, Any]] = {
    "fast": {
        "iterations": 144,
        "activation_weight": 1.0,
        "selectivity_weight": 0.2,
        "lp_weight": 0.0,
        "lp_p": 6.0,
        "tv_space_weight": 0.0,
        "tv_time_weight": 0.0,
        "tv_beta": 1.5,
        "contrast": 44.0,
        "jitter_pixels": 5,
        "jitter_frames": 1,
        "parametrization": "moving",
        "learning_rate": 0.12,
        "precision": "auto",
    },
    # vis.visualization.visualize_activation's own defaults, and what its RMSProp and noise seed fix
    "keras-vis": {
        "iterations": 200,
        "activation_weight": 1.0,
        "selectivity_weight": 0.0,
        "lp_weight": 10.0,
        "lp_p": 6.0,
        "tv_space_weight": 10.0,
        "tv_time_weight": 10.0,
        "tv_beta": 2.0,
        "contrast": 0.0,
        "jitter_pixels": 0,
        "jitter_frames": 0,
        "parametrization": "pixel",
        "learning_rate": 1.0,
        "precision": "float32",
    },
}

PRESETS: dict[str, dict[str, Any]] = {
    "clear": {"engine": "fast", **ENGINE_DEFAULTS["fast"]},
    "texture": {"engine": "fast", **ENGINE_DEFAULTS["fast"], "parametrization": "texture"},
    "natural": {"engine": "fast", **ENGINE_DEFAULTS["fast"], "parametrization": "natural", "contrast": 55.0},
    "strongest": {"engine": "fast", **ENGINE_DEFAULTS["fast"], "selectivity_weight": 0.0},
    "keras-vis": {"engine": "keras-vis", **ENGINE_DEFAULTS["keras-vis"]},
    "raw": {
        "engine": "fast",
        **ENGINE_DEFAULTS["fast"],
        "selectivity_weight": 0.0,
        "tv_space_weight": 0.0,
        "tv_time_weight": 0.0,
        "contrast": 0.0,
        "jitter_pixels": 0,
        "jitter_frames": 0,
    },
}
"""Settings of every engine field, by the name the page gives them."""

MOTION_PRESETS: dict[str, dict[str, float]] = {
    "still": {"tv_time_weight": 600.0},
    "slow": {"tv_time_weight": 20.0},
    "free": {"tv_time_weight": 0.0},
}
"""The weight of temporal variation for each amount of movement that a user can choose."""
