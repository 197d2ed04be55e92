"""`Node`: one node of an ONNX graph with its inputs' values, as the translations read it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from c3dvis.networks.importers.from_onnx.builder import Builder
from c3dvis.networks.importers.from_onnx.view import View

Value = View | np.ndarray
"""What a name stands for: an output of an operation, or a constant."""


class NotTranslated(Exception):
    """A node, or a setting of it, that has no operation here; the text says which."""


@dataclass(frozen=True)
class Node:
    """One node.

    Attributes:
        proto: as stored.
        name: of its operation.
        inputs: their values, None for one that is left out.
        opset: version of the operators.
        build: adds operations.
    """

    proto: onnx.NodeProto
    name: str
    inputs: tuple[Value | None, ...]
    opset: int
    build: Builder

    @property
    def kind(self) -> str:
        return self.proto.op_type

    def value(self, index: int) -> Value | None:
        return self.inputs[index] if index < len(self.inputs) else None

    def view(self, index: int = 0) -> View:
        """An input that an operation computes.

        Raises:
            NotTranslated: it is a constant, or left out.
        """
        value = self.value(index)
        if not isinstance(value, View):
            raise NotTranslated(f"its input {index} is a constant, where the clip's values are expected")
        return value

    def constant(self, index: int) -> np.ndarray | None:
        """A constant input, None where it is left out.

        Raises:
            NotTranslated: it depends on the clip.
        """
        value = self.value(index)
        if isinstance(value, View):
            raise NotTranslated(f"its input {index} depends on the clip")
        return value

    def weights(self, index: int) -> np.ndarray:
        """A constant input of numbers, as float32.

        Raises:
            NotTranslated: it depends on the clip, is left out, or has no finite numbers.
        """
        array = self.constant(index)
        if array is None:
            raise NotTranslated(f"its input {index} is missing")
        array = np.asarray(array, np.float32)
        if not np.isfinite(array).all():
            raise NotTranslated(f"its input {index} has values that are not finite")
        return array

    def attribute(self, name: str, default: Any = None) -> Any:
        """A setting as a number, a text or a list of numbers."""
        for each in self.proto.attribute:
            if each.name == name:
                value = onnx.helper.get_attribute_value(each)
                if isinstance(value, bytes):
                    return value.decode("utf-8", "replace")
                return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
        return default

    def setting(self, name: str, index: int, default: Any = None) -> Any:
        """A setting that is an input in newer versions of ONNX and an attribute in older ones, as a list or number."""
        array = self.constant(index)
        return self.attribute(name, default) if array is None else array.tolist()

    def axis(self, number: int, rank: int) -> int:
        """An axis counted from the front.

        Raises:
            NotTranslated: there is none.
        """
        if not -rank <= number < rank:
            raise NotTranslated(f"it has no axis {number}")
        return int(number) % rank
