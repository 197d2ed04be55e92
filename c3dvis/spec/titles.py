"""Names of a spec's fields and values for people."""

TARGETS = {"filter": "filter", "neuron": "neuron of filter", "class": "class", "layer": "whole layer"}
"""What an objective maximises, before the number of the filter or class; a layer has none."""

OBJECTIVES = {"filter": "the filter's mean", "neuron": "one neuron", "class": "a class", "layer": "the layer"}
"""Labels of the objectives where one is chosen."""

TITLES = {
    "activation_weight": "Activation",
    "selectivity_weight": "Selectivity",
    "lp_weight": "Lp norm",
    "tv_space_weight": "Spatial TV",
    "tv_time_weight": "Temporal TV",
    "jitter_pixels": "Jitter in space",
    "jitter_frames": "Jitter in time",
}
"""Titles of the weights' sliders."""


def within_a_sentence(name: str) -> str:
    """A field's name as it stands in a sentence: `Temporal TV`, `steps`, `learning rate`."""
    return TITLES.get(name) or {"iterations": "steps"}.get(name, name.replace("_", " "))
