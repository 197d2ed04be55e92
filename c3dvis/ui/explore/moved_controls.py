"""The controls that were moved and not rendered yet, as a parameter of the address: a query of its own.

A reload shows them as they are, also where their values are not possible together.
"""

from typing import Any
from urllib.parse import parse_qsl, urlencode

from c3dvis.errors import InvalidSpec
from c3dvis.networks import nearest_spec, registry
from c3dvis.spec import FIELDS, RenderSpec, parse_field
from c3dvis.spec.values import checked, field_text, shortened
from c3dvis.ui.explore import spec_controls


def moved_controls(focus: RenderSpec) -> str:
    """The values in which the controls differ from a spec; empty if there are none."""
    values = spec_controls.loaded_values()
    return urlencode({name: field_text(name, values[name]) for name in FIELDS if values[name] != getattr(focus, name)})


def load_moved_controls(focus: RenderSpec, text: str) -> list[str]:
    """Set the controls to a spec, but for the values that `moved_controls` wrote.

    Returns:
        A sentence for each value that was dropped.
    """
    values: dict[str, Any] = {name: getattr(focus, name) for name in FIELDS}
    problems = []
    for name, part in parse_qsl(text, keep_blank_values=True):
        if name not in FIELDS:
            continue
        try:
            values[name] = _known(name, checked(name, parse_field(name, part)), values["network"])
        except InvalidSpec as error:
            if name == "filter" and not isinstance(focus.filter, int):
                values[name] = part[:200]  # what was typed as filters stays in its field, which says what is wrong
            else:
                problems.append(f"The link's {name}={shortened(part)} was dropped. {error}")
    layers = registry.describe(values["network"]).layers
    if values["layer"] not in layers:
        values["layer"] = nearest_spec.default_layer(registry.describe(values["network"]))
    valid, _ = nearest_spec.read_link({name: field_text(name, value) for name, value in values.items()})
    spec_controls.load_values(values, valid)
    return problems


def _known(name: str, value: Any, network: str) -> Any:
    """The value, if it is not the name of an unknown network or layer."""
    known = {"network": registry.names, "layer": lambda: registry.describe(network).layers}.get(name)
    if known and value not in known():
        raise InvalidSpec(f"There is no {name} of that name here.")
    return value
