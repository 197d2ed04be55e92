"""The curve of one number over the optimiser's steps."""

from collections.abc import Iterable

from c3dvis.ui.components.mount import mount

_MOST = 240  # points: more cannot be told apart at the size drawn


def step_curve(points: Iterable[tuple[int, float]], steps: int, label: str, *, key: str) -> None:
    """Draw (step, value) points over an axis of `steps` steps."""
    kept = list(points)
    kept = [kept[i * (len(kept) - 1) // (_MOST - 1)] for i in range(_MOST)] if len(kept) > _MOST else kept
    mount("curve", {"points": kept, "steps": steps, "label": label}, key=key)
