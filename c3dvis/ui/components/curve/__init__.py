"""The curve: one value, such as the activation, over the optimiser's steps."""

from collections.abc import Sequence

from c3dvis.ui.components.mount import mount

_MAX_POINTS = 240  # more points than this cannot be told apart at the size of the drawing


def step_curve(points: Sequence[tuple[int, float]], steps: int, label: str, *, key: str) -> None:
    """Draw a curve through the points; nothing for fewer than two.

    Args:
        points: (step, value) pairs, in the order of the steps.
        steps: length of the horizontal axis, in steps.
        label: heading of the drawing.
        key: Streamlit key.
    """
    if len(points) < 2:
        return
    if len(points) > _MAX_POINTS:
        points = [points[i * (len(points) - 1) // (_MAX_POINTS - 1)] for i in range(_MAX_POINTS)]
    mount("curve", {"points": points, "steps": steps, "label": label}, key=key)
