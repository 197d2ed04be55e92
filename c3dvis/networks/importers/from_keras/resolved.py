"""Calls of layers with the values that they read in place of references."""

from collections.abc import Callable, Mapping
from typing import Any

from c3dvis.networks.importers.from_keras.node import Call, Ref
from c3dvis.networks.importers.from_keras.value import Value


class Missing:
    """An output that depends on a layer that is not known."""


class Mask(Missing):
    """Which positions a Masking leaves out: Keras 3 writes how it finds them as layers of the model."""


MISSING, MASK = Missing(), Mask()
Output = Value | Missing
"""An output of a layer."""


class AllMissing(list[Output]):
    """The outputs of a layer that is not known, however many it has."""

    def __init__(self) -> None:
        super().__init__([MISSING])

    def __getitem__(self, index: Any) -> Any:
        return MISSING


def resolved(call: Call, value: Callable[[Ref], Output]) -> Call:
    """A call with values in place of references."""

    def resolve(argument: Any) -> Any:
        if isinstance(argument, Ref):
            return value(argument)
        if isinstance(argument, list | tuple):
            return [resolve(each) for each in argument]
        if isinstance(argument, Mapping):
            return {name: resolve(each) for name, each in argument.items()}
        return argument

    return Call([resolve(each) for each in call.arguments], {name: resolve(each) for name, each in call.named.items()})


def values_in(argument: Any) -> list[Output]:
    """The values among the arguments of a resolved call, in order."""
    if isinstance(argument, Value | Missing):
        return [argument]
    if isinstance(argument, Mapping):
        argument = list(argument.values())
    return [value for each in argument for value in values_in(each)] if isinstance(argument, list) else []


def settings_of(call: Call) -> list[str]:
    """The names of a resolved call's arguments that are no values and have an effect, such as `training`."""
    constants = {name: value for name, value in call.named.items() if not values_in(value)}
    return [name for name, value in constants.items() if name != "name" and value is not None and value is not False]
