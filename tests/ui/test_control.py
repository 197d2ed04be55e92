"""What a control hears: values that it can have, and no others."""

import pytest

from c3dvis.ui.shared.control import _is_possible


@pytest.mark.parametrize(
    ("chosen", "value", "among", "possible"),
    [
        ("b", "a", ("a", "b"), True),
        ("c", "a", ("a", "b"), False),
        (b"b", "a", ("a", "b"), False),
        (["a"], "a", ("a", "b"), False),
        (None, "a", ("a", "b"), False),
        (None, "a", ("a", None), True),
        (1, 0, range(3), True),
        (True, 0, range(3), False),
        (2, 0.5, None, True),
        (float("nan"), 0.5, None, False),
        (float("inf"), 0.5, None, False),
        ("2", 0.5, None, False),
        (True, 2, None, False),
        (1, True, None, False),
        (False, True, None, True),
        ("x", "y", None, True),
        (1.0, "y", None, False),
    ],
)
def test_only_what_a_control_can_have_is_heard(chosen: object, value: object, among: object, possible: bool) -> None:
    assert _is_possible(chosen, value, among) is possible  # type: ignore[arg-type]
