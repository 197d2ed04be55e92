"""A spec is validated, canonical, and survives every form it travels in."""

import json
import math
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c3dvis.errors import InvalidSpec
from c3dvis.spec import FIELDS, MOTION_PRESETS, PRESETS, RenderSpec
from c3dvis.spec.defaults_and_presets import ENGINE_DEFAULTS
from c3dvis.spec.field_titles import field_title
from c3dvis.spec.fields import CHOICES
from c3dvis.spec.text import changed_settings, size_text, value_text


def _spec(values: dict[str, Any]) -> RenderSpec:
    return RenderSpec(**{**values, "variant": values.get("variant", 0) % values.get("variants", 1)})


INTS = {name: st.integers(int(f.minimum), int(f.maximum)) for name, f in FIELDS.items() if f.kind == "int"}
FLOATS = {name: st.floats(f.minimum, f.maximum) for name, f in FIELDS.items() if f.kind == "float"}
SMALL = {"frames": st.integers(1, 64), "height": st.integers(8, 256), "width": st.integers(8, 256)}
FILTERS = st.one_of(
    st.integers(0, 5000),
    st.lists(
        st.tuples(st.integers(0, 5000), st.floats(0.001, 1000).map(lambda w: float(f"{w:.9g}"))),
        min_size=1, max_size=16, unique_by=lambda pair: pair[0],
    ),
)  # fmt: skip
SPECS = st.fixed_dictionaries(
    {},
    optional={
        **INTS, **FLOATS, **SMALL,
        "filter": FILTERS,
        "objective": st.sampled_from(("filter", "neuron", "layer")),
        "parametrization": st.sampled_from(CHOICES["parametrization"]),
        "layer": st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=60),
    },
).map(_spec)  # fmt: skip


@given(SPECS)
def test_json_and_address_give_back_the_same_spec(spec):
    assert RenderSpec.from_json(spec.to_json()) == spec
    assert RenderSpec.from_query(spec.to_query()) == (spec, [])
    assert RenderSpec.from_json(spec.to_json()).key("f") == spec.key("f")


@given(st.dictionaries(st.sampled_from([*FIELDS, "theme"]), st.text(max_size=20)))
def test_any_address_gives_a_spec_and_says_what_it_dropped(query):
    spec, problems = RenderSpec.from_query(query)
    assert isinstance(spec, RenderSpec)
    for problem in problems:
        assert "was dropped" in problem
    dropped = {problem.split("'s ")[1].split("=")[0] for problem in problems}
    assert dropped <= set(query)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_json_is_a_spec_or_a_clear_error(value):
    if value == {}:
        assert RenderSpec.from_json(json.dumps(value)) == RenderSpec()
        return
    with pytest.raises(InvalidSpec, match="recipe"):
        RenderSpec.from_json(json.dumps(value))


def test_defaults_leave_the_address_empty_and_follow_the_engine():
    assert RenderSpec().to_query() == {}
    original = RenderSpec(engine="keras-vis")
    assert original.to_query() == {"engine": "keras-vis"}
    assert (original.iterations, original.lp_weight, original.tv_space_weight, original.jitter_pixels) == (
        200,
        10,
        10,
        0,
    )


def test_changing_the_engine_takes_its_numbers_and_keeps_what_was_chosen():
    changed = RenderSpec(seed=7, layer="Mixed_3c").replace(engine="keras-vis")
    assert changed == RenderSpec(engine="keras-vis", seed=7, layer="Mixed_3c")
    assert changed.replace(engine="fast") == RenderSpec(seed=7, layer="Mixed_3c")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tv_space_weight": math.nan}, "tv_space_weight must be a finite number from 0 to 1000; received nan"),
        ({"lp_weight": math.inf}, "lp_weight"),
        ({"lp_weight": -1}, "lp_weight"),
        ({"frames": 0}, "frames must be a whole number from 1 to 512; received 0"),
        ({"frames": 2.5}, "frames"),
        ({"frames": True}, "frames"),
        ({"height": 1025}, "height must be a whole number from 1 to 1024; received 1025"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed must be a whole number from 0 to 4294967295; received 4294967296"),
        ({"filter": -1}, "filter"),
        ({"filter": "40"}, "filter"),
        ({"filter": [(1, 0.0)]}, "filter"),
        ({"filter": [(1, 1.0), (1, 2.0)]}, "filter"),
        ({"objective": "everything"}, "one of filter, neuron, class, layer"),
        ({"position": (1, 2, 3)}, "unless objective is 'neuron'"),
        ({"objective": "neuron", "position": (1, 2)}, "three whole numbers"),
        ({"engine": "torch"}, "one of fast, keras-vis"),
        ({"engine": "keras-vis", "tv_time_weight": 1.0}, "weighs total variation in time and space alike"),
        ({"engine": "keras-vis", "jitter_pixels": 3}, "keras-vis fixes jitter_pixels at 0, received 3"),
        ({"engine": "keras-vis", "objective": "neuron"}, "mean of one filter"),
        ({"layer": ""}, "1 to 200 characters"),
        ({"layer": "a\nb"}, "layer"),
    ],
)
def test_unusable_values_are_named_with_what_was_expected_and_received(changes, words):
    with pytest.raises(InvalidSpec, match=None) as caught:
        RenderSpec(**changes)
    assert words in str(caught.value)


def test_equal_specs_have_equal_keys_and_any_difference_changes_it():
    assert RenderSpec(lp_weight=0).key("f") == RenderSpec(lp_weight=-0.0).key("f")
    assert RenderSpec(filter=((3, 1.0),)) == RenderSpec(filter=3)
    assert RenderSpec(filter=((5, 2.0), (3, 1.0))).key("f") == RenderSpec(filter=((3, 1.0), (5, 2.0))).key("f")
    keys = {RenderSpec().key("f"), RenderSpec().key("g"), RenderSpec(seed=1).key("f"), RenderSpec(filter=41).key("f")}
    assert len(keys) == 4


def test_the_size_of_an_added_network_is_open_until_it_is_known():
    bare = RenderSpec(network="mine", layer="conv", width=24)
    assert not bare.is_sized
    assert RenderSpec.from_json(bare.to_json()) == bare
    with pytest.raises(InvalidSpec, match="size of mine's clips is not known"):
        bare.key("f")
    sized = bare.sized((4, 16, 20))
    assert sized.size == (4, 16, 24)
    assert sized.sized((9, 9, 9)) is sized
    assert RenderSpec.from_query(sized.to_query())[0] == sized  # a link and a command say the size
    assert RenderSpec(network="c3d-sports1m").size == RenderSpec().size == (16, 112, 112)
    moved = RenderSpec(height=64).replace(network="mine")
    assert moved.size == (None, 64, None)
    assert moved.replace(network=RenderSpec.network).size == (16, 64, 112)


def test_a_broken_link_keeps_its_good_parts():
    spec, problems = RenderSpec.from_query(
        {"filter": "x", "seed": "7", "width": "0", "engine": "keras-vis", "theme": "dark"}
    )
    assert spec == RenderSpec(engine="keras-vis", seed=7)
    assert [problem.split(" was dropped")[0] for problem in problems] == ["The link's filter=x", "The link's width=0"]


def test_every_preset_is_a_valid_spec():
    for preset in PRESETS.values():
        assert RenderSpec(**preset).engine == preset["engine"]
    for preset in MOTION_PRESETS.values():
        assert RenderSpec().replace(**preset).tv_time_weight == preset["tv_time_weight"]
    assert RenderSpec(**PRESETS["clear"]) == RenderSpec()
    assert RenderSpec(**PRESETS["keras-vis"]) == RenderSpec(engine="keras-vis")


def test_importing_the_package_loads_neither_tensorflow_nor_streamlit():
    code = (
        "import sys, c3dvis, c3dvis.spec, c3dvis.networks.registry as r, c3dvis.results\n"
        "r.describe('i3d-kinetics400').table(16, 112, 112)\n"
        "print([m for m in ('tensorflow', 'keras', 'tf_keras', 'streamlit', 'distributed') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@given(st.sampled_from(sorted(ENGINE_DEFAULTS["fast"])), st.data())
def test_a_caption_names_exactly_the_settings_that_differ_from_the_defaults(name: str, data: st.DataObject) -> None:
    field, default = FIELDS[name], ENGINE_DEFAULTS["fast"][name]
    if field.choices:
        value = data.draw(st.sampled_from(field.choices))
    elif field.kind == "int":
        value = data.draw(st.integers(int(field.minimum or 0), int(field.maximum or 0)))
    else:
        value = data.draw(st.floats(field.minimum, field.maximum))
    changed: dict[str, Any] = {name: value}
    spec = RenderSpec(**changed)
    shown = value_text(spec.to_dict()[name])
    assert changed_settings(spec) == ("" if spec.to_dict()[name] == default else f"{field_title(name)} {shown}")


def test_a_caption_does_not_repeat_the_target_the_size_the_engine_and_the_seed() -> None:
    assert changed_settings(RenderSpec(layer="Mixed_3b", filter=4, seed=3, frames=8, height=64)) == ""
    assert changed_settings(RenderSpec(engine="keras-vis")) == ""
    assert changed_settings(RenderSpec(iterations=64, contrast=30)) == "steps 64, Contrast 30"


def test_titles_count_in_the_singular_and_name_the_position_of_a_neuron() -> None:
    assert size_text((1, 8, 24)) == "1 frame of 24 × 8"
    assert size_text((16, 112, 112)) == "16 frames of 112 × 112"
    neuron = RenderSpec(objective="neuron", filter=6)
    assert neuron.target == "neuron of filter 6 at the centre"
    assert neuron.replace(position=(1, 2, 3)).target == "neuron of filter 6 at t 1, h 2, w 3"


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if field.kind == "int"])
def test_the_range_of_a_whole_number_is_told_in_digits(name: str) -> None:
    field = FIELDS[name]
    with pytest.raises(InvalidSpec, match=rf"from {int(field.minimum)} to {int(field.maximum)}; received"):
        RenderSpec().replace(**{name: -1})
