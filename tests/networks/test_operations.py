"""Every kind of operation: its canonical JSON form and its Keras layer, with that layer's shape and parameters."""

import importlib
import json
from dataclasses import MISSING, fields, replace
from typing import Any, Literal, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c3dvis.networks.compute.keras_layers import call, keras_layer
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.base_operation import (
    ACTIVATIONS,
    OPERATIONS,
    Activation,
    Counts,
    Margins,
    Operation,
    Triple,
)
from c3dvis.networks.graph.operations import (
    Constant,
    Conv,
    Dense,
    Join,
    Pad,
    PRelu,
    Rearrange,
    Reduce,
    ReshapeToVolume,
    Scale,
)

sizes = st.integers(1, 9)
numbers = st.floats(-1, 1)
names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=9)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    str: names,
    tuple[str, ...]: st.lists(names, min_size=1, max_size=3).map(tuple),
    int: sizes,
    Triple: st.tuples(sizes, sizes, sizes),
    Margins: st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 3),
    Counts: st.tuples(*[st.integers(0, 3)] * 3),
    tuple[int, ...]: st.lists(st.integers(0, 9), min_size=1, max_size=4).map(tuple),
    bool: st.booleans(),
    float: numbers,
    Activation | None: st.none() | st.builds(
        Activation, st.sampled_from(ACTIVATIONS), numbers, numbers, st.none() | numbers, st.none() | numbers
    ),
}  # fmt: skip
"""Values of every type that a field of an operation has, but for those in `CHECKED`."""

rearrangements = st.permutations(range(5)).map(
    lambda order: {"splits": ((0,), (2, 0), (0,), (0,)), "joins": ((order[0],), (), tuple(order[1:4]), (order[4],))}
)
CHECKED: dict[type[Operation], st.SearchStrategy[dict[str, Any]]] = {
    Reduce: st.fixed_dictionaries({"axes": st.sampled_from(["t", "hw", "thw", "c", "thwc"])}),
    Rearrange: rearrangements,
    Constant: st.fixed_dictionaries(
        {
            "shape": st.just((3,)) | st.tuples(*[st.integers(0, 9)] * 3, st.just(3)),
            "values": st.lists(numbers, min_size=1, max_size=1).map(tuple) | st.tuples(numbers, numbers, numbers),
        }
    ),
}
"""Values of fields that only fit together, or are not any text."""


def values(kind: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(get_args(kind)) if get_origin(kind) is Literal else VALUES[kind]


@st.composite
def operations(draw: st.DrawFn, kind: type[Operation]) -> Operation:
    checked = draw(CHECKED.get(kind, st.just({})))
    others = {each.name: draw(values(each.type)) for each in fields(kind) if each.name not in checked}
    return kind(**others, **checked)


COMPUTED = {name: kind for name, kind in OPERATIONS.items() if name != "traced"}
"""The kinds that c3dvis computes; a traced layer is its framework's."""

any_operation = st.sampled_from(sorted(COMPUTED)).flatmap(lambda kind: operations(OPERATIONS[kind]))


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    made, names = [], ["input"]
    for index in range(draw(st.integers(1, 6))):
        op = draw(any_operation if index else operations(Conv))
        inputs = tuple(draw(st.lists(st.sampled_from(names), min_size=1, max_size=3)))
        made.append(replace(op, name=f"operation {index}", inputs=inputs))
        names.append(made[-1].name)
    aliases = draw(st.dictionaries(st.text(min_size=1), st.sampled_from(names), max_size=2))
    return Architecture(draw(st.text(min_size=1)), tuple(made), draw(st.integers(1, 5)), aliases)


@settings(deadline=None)
@given(architectures())
def test_an_architecture_is_the_same_after_json(architecture: Architecture) -> None:
    text = json.dumps(architecture.to_dict())
    again = Architecture.from_dict(json.loads(text))
    assert again == architecture
    assert json.dumps(again.to_dict()) == text


@pytest.mark.parametrize("kind", COMPUTED.values(), ids=COMPUTED)
@settings(deadline=None, max_examples=30)
@given(st.data())
def test_the_canonical_form_has_what_differs_from_a_default(kind: type[Operation], data: st.DataObject) -> None:
    op = data.draw(operations(kind))
    described = op.to_dict()
    assert described.pop("kind") == kind.kind
    required = {each.name for each in fields(kind) if each.default is MISSING}
    assert set(described) == required | {each.name for each in fields(kind) if getattr(op, each.name) != each.default}
    for each in fields(kind):
        value = getattr(data.draw(operations(kind)), each.name)
        if (kind, each.name) not in ((Rearrange, "splits"), (Rearrange, "joins")):  # which change together
            changed = replace(op, **{each.name: value})
            assert (changed.to_dict() == op.to_dict()) == (value == getattr(op, each.name))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "sum"}, "the operation 'a' is of the unknown kind 'sum'"),
        ({"kernal": [1, 1, 1]}, "has the unknown fields kernal"),
        ({"name": ""}, "expected a name of printable characters, received ''"),
        ({"name": 3}, "expected a name of printable characters, received 3"),
        ({"name": "a\0before"}, r"expected a name of printable characters, received 'a\\x00before'"),
        ({"inputs": []}, r"expected a list of one or more, received \[\]"),
        ({"inputs": "input"}, "expected a list of one or more, received 'input'"),
        ({"inputs": ["b"]}, "the operation 'a' .* does not follow from those before it"),
        ({"filters": 0}, "expected a whole number of at least 1, received 0"),
        ({"filters": True}, "expected a whole number of at least 1, received True"),
        ({"kernel": [3, 3]}, r"expected a list of 3, received \[3, 3\]"),
        ({"kernel": [3, 3, 3.0]}, "expected a whole number of at least 1, received 3.0"),
        ({"strides": [1, 0, 1]}, "expected a whole number of at least 1, received 0"),
        ({"padding": "full"}, "expected same or valid, received 'full'"),
        ({"activation": "relu"}, "expected an activation with function, negative_slope, .*, received 'relu'"),
        ({"activation": {"function": "system"}}, "expected relu or .*, received 'system'"),
        ({"activation": {"function": "relu", "negative_slope": float("nan")}}, "expected a finite number"),
        ({"pads": [[1, 1], [0, 0], [0, -1]]}, "expected a whole number of at least 0, received -1"),
        ({"kind": "reduce", "function": "mean", "axes": "wt"}, "expected some of the axes thwc in this order"),
        ({"kind": "take", "axis": "n", "indices": [0]}, "expected t or h or w or c, received 'n'"),
        ({"kind": "constant", "shape": [2], "values": [1, 2, 3]}, "expected one value, or one for each channel of"),
        ({"kind": "max_pool", "ceil": 1}, "expected true or false, received 1"),
        (
            {"kind": "rearrange", "splits": [[0], [0], [0], [0, 2]], "joins": [[0], [1], [2], [3]]},
            "four joins of the factors 0 to 4, each used once",
        ),
    ],
)
def test_an_operation_that_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    described = {"kind": "conv", "name": "a", "inputs": ["input"], "filters": 3}
    assert Architecture.from_dict({"name": "one", "operations": [described]}).layers == ("a",)
    operation = {"name": "a", "inputs": ["input"]} if "kind" in change else described
    with pytest.raises(ValueError, match=message):
        Architecture.from_dict({"name": "one", "operations": [operation | change]})


def test_a_network_without_a_convolution_or_with_one_name_twice_is_refused() -> None:
    conv, pool = Conv("a", ("input",), 3).to_dict(), {"kind": "max_pool", "name": "a", "inputs": ["input"]}
    with pytest.raises(ValueError, match="it has no 3D convolution"):
        Architecture.from_dict({"name": "one", "operations": [pool]})
    with pytest.raises(ValueError, match=r"the operation 'a' .* does not follow"):
        Architecture.from_dict({"name": "one", "operations": [conv, pool]})
    with pytest.raises(ValueError, match=r"the operation 'a' .* missing .* 'filters'"):
        Operation.from_dict({"kind": "conv", "name": "a", "inputs": ["input"]})


NEEDED: dict[str, Any] = {
    "filters": 4, "axis": "c", "indices": (3, 0, 0), "splits": ((0,), (0,), (0,), (2, 0)),
    "joins": ((0,), (1,), (2,), (4, 3)), "up": (2, 1, 3), "down": (1, 2, 1), "function": "mean", "axes": "tc",
    "shape": (0, 2, 0, 4), "values": (0.5,),
}  # fmt: skip
"""Fields that have no default."""
CHANGED: dict[str, Any] = {
    "kernel": (3, 2, 1), "strides": (2, 2, 1), "padding": "valid", "pads": ((1, 0), (0, 2), (0, 0)), "ceil": True,
    "cuts": ((1, 0), (0, 2), (0, 0)), "factors": (2, 1, 3), "groups": 2, "extra": (0, 1, 0), "steps": (2, 1, 3),
    "counts_pads": True, "mode": "nearest", "axis": "h", "indices": (1, 2), "axes": "hw", "positions": "align_corners",
}  # fmt: skip


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
@pytest.mark.parametrize("kind", COMPUTED.values(), ids=COMPUTED)
def test_every_kind_has_a_keras_layer_of_its_shape_and_parameters(kind: type[Operation], library: str) -> None:
    layers = importlib.import_module(library).layers
    known = {each.name for each in fields(kind)}
    changed = CHANGED | ({"mode": "edge"} if kind is Pad else {})
    needed = {name: value for name, value in NEEDED.items() if name in known}
    op = kind("operation", ("a", "b") if issubclass(kind, Join) else ("a",), **needed)
    shape = (4,) if issubclass(kind, Dense | ReshapeToVolume) else (5, 6, 7, 4)
    for each in (op, replace(op, **{name: value for name, value in changed.items() if name in known})):
        layer = keras_layer(each, layers, name="operation")
        output = call(layer, each, [layers.Input(shape) for _ in each.inputs], layers)
        assert tuple(output.shape[1:]) == each.output_shape([shape for _ in each.inputs])
        if not issubclass(kind, Scale | PRelu):  # Keras counts statistics of the one, and no offsets of the other
            assert layer.count_params() == each.parameters(shape[-1])
