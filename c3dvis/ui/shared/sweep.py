"""A sweep: one spec with several values of one of its fields, side by side on the Compare page."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from c3dvis.errors import InvalidSpec
from c3dvis.networks import nearest_spec
from c3dvis.spec import FIELDS, RenderSpec
from c3dvis.spec.text import query_text
from c3dvis.ui.shared.pins import MAX_PINS

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


@dataclass(frozen=True)
class Sweep:
    """A sweep.

    Args:
        spec: the one that is varied.
        name: of the field, a key of `SWEEP_VALUES`.
        values: of that field, two to `MAX_PINS`.
    """

    spec: RenderSpec
    name: str
    values: tuple[float, ...]

    @classmethod
    def usual(cls, spec: RenderSpec, name: str) -> "Sweep":
        """The sweep of a field that is offered first.

        Raises:
            InvalidSpec: the engine fixes that field.
        """
        values = tuple(float(spec.seed + step) for step in range(5)) if name == "seed" else SWEEP_VALUES[name]
        if values[-1] > FIELDS[name].maximum:
            values = SWEEP_VALUES[name]
        for value in values:
            with_value(spec, name, value)
        return cls(spec, name, values)

    @classmethod
    def of_query(cls, query: Mapping[str, str], first_pin: RenderSpec | None) -> tuple["Sweep | None", list[str]]:
        """The sweep of an address, if it has one, and a sentence for each part that was dropped.

        Args:
            query: the last value of each parameter.
            first_pin: the spec that links of earlier versions vary.
        """
        name = query.get("sweep")
        if not name:
            return None, []
        spec, problems = first_pin or RenderSpec(), []
        if "of" in query:
            spec, problems = nearest_spec.read_link(dict(parse_qsl(query["of"])))
        try:
            return cls(spec, name, parse_values(spec, name, query.get("values", ""))), problems
        except InvalidSpec as error:
            return None, [*problems, f"The link's sweep was dropped. {error}"]

    def specs(self) -> list[RenderSpec]:
        """The spec of each value."""
        return [with_value(self.spec, self.name, value) for value in self.values]

    def values_text(self, separator: str = ",") -> str:
        """The values as they are entered."""
        return separator.join(f"{value:.10g}" for value in self.values)

    def query(self) -> dict[str, str]:
        """The parameters of an address; `of` is a query of its own."""
        return {"sweep": self.name, "values": self.values_text(), "of": query_text(self.spec)}


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
        text: two to `MAX_PINS` numbers, separated by commas.

    Raises:
        InvalidSpec: the text is something else, or the field cannot have one of the values.
    """
    try:
        values = tuple(dict.fromkeys(float(part) for part in text.split(",")))
    except ValueError:
        values = ()
    if not 2 <= len(values) <= MAX_PINS or name not in SWEEP_VALUES:
        raise InvalidSpec(
            f"A sweep of {name or 'nothing'} is not possible: expected 2 to {MAX_PINS} different numbers, separated "
            f"by commas, for one of {', '.join(SWEEP_VALUES)}; received {text[:60]!r}."
        )
    for value in values:
        with_value(spec, name, value)
    return values
