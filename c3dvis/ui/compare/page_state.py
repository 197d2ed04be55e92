"""What one visitor compares, and the address that says so: pinned specs, or one with a setting in several values.

In the address each spec is one `spec` parameter that holds an address of its own.
"""

import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import streamlit as st

from c3dvis.errors import InvalidSpec
from c3dvis.networks import fit
from c3dvis.spec import FIELDS, RenderSpec
from c3dvis.spec.text import query_text
from c3dvis.ui.shared import navigation
from c3dvis.ui.shared.navigation import Place

MOST = 6
"""Specs beside each other."""

SWEEPS: dict[str, tuple[float, ...]] = {
    "tv_space_weight": (0, 3, 10, 30, 100),
    "tv_time_weight": (0, 7, 20, 60, 200),
    "lp_weight": (0, 1, 3, 10, 30),
    "activation_weight": (0.1, 0.3, 1, 3, 10),
    "jitter_pixels": (0, 2, 4, 8, 16),
    "iterations": (16, 32, 64, 128, 256),
    "seed": (0, 1, 2, 3, 4),
}
"""Settings that can be swept, with the values offered."""


@dataclass
class CompareView:
    """One visitor's comparison.

    Attributes:
        pinned: at most `MOST` specs; of a sweep, the first is what is swept.
        sweep: the setting of a sweep, of `SWEEPS`, or None.
        values: of the sweep.
        problems: what an opened link lost, one sentence each.
        failed: why the last wish could not be granted.
        chosen: what was pressed, and is to be opened on Explore.
        visitor: who looks, so that one visitor's Stop does not take a render away from another.
    """

    pinned: list[RenderSpec] = field(default_factory=list)
    sweep: str | None = None
    values: tuple[float, ...] = ()
    problems: list[str] = field(default_factory=list)
    failed: str | None = None
    chosen: RenderSpec | None = None
    visitor: str = field(default_factory=lambda: secrets.token_hex(8))
    place: Place = field(default_factory=Place)

    def specs(self) -> list[RenderSpec]:
        """What stands side by side."""
        if self.sweep is None or not self.pinned:
            return self.pinned
        return [swept(self.pinned[0], self.sweep, value) for value in self.values]

    def query(self) -> dict[str, str | list[str]]:
        """The address."""
        if not self.pinned:
            return {}
        if self.sweep is None:
            return {"spec": [query_text(spec) for spec in self.pinned]}
        values = ",".join(f"{value:g}" for value in self.values)
        return {"spec": [query_text(self.pinned[0])], "sweep": self.sweep, "values": values}

    def pin(self, spec: RenderSpec) -> bool:
        """Put a spec beside the others; returns whether there was room. A sweep ends with it."""
        self.sweep, self.failed = None, None
        if spec not in self.pinned:
            if len(self.pinned) == MOST:
                return False
            self.pinned.append(spec)
        return True

    def drop(self, index: int) -> None:
        """Take one away."""
        del self.pinned[index : index + 1]
        self.failed = None

    def clear(self) -> None:
        """Take all away."""
        self.pinned.clear()
        self.sweep, self.failed = None, None

    def start_sweep(self, name: str, spec: RenderSpec | None = None) -> None:
        """Sweep a setting of the first pinned spec, or of the one given; an empty name ends the sweep.

        Where the spec's engine fixes that setting, it is said, and nothing is swept.
        """
        if spec is not None:
            self.pinned = [spec]
        self.sweep, self.failed = None, None
        if not name:
            return
        own = float(getattr(self.pinned[0], name))
        values = tuple(own + step for step in range(5)) if name == "seed" else SWEEPS[name]
        try:
            for value in values:
                swept(self.pinned[0], name, value)
        except InvalidSpec as error:
            self.failed = str(error)
        else:
            self.sweep, self.values = name, values

    def set_values(self, text: str) -> None:
        """Sweep over other values, as typed; what cannot be used is said and changes nothing."""
        try:
            self.values = read_values(self.pinned[0], self.sweep or "", text)
            self.failed = None
        except InvalidSpec as error:
            self.failed = str(error)


def swept(spec: RenderSpec, name: str, value: float) -> RenderSpec:
    """A spec with one setting changed; keras-vis has one weight for total variation in space and time.

    Raises:
        InvalidSpec: its engine fixes that setting, or the value is out of range.
    """
    number = int(value) if FIELDS[name].kind == "int" and value == int(value) else value
    both = ("tv_space_weight", "tv_time_weight")
    if spec.engine == "keras-vis" and name in both:
        return spec.replace(**dict.fromkeys(both, number))
    return spec.replace(**{name: number})


def read_values(spec: RenderSpec, name: str, text: str) -> tuple[float, ...]:
    """The values of a sweep: two to six numbers that the setting can have.

    Raises:
        InvalidSpec: they are not.
    """
    try:
        values = tuple(dict.fromkeys(float(part) for part in text.split(",")))
    except ValueError:
        values = ()
    if not 2 <= len(values) <= MOST or name not in SWEEPS:
        raise InvalidSpec(
            f"A sweep of {name or 'nothing'} cannot be made: expected 2 to {MOST} different numbers, separated by "
            f"commas, for one of {', '.join(SWEEPS)}; received {text[:60]!r}."
        )
    for value in values:
        swept(spec, name, value)
    return values


def stored() -> CompareView:
    """This session's comparison as it stands, for the page that pins to it."""
    view: CompareView | None = st.session_state.get("compare")
    if view is None:
        view = st.session_state["compare"] = CompareView()
    return view


def current() -> CompareView:
    """This session's comparison: read from the address when a link was opened."""
    view = stored()
    query = navigation.opened("Compare", view.place)
    if not query:  # a bare address takes nothing away
        return view
    pinned: list[RenderSpec] = []
    problems: list[str] = []
    texts = query.get("spec", [])
    for text in texts[:MOST]:
        spec, lost = fit.read_link(dict(parse_qsl(text)))
        problems += lost
        if spec in pinned:
            problems.append(f"The link names {spec.title} twice, with equal settings; it stands here once.")
        else:
            pinned.append(spec)
    if len(texts) > MOST:
        problems.append(f"The link names {len(texts)} specs; {MOST} fit beside each other, and the rest was dropped.")
    view = CompareView(pinned=pinned, problems=problems, place=Place(navigation.current_query()))
    others = navigation.single(query)
    name = others.get("sweep")
    if name and pinned:
        try:
            view.values = read_values(pinned[0], name, others.get("values", ""))
            view.sweep = name
        except InvalidSpec as error:
            problems.append(f"The link's sweep was dropped. {error}")
    st.session_state["compare"] = view
    return view
