"""The curve: one value, such as the activation, over the optimiser's steps."""

from collections.abc import Iterable

from c3dvis.ui.components.mount import mount

_MAX_POINTS = 240  # more points than this cannot be told apart at the size of the drawing


def step_curve(points: Iterable[tuple[int, float]], steps: int, label: str, *, key: str) -> None:
    """Draw a curve through the points.

    Args:
        points: (step, value) pairs, in the order of the steps.
        steps: length of the horizontal axis, in steps.
        label: heading of the drawing.
        key: Streamlit key.
    """
    drawn = list(points)
    if len(drawn) > _MAX_POINTS:
        drawn = [drawn[i * (len(drawn) - 1) // (_MAX_POINTS - 1)] for i in range(_MAX_POINTS)]
    mount("curve", {"points": drawn, "steps": steps, "label": label}, key=key)
