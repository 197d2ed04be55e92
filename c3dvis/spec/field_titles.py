"""Titles of the spec's fields and values, as the pages and the texts about a spec show them."""

TARGETS = {"filter": "filter", "neuron": "neuron of filter", "class": "class", "layer": "whole layer"}
"""What an objective maximises, before the number of the filter or class; a layer has none."""

OBJECTIVES = {"filter": "the filter's mean", "neuron": "one neuron", "class": "a class", "layer": "the layer"}
"""Labels of the objectives where one is chosen."""

SLIDER_TITLES = {
    "activation_weight": "Activation",
    "selectivity_weight": "Selectivity",
    "lp_weight": "Lp norm",
    "tv_space_weight": "Spatial TV",
    "tv_time_weight": "Temporal TV",
    "contrast": "Contrast",
    "jitter_pixels": "Jitter in space",
    "jitter_frames": "Jitter in time",
}
"""Title of each field that the Explore page sets with a slider, in the order of the sliders."""


def field_title(name: str) -> str:
    """A field's title for use inside a sentence, such as `Temporal TV`, `steps` or `learning rate`."""
    return SLIDER_TITLES.get(name) or {"iterations": "steps"}.get(name, name.replace("_", " "))
