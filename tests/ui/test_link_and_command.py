"""A spec as a link, a command line and a file name, and links with parts that have to be dropped."""

import re
import shlex
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c3dvis.cli import make_parser
from c3dvis.commands.render import spec_of
from c3dvis.networks import nearest_spec, registry
from c3dvis.spec import RenderSpec, text

LOGITS = "Logits/Conv3d_0c_1x1"
ODD = RenderSpec(
    layer="Mixed_4d/Branch_1/Conv3d_0b_3x3", filter=7, objective="neuron", position=(1, 2, 2), seed=9,
    tv_time_weight=0.25, iterations=8, frames=8, height=64, width=48,
)  # fmt: skip


@pytest.mark.parametrize(
    "spec", [RenderSpec(), ODD, RenderSpec(engine="keras-vis"), RenderSpec(filter=((1, 0.5), (3, -1)))]
)
def test_a_link_gives_back_its_spec(spec: RenderSpec) -> None:
    query = dict(parse_qsl(text.query_text(spec)))
    assert nearest_spec.read_link(query) == (spec, [])


def test_the_default_spec_has_an_empty_link() -> None:
    assert text.query_text(RenderSpec()) == ""


@pytest.mark.parametrize(
    ("query", "changes", "names"),
    [
        ({"layer": "Mixed_9z", "seed": "4"}, {"seed": 4}, ["layer"]),
        ({"filter": "512", "seed": "4"}, {"seed": 4}, ["filter"]),
        ({"network": "nothing", "seed": "4"}, {"seed": 4}, ["network"]),
        ({"objective": "neuron", "position": "99,0,0"}, {"objective": "neuron"}, ["position"]),
        ({"objective": "class"}, {}, ["objective"]),
        ({"tv_space_weight": "nan", "iterations": "10"}, {"iterations": 10}, ["tv_space_weight"]),
        ({"layer": LOGITS}, {"layer": LOGITS, "height": 200, "width": 200}, []),
        ({"layer": LOGITS, "height": "64"}, {"layer": LOGITS, "height": 200, "width": 200}, ["size"]),
        ({"filter": "9999", "frames": "0"}, {}, ["frames", "filter"]),
    ],
)
def test_a_broken_link_keeps_its_good_parts(
    query: dict[str, str], changes: dict[str, object], names: list[str]
) -> None:
    spec, problems = nearest_spec.read_link(query)
    assert spec.replace(filter=spec.filter) == RenderSpec().replace(**changes)
    registry.describe(spec.network).check(spec)
    assert len(problems) == len(names)
    for name, problem in zip(names, problems, strict=True):
        assert problem.startswith(f"The link's {name}")
        assert "dropped" in problem


@pytest.mark.parametrize(("name", "meant"), [("steps", "iterations"), ("layr", "layer"), ("seeds", "seed")])
def test_a_mistyped_part_is_told(name: str, meant: str) -> None:
    spec, (problem,) = nearest_spec.read_link({name: "3", "filter": "7"})
    assert spec == RenderSpec(filter=7)
    assert problem == f"The link's {name} is no setting and was ignored. Did you mean {meant}?"


PARTS_OF_PAGES = (
    "page", "sort", "show", "tab", "view", "pin", "sweep", "of", "values", "controls", "embed", "embed_options", "file",
    "start", "stride", "length", "size", "strength", "class", "utm_source",
)  # fmt: skip


@pytest.mark.parametrize("name", PARTS_OF_PAGES)
def test_what_is_no_setting_of_a_render_is_not_taken_for_one(name: str) -> None:
    assert nearest_spec.read_link({name: "3"}) == (RenderSpec(), [])


@pytest.mark.parametrize("filter_", ["512", "99999"])
def test_a_dropped_part_is_told_with_what_is_shown_instead(filter_: str) -> None:
    spec, (problem,) = nearest_spec.read_link({"filter": filter_})
    assert problem.endswith(f"Shown instead: {spec.target}.")


@pytest.mark.parametrize(
    "query", [{"network": "c3d-sports1m"}, {"layer": "Conv3d_1a_7x7", "filter": "3"}, {"layer": LOGITS, "filter": "3"}]
)
def test_nothing_is_told_about_a_part_that_the_link_does_not_name(query: dict[str, str]) -> None:
    spec, problems = nearest_spec.read_link(query)
    assert problems == []
    registry.describe(spec.network).check(spec)
    assert all(spec.to_query()[name] == value for name, value in query.items())


@pytest.mark.parametrize("name", registry.NAMES)
def test_the_first_layer_shown_exists_and_fits(name: str) -> None:
    info = registry.describe(name)
    frames, height, width = info.default_size
    layer = nearest_spec.default_layer(info)
    info.check(RenderSpec(network=name, layer=layer, filter=0, frames=frames, height=height, width=width))


def test_the_command_names_what_differs_from_the_defaults() -> None:
    words = shlex.split(text.command(ODD, "out.gif"))
    assert words[:2] == ["c3dvis", "render"]
    flags = dict(zip(words[2::2], words[3::2], strict=True))
    assert flags["--layer"] == ODD.layer
    assert flags["--tv-time-weight"] == "0.25"
    assert flags["--position"] == "1,2,2"
    assert flags["-o"] == "out.gif"
    assert "--tv-space-weight" not in flags


@pytest.mark.parametrize(
    "spec", [RenderSpec(), ODD, RenderSpec(engine="keras-vis"), RenderSpec(filter=((1, -0.5), (3, 1)))]
)
def test_the_command_line_reads_the_command_as_the_same_spec(spec: RenderSpec) -> None:
    words = shlex.split(text.command(spec, "out.gif"))
    assert spec_of(make_parser().parse_args(words[1:])) == spec


def test_a_file_name_has_nothing_a_file_system_refuses() -> None:
    spec = ODD.replace(objective="filter", position=None, filter=((1, 0.5), (3, -1.0)))
    assert text.file_stem(spec) == (
        "i3d-kinetics400_Mixed_4d.Branch_1.Conv3d_0b_3x3_filter-1x0.5+3x-1_fast_seed-9_frames-8_height-64_width-48"
        "_iterations-8_tv_time_weight-0.25"
    )
    assert text.file_stem(spec, short=True) == "Mixed_4d.Branch_1.Conv3d_0b_3x3_filter-1x0.5+3x-1"


def test_differences_are_named_and_what_follows_the_engine_is_not() -> None:
    spec = RenderSpec()
    assert text.differences(spec, spec) == []
    changed = spec.replace(tv_time_weight=77.0, seed=2)
    assert text.differences(spec, changed) == ["seed 0 → 2", f"Temporal TV {spec.tv_time_weight:g} → 77"]
    assert text.differences(spec, spec.replace(engine="keras-vis")) == ["engine fast → keras-vis"]
    assert (
        text.differences(spec, spec.replace(objective="neuron", position=(1, 2, 3)))[1] == "position centre → [1, 2, 3]"
    )


NAMES = st.text("ab_/-. é3", min_size=1, max_size=12).filter(str.isprintable)
SPECS = st.builds(
    RenderSpec,
    network=NAMES,
    layer=NAMES | st.just("Mixed_4d/Branch_1/Conv3d_0b_3x3"),
    filter=st.integers(0, 3) | st.just(((1, 0.5), (3, -1.0))),
    seed=st.integers(0, 2),
    iterations=st.sampled_from([2, 144]),
    contrast=st.sampled_from([0.0, 44.0]),
    frames=st.sampled_from([8, 16]),
)


@given(st.lists(SPECS, min_size=2, max_size=2, unique=True))
def test_file_names_tell_any_two_specs_apart(specs: list[RenderSpec]) -> None:
    first, second = map(text.file_stem, specs)
    assert first != second
    assert re.fullmatch(r"[A-Za-z0-9_.+-]{1,200}", first)


@given(st.lists(SPECS, min_size=2, max_size=4, unique=True))
def test_heads_of_columns_tell_the_specs_apart(specs: list[RenderSpec]) -> None:
    assert len(set(text.distinctions(specs))) == len(specs)


def test_the_command_takes_the_clip_apart_where_it_is_shown_so() -> None:
    words = shlex.split(text.command(RenderSpec(), "out.gif", texture_motion=True))
    assert make_parser().parse_args(words[1:]).texture_motion
