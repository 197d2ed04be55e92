"""The names of classes: those that come with the program, a user's own, and the spec that a name leads to."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c3dvis.cli import main, make_parser
from c3dvis.commands.render import spec_of
from c3dvis.errors import InvalidSpec
from c3dvis.networks import classes, registry
from c3dvis.networks.registry import describe
from c3dvis.networks.weights import class_labels
from c3dvis.spec import RenderSpec
from tests.networks.layouts import SIZE
from tests.networks.test_user_networks import save

C3D = "c3d-sports1m"
I3D = "i3d-kinetics400"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.fixture
def sports(tmp_path: Path) -> Path:
    path = tmp_path / "sports.txt"
    path.write_text("".join(f"sport {n}\n" for n in range(487)))
    return path


def test_the_names_of_kinetics_come_with_the_program_in_the_order_of_the_weights() -> None:
    names = class_labels.read_labels(describe(I3D))
    assert names
    assert (len(names), len(set(names))) == (400, 400)
    assert list(names) == sorted(names, key=lambda name: name.encode())  # the order in which I3D was trained
    # several from the whole range, so that a name too many or too few is seen
    assert [names[n] for n in (123, 227, 271, 169)] == [
        "feeding birds", "playing cricket", "riding mountain bike", "juggling balls",
    ]  # fmt: skip


def test_a_users_list_is_read_if_it_has_one_name_for_each_class(sports: Path, folder: Path) -> None:
    info = describe(C3D)
    assert class_labels.read_labels(info) is None
    assert class_labels.store_labels(info, sports)[3] == "sport 3"
    assert class_labels.read_labels(info) == tuple(f"sport {n}" for n in range(487))
    class_labels.labels_path(info).write_text("one\ntwo\n")
    assert class_labels.read_labels(info) is None


@pytest.mark.parametrize("content", [b"one\ntwo\n", b"\xff\xfe\x00", b"", b"a\n" * (1 << 20)], ids=len)
def test_a_list_that_does_not_fit_is_refused_and_changes_nothing(content: bytes, sports: Path, tmp_path: Path) -> None:
    info = describe(C3D)
    class_labels.store_labels(info, sports)
    (tmp_path / "bad").write_bytes(content)
    with pytest.raises(InvalidSpec, match="bad"):
        class_labels.store_labels(info, tmp_path / "bad")
    with pytest.raises(InvalidSpec, match="cannot be read"):
        class_labels.store_labels(info, tmp_path / "missing")
    assert class_labels.read_labels(info) == tuple(f"sport {n}" for n in range(487))


@given(st.lists(st.text(max_size=120), min_size=487, max_size=487))
@settings(max_examples=25, deadline=None)
def test_names_are_single_printable_lines_however_a_list_is_written(names: list[str]) -> None:
    info = describe(C3D)
    path = class_labels.labels_path(info).parent.parent / "names"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("\n".join(names).encode("utf-8", "surrogatepass"))
    try:
        read = class_labels.store_labels(info, path)
    except InvalidSpec:
        return
    assert read == class_labels.read_labels(info)
    for name in read:
        assert name.isprintable()
        assert name == " ".join(name.split()) != ""
        assert len(name) <= 100


def test_a_class_has_a_spec_that_its_network_can_render(sports: Path) -> None:
    class_labels.store_labels(describe(C3D), sports)
    for network, least in ((I3D, (16, 200, 200)), (C3D, SIZE)):
        info = describe(network)
        spec = classes.class_spec(info, 3)
        assert (spec.objective, spec.layer, spec.filter, spec.size) == ("class", info.layers[-1], 3, least)
        info.check(spec)
        names = class_labels.read_labels(info)
        assert names
        assert classes.class_name(spec) == names[3]
        with pytest.raises(InvalidSpec):
            classes.class_spec(info, len(names))
    assert classes.class_name(RenderSpec()) is None
    assert classes.class_name(RenderSpec(network="removed")) is None


@given(st.integers(0, 399), st.sampled_from([str.upper, str.title, str, "  {} ".format]))
def test_every_class_is_found_by_its_name_and_its_number(number: int, written: Callable[[str], str]) -> None:
    info = describe(I3D)
    names = class_labels.read_labels(info)
    assert names
    assert classes.find_class(info, written(names[number])) == number
    assert classes.find_class(info, str(number)) == number


def test_a_name_that_fits_no_class_or_several_names_those_near_it() -> None:
    info = describe(I3D)
    assert classes.find_class(info, "unicycle") == classes.find_class(info, "riding unicycle")
    with pytest.raises(InvalidSpec, match="juggling balls, juggling fire, juggling soccer ball"):
        classes.find_class(info, "juggling")
    with pytest.raises(InvalidSpec, match="c3dvis classes i3d"):
        classes.find_class(info, "quidditch")
    with pytest.raises(InvalidSpec, match="--labels"):
        classes.find_class(describe(C3D), "quidditch")


def test_the_command_line_lists_names_and_sets_classes(
    sports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["classes", I3D, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["classes"][169] == "juggling balls"
    assert main(["classes", C3D]) == 2
    assert "--labels" in capsys.readouterr().err
    assert main(["networks", "set", C3D, "--labels", str(sports), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"network": C3D, "classes": 487}
    assert main(["networks", "set", C3D, "--labels", str(sports), "--pool5-padding", "table", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pool5_padding"] == "table"
    assert main(["networks", "set", I3D, "--mean", "default"]) == 2
    capsys.readouterr()

    from keras import Sequential, layers

    model = Sequential([layers.Input((4, 16, 16, 3)), layers.Conv3D(2, 3), layers.Flatten(), layers.Dense(3)])
    path = save(model, tmp_path / "model.keras")
    (tmp_path / "three.txt").write_text("walk\nrun\njump <b>*high*</b>\n")
    adding = ["networks", "add", "moves", "--architecture", str(path), "--range", "0", "1"]
    assert main([*adding, "--labels", str(sports)]) == 2
    assert "moves" not in registry.names()
    assert main([*adding, "--labels", str(tmp_path / "three.txt")]) == 0
    assert class_labels.read_labels(describe("moves")) == ("walk", "run", "jump <b>*high*</b>")
    assert classes.class_spec(describe("moves"), 2).size == (4, 16, 16)


def test_a_render_on_the_command_line_takes_a_class_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def spec(*flags: str) -> RenderSpec:
        return spec_of(make_parser().parse_args(["render", *flags]))

    assert spec("--class", "juggling balls") == classes.class_spec(describe(I3D), 169)
    assert spec("--class", "169", "--frames", "12", "--seed", "3").size == (12, 200, 200)
    recipe = tmp_path / "recipe.json"
    recipe.write_text(RenderSpec(layer="Mixed_3b", seed=5, position=(0, 0, 0), objective="neuron").to_json())
    assert spec("--recipe", str(recipe), "--class", "yoga").seed == 5
    assert main(["render", "--class", "quidditch"]) == 2
    assert "quidditch" in capsys.readouterr().err
