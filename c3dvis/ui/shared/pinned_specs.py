"""The comparison of one visitor: the pinned specs, or one spec with several values of one field.

The Explore page adds specs to the comparison; the Compare page shows it.
"""

from dataclasses import dataclass, field

import streamlit as st

from c3dvis.errors import InvalidSpec
from c3dvis.spec import FIELDS, RenderSpec
from c3dvis.spec.text import query_text
from c3dvis.ui.shared.navigation import PageState

MAX_SPECS = 6
"""Specs that fit side by side."""

SWEEP_VALUES: dict[str, tuple[float, ...]] = {
    "tv_space_weight": (0, 3, 10, 30, 100),
    "tv_time_weight": (0, 7, 20, 60, 200),
    "contrast": (0, 30, 44, 55, 70),
    "lp_weight": (0, 1, 3, 10, 30),
    "activation_weight": (0.1, 0.3, 1, 3, 10),
    "jitter_pixels": (0, 2, 4, 8, 16),
    "iterations": (16, 32, 64, 128, 256),
    "seed": (0, 1, 2, 3, 4),
}
"""Fields that can be swept, with the values that a sweep starts with."""


@dataclass
class Comparison(PageState):
    """The state of one visitor's Compare page.

    Attributes:
        pinned: at most `MAX_SPECS` specs. A sweep varies the first of them.
        swept_field: a field of `SWEEP_VALUES`; None if there is no sweep.
        swept_values: of that field.
        chosen_spec: the spec whose cell was pressed, to be opened on the Explore page.
    """

    pinned: list[RenderSpec] = field(default_factory=list)
    swept_field: str | None = None
    swept_values: tuple[float, ...] = ()
    chosen_spec: RenderSpec | None = None

    def specs(self) -> list[RenderSpec]:
        """The specs to show side by side."""
        if self.swept_field is None or not self.pinned:
            return self.pinned
        return [with_value(self.pinned[0], self.swept_field, value) for value in self.swept_values]

    def query(self) -> dict[str, str | list[str]]:
        """The query of the address. Each spec is one `spec` parameter, which holds a query of its own."""
        if not self.pinned:
            return {}
        if self.swept_field is None:
            return {"spec": [query_text(spec) for spec in self.pinned]}
        values = ",".join(f"{value:g}" for value in self.swept_values)
        return {"spec": [query_text(self.pinned[0])], "sweep": self.swept_field, "values": values}

    def pin(self, spec: RenderSpec) -> bool:
        """End a sweep and add a spec; returns False if `MAX_SPECS` others are pinned already."""
        self.swept_field, self.error = None, None
        if spec not in self.pinned:
            if len(self.pinned) == MAX_SPECS:
                return False
            self.pinned.append(spec)
        return True

    def unpin(self, index: int) -> None:
        """Remove one spec."""
        del self.pinned[index : index + 1]
        self.error = None

    def clear(self) -> None:
        """Remove all specs."""
        self.pinned.clear()
        self.swept_field, self.error = None, None

    def start_sweep(self, name: str, spec: RenderSpec | None = None) -> None:
        """Sweep a field; where the engine fixes that field, set `error` instead.

        Args:
            name: a field of `SWEEP_VALUES`; empty to end the sweep.
            spec: replaces the pinned specs; None to sweep the first of them.
        """
        if spec is not None:
            self.pinned = [spec]
        self.swept_field, self.error = None, None
        if not name:
            return
        first = float(getattr(self.pinned[0], name))
        values = tuple(first + step for step in range(5)) if name == "seed" else SWEEP_VALUES[name]
        try:
            for value in values:
                with_value(self.pinned[0], name, value)
        except InvalidSpec as error:
            self.error = str(error)
        else:
            self.swept_field, self.swept_values = name, values

    def set_values(self, text: str) -> None:
        """Sweep other values, read from text; text that cannot be used changes nothing but `error`."""
        try:
            self.swept_values = parse_values(self.pinned[0], self.swept_field or "", text)
            self.error = None
        except InvalidSpec as error:
            self.error = str(error)


def with_value(spec: RenderSpec, name: str, value: float) -> RenderSpec:
    """A copy of a spec with one swept field changed.

    The engine keras-vis has a single weight for total variation, so both of its fields change.

    Raises:
        InvalidSpec: the engine fixes that field, or the value is out of range.
    """
    number = int(value) if FIELDS[name].kind == "int" and value == int(value) else value
    tv_weights = ("tv_space_weight", "tv_time_weight")
    if spec.engine == "keras-vis" and name in tv_weights:
        return spec.replace(**dict.fromkeys(tv_weights, number))
    return spec.replace(**{name: number})


def parse_values(spec: RenderSpec, name: str, text: str) -> tuple[float, ...]:
    """The values of a sweep from text.

    Args:
        spec: whose field is swept.
        name: of the field.
        text: two to `MAX_SPECS` numbers, separated by commas.

    Raises:
        InvalidSpec: the text is something else, or the field cannot have one of the values.
    """
    try:
        values = tuple(dict.fromkeys(float(part) for part in text.split(",")))
    except ValueError:
        values = ()
    if not 2 <= len(values) <= MAX_SPECS or name not in SWEEP_VALUES:
        raise InvalidSpec(
            f"A sweep of {name or 'nothing'} is not possible: expected 2 to {MAX_SPECS} different numbers, separated "
            f"by commas, for one of {', '.join(SWEEP_VALUES)}; received {text[:60]!r}."
        )
    for value in values:
        with_value(spec, name, value)
    return values


def session_comparison() -> Comparison:
    """The comparison of this session, whether or not the Compare page was shown."""
    comparison: Comparison | None = st.session_state.get("comparison")
    if comparison is None:
        comparison = st.session_state["comparison"] = Comparison()
    return comparison
