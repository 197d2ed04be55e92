"""The state of one visitor's Compare page: the pinned specs, or a sweep that is shown in their place."""

from dataclasses import dataclass

from c3dvis.errors import InvalidSpec
from c3dvis.spec import RenderSpec
from c3dvis.ui.shared import navigation, pins
from c3dvis.ui.shared.navigation import PageState, Query
from c3dvis.ui.shared.sweep import Sweep, parse_values


@dataclass
class Comparison(PageState):
    """The state of one visitor's page. The pins are in `shared/pins.py`, since every page keeps them.

    Attributes:
        sweep: what is shown in place of the pins; None shows the pins.
        typed_values: what was entered as the values of the sweep and could not be used; `error` says why.
        removed: the pins that were removed last, which can be put back.
    """

    sweep: Sweep | None = None
    typed_values: str | None = None
    removed: tuple[RenderSpec, ...] = ()

    def load(self, query: Query) -> None:
        """Take the state from an address."""
        values = navigation.last_values(query)
        specs, _ = pins.read(query)
        self.sweep, self.link_problems = Sweep.of_query(values, specs[0] if specs else None)
        self.typed_values = None
        if self.sweep and "typed" in values:
            self.set_values(values["typed"][:200])

    def query(self) -> dict[str, str]:
        """The query of the address, without the pins, which are in the address of every page."""
        typed = {} if self.typed_values is None else {"typed": self.typed_values}
        return self.sweep.query() | typed if self.sweep else {}

    def specs(self) -> list[RenderSpec]:
        """The specs to show side by side."""
        return self.sweep.specs() if self.sweep else pins.pinned()

    def start_sweep(self, name: str) -> None:
        """Sweep a field of the spec that is swept now, else of the first pin; where the engine fixes it, set `error`.

        Args:
            name: a field of `SWEEP_VALUES`; empty to show the pins.
        """
        spec = self.sweep.spec if self.sweep else pins.pinned()[0]
        self.typed_values = self.error = None
        if not name and not pins.pinned():
            pins.pin(spec)  # else the page would be empty
        try:
            self.sweep = Sweep.usual(spec, name) if name else None
        except InvalidSpec as error:
            self.error = error.message

    def set_values(self, text: str) -> None:
        """Sweep other values, read from text; text that cannot be used is kept in `typed_values`."""
        assert self.sweep
        self.typed_values = self.error = None
        try:
            self.sweep = Sweep(self.sweep.spec, self.sweep.name, parse_values(self.sweep.spec, self.sweep.name, text))
        except InvalidSpec as error:
            self.typed_values, self.error = text, error.message

    def unpin(self, specs: list[RenderSpec]) -> None:
        """Remove pins, as far as they are not removed yet."""
        kept = [spec for spec in pins.pinned() if spec not in specs]
        if len(kept) < len(pins.pinned()):
            self.removed, self.error = tuple(pins.pinned()), None
            pins.replace(kept)

    def put_back(self) -> None:
        """Undo the last `unpin`."""
        kept = [spec for spec in pins.pinned() if spec not in self.removed]
        pins.replace([*self.removed, *kept][: pins.MAX_PINS])
        self.removed = ()
