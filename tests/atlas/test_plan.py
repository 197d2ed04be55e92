"""Which filters an atlas takes."""

import pytest

from c3dvis.atlas.plan import make_plan, parse_filters
from c3dvis.errors import InvalidSpec, UnknownLayer, UnknownNetwork
from c3dvis.spec import RenderSpec


def test_layers_in_the_networks_order_each_with_its_filters() -> None:
    plan = make_plan(RenderSpec(seed=3, iterations=8), ["Mixed_4d", "Conv3d_2c_3x3", "Mixed_4d"], "0-2,40")
    assert list(plan.layers) == ["Conv3d_2c_3x3", "Mixed_4d"]
    assert [spec.filter for spec in plan.layers["Mixed_4d"]] == [0, 1, 2, 40]
    assert plan.specs[0] == RenderSpec(layer="Conv3d_2c_3x3", filter=0, seed=3, iterations=8)
    assert len(plan.specs) == 8


def test_all_layers_are_the_convolutions_that_the_clip_is_large_enough_for() -> None:
    i3d = make_plan(RenderSpec()).layers
    assert "Mixed_4d" not in i3d
    assert "Logits/Conv3d_0c_1x1" not in i3d
    assert all(len(specs) == 4 for specs in i3d.values())
    c3d = make_plan(RenderSpec(network="c3d-sports1m"), None, "0-3").layers
    assert list(c3d) == ["conv1", "conv2", "conv3a", "conv3b", "conv4a", "conv4b", "conv5a", "conv5b"]


def test_all_filters_of_a_layer() -> None:
    plan = make_plan(RenderSpec(), ["Conv3d_1a_7x7"], "all")
    assert [spec.filter for spec in plan.specs] == list(range(64))


@pytest.mark.parametrize(("text", "found"), [("5", [5]), ("0-3,2-4", [0, 1, 2, 3, 4]), (" all ", [0, 1, 2])])
def test_filters_that_can_be_read(text: str, found: list[int]) -> None:
    assert parse_filters(text, 3) == found


@pytest.mark.parametrize("text", ["", "x", "3-1", "-1", "1,,2", "0-99999999", "1.5"])
def test_filters_that_cannot(text: str) -> None:
    with pytest.raises(InvalidSpec, match=r"0-3,40"):
        parse_filters(text, 3)


def test_what_a_network_has_not_is_refused_before_any_work() -> None:
    with pytest.raises(UnknownLayer):
        make_plan(RenderSpec(), ["conv9"])
    with pytest.raises(InvalidSpec, match="filters 0 to 63"):
        make_plan(RenderSpec(), ["Conv3d_1a_7x7"], "60-70")
    with pytest.raises(UnknownNetwork):
        make_plan(RenderSpec(network="resnet"))
    with pytest.raises(InvalidSpec, match="would be empty"):
        make_plan(RenderSpec(), [])
