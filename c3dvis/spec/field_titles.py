"""Titles of the spec's fields, as the pages and the texts about a spec show them."""

SLIDER_TITLES = {
    "activation_weight": "Activation",
    "selectivity_weight": "Selectivity",
    "lp_weight": "Lp norm",
    "tv_space_weight": "Spatial TV",
    "tv_time_weight": "Temporal TV",
    "jitter_pixels": "Jitter in space",
    "jitter_frames": "Jitter in time",
}
"""Title of each field that the Explore page sets with a slider, in the order of the sliders."""


def field_title(name: str) -> str:
    """A field's title for use inside a sentence, such as `Temporal TV`, `steps` or `learning rate`."""
    return SLIDER_TITLES.get(name) or {"iterations": "steps"}.get(name, name.replace("_", " "))
