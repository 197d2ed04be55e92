"""TensorFlow operations put into the graph under way as they are.

`tf.raw_ops` makes the same operations and looks at every argument first, which is most of the time that tracing a
network takes; here the caller names the operation's attributes.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import tensorflow as tf

Attribute = bool | int | str | tuple[int, ...] | tf.DType


def emit(
    kind: str, inputs: Sequence[tf.Tensor], dtype: tf.DType, count: int | None = None, **attributes: Attribute
) -> Any:
    """Output of a new operation.

    Args:
        kind: an operation of TensorFlow's runtime, as `tf.raw_ops` names them.
        inputs: its tensors in order, those of a list one after another.
        dtype: of its outputs, and its attribute `T`.
        count: how many outputs it has, where they are a list; that list is returned.
        attributes: the others that have no default.
    """
    graph: Any = tf.compat.v1.get_default_graph()
    described = {name: _attribute(value) for name, value in {"T": dtype, **attributes}.items()}
    operation = graph.create_op(kind, inputs, [dtype] * (count or 1), attrs=described)
    return operation.outputs if count else operation.outputs[0]


@lru_cache(maxsize=None, typed=True)  # typed, since True == 1 == tf.float32
def _attribute(value: Attribute) -> Any:
    made: Any = tf.compat.v1.AttrValue
    if isinstance(value, tf.DType):
        return made(type=value.as_datatype_enum)
    if isinstance(value, bool):
        return made(b=value)
    if isinstance(value, int):
        return made(i=value)
    if isinstance(value, str):
        return made(s=value.encode())
    return made(list=made.ListValue(i=value))
