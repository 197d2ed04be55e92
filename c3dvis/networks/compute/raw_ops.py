"""Creates raw TensorFlow operations in the current graph.

`tf.raw_ops` creates the same operations but first examines every argument, which takes most of the time that tracing a
network takes. Here the caller names the operation's attributes.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import tensorflow as tf

Attribute = bool | int | str | tuple[int, ...] | tf.DType


def create_op(
    op_type: str, inputs: Sequence[tf.Tensor], dtype: tf.DType, count: int | None = None, **attributes: Attribute
) -> Any:
    """Output of a new operation.

    Args:
        op_type: type of the operation, as `tf.raw_ops` names it.
        inputs: its input tensors in order; list arguments are flattened.
        dtype: of its outputs, and its attribute `T`.
        count: number of outputs of an operation whose output is a list; the list is returned.
        attributes: the other attributes that have no default.
    """
    graph: Any = tf.compat.v1.get_default_graph()
    attrs = {name: _attribute(value) for name, value in {"T": dtype, **attributes}.items()}
    operation = graph.create_op(op_type, inputs, [dtype] * (count or 1), attrs=attrs)
    return operation.outputs if count else operation.outputs[0]


@lru_cache(maxsize=1024, typed=True)  # typed, since True == 1
def _attribute(value: Attribute) -> Any:
    attr_value: Any = tf.compat.v1.AttrValue
    if isinstance(value, tf.DType):
        return attr_value(type=value.as_datatype_enum)
    if isinstance(value, bool):
        return attr_value(b=value)
    if isinstance(value, int):
        return attr_value(i=value)
    if isinstance(value, str):
        return attr_value(s=value.encode())
    return attr_value(list=attr_value.ListValue(i=value))
