"""A network that a user's own code builds: the code is copied, and run where the network is added or loaded."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import c3dvis
from c3dvis.cli import main
from c3dvis.errors import InvalidSpec, WeightsDamaged
from c3dvis.networks import registry, user_networks
from c3dvis.networks.compute import network as networks
from c3dvis.networks.importers import add_network
from c3dvis.networks.weights import child_process, installed_weights
from c3dvis.networks.wiring import NoKernel, wiring
from tests.networks.keras_models import save
from tests.networks.test_user_networks import plain

CODE = """
import os
import keras

class Halved(keras.layers.Layer):
    def call(self, volume):
        return volume / 2

def build():
    clip = keras.Input((8, 16, 16, 3))
    volume = keras.layers.Conv3D(int(os.environ.get("FILTERS", 4)), 3, padding="same", name="first")(clip)
    return keras.Model(clip, Halved(name="half")(volume))

def fails():
    raise KeyError("nothing here")

text = "no function"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A weights folder of this test's own."""
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path / "weights"))
    monkeypatch.setattr(networks, "_loaded", {})
    return tmp_path / "weights"


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("code") / "my_model.py"
    path.write_text(CODE)
    return path


@pytest.fixture(scope="module")
def weights(code: Path) -> Path:
    """Weights for the model of `CODE`."""
    names: dict = {}
    exec(CODE, names)
    model = names["build"]()
    generator = np.random.default_rng(0)
    model.set_weights([generator.normal(size=value.shape) for value in model.get_weights()])
    return save(model, code.with_name("mine.weights.h5"))


def test_it_is_added_described_and_rendered(
    code: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add = ["networks", "add", "mine", "--code", f"{code}:build", "--weights", str(weights), "--range", "0", "1"]
    assert main(add) == 0
    said = capsys.readouterr().out
    assert "This ran" in said
    assert "Proved: Keras itself computes it" in said
    info = registry.describe("mine")
    assert info.layers == ("first", "half")
    assert main(["weights", "check", "mine"]) == 0
    code_gone = code.rename(code.with_suffix(".gone"))  # the copy is used
    try:
        network = c3dvis.load_network("mine")
        clip = np.random.default_rng(1).random((8, 16, 16, 3), np.float32)
        first, half = (network.respond(clip, layer) for layer in ("first", "half"))
        np.testing.assert_allclose(half, first / 2, rtol=1e-6)
        assert first.std() > 1  # of the given weights, not of new ones
        spec = c3dvis.RenderSpec(network="mine", layer="half", filter=1, frames=8, height=16, width=16, iterations=16)
        result = c3dvis.render(spec)
        assert result.fingerprint == network.fingerprint == installed_weights.fingerprint(info)
        assert result.metrics["shown_activation"] > half[..., 1].mean()
    finally:
        code_gone.rename(code)
    assert main(add) == 0
    assert installed_weights.fingerprint(registry.describe("mine")) == network.fingerprint
    with pytest.raises(NoKernel, match="own code computes them"):
        wiring(info, "first", 0)


def test_a_worker_renders_it(code: Path, folder: Path, tmp_path: Path) -> None:
    add_network.add_code("mine", code, "build", None, ((0.0,), (1.0,)))
    render = [
        sys.executable, "-m", "c3dvis", "render", "--network", "mine", "--layer", "first", "--filter", "0",
        "--frames", "8", "--height", "16", "--width", "16", "--iterations", "8", "--json",
        "-o", str(tmp_path / "o.gif"),
    ]  # fmt: skip
    done = subprocess.run(render, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["spec"]["network"] == "mine"


def test_describing_it_runs_nothing(code: Path) -> None:
    """The dashboard describes networks; it must not run their code."""
    add_network.add_code("mine", code, "build", None, ((0.0,), (1.0,)))
    script = (
        "import sys; from c3dvis.networks import registry; from c3dvis.networks.weights import installed_weights\n"
        "info = registry.describe('mine'); info.table(*info.default_size); installed_weights.fingerprint(info)\n"
        "assert 'keras' not in sys.modules and not [name for name in sys.modules if 'code_of' in name]"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_code_that_now_builds_another_network_is_refused(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_network.add_code("mine", code, "build", None, ((0.0,), (1.0,)))
    monkeypatch.setenv("FILTERS", "5")
    with pytest.raises(WeightsDamaged, match="builds another network than when it was added"):
        c3dvis.load_network("mine")


@pytest.mark.parametrize(
    ("function", "said"),
    [("fails", "KeyError: .nothing here"), ("absent", "no attribute 'absent'"), ("text", "not callable")],
)
def test_code_that_builds_nothing_is_refused(function: str, said: str, code: Path, folder: Path) -> None:
    with pytest.raises(WeightsDamaged, match=rf"The code of mine does not build its model: .*{said}"):
        add_network.add_code("mine", code, function, None, ((0.0,), (1.0,)))
    assert not folder.exists()


def test_wrong_arguments_are_refused(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InvalidSpec, match="There is no file"):
        add_network.add_code("mine", code.with_name("absent.py"), "build", None, ((0.0,), (1.0,)))
    assert main(["networks", "add", "mine", "--code", str(code), "--range", "0", "1"]) == InvalidSpec.exit_code
    assert "Code is FILE:FUNCTION" in capsys.readouterr().err


def test_a_model_file_cannot_bring_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that took over the process that reads it may write any description, but none that names code."""
    model = save(plain(keras), tmp_path / "model.keras")

    def takes_over(module: str, request: dict, *others: object) -> dict:
        report = ask(module, request, *others)  # type: ignore[arg-type]
        path = request["folder"] / user_networks.DESCRIPTION
        described = json.loads(path.read_text())
        traced = {"kind": "traced", "name": "first", "inputs": ["input"], "shape": [8, 16, 16, 4], "size": [8, 16, 16],
                  "layer_type": "Conv3D"}  # fmt: skip
        path.write_text(json.dumps({**described, "operations": [traced], "code": "system"}))
        return report

    ask = child_process.ask
    monkeypatch.setattr(child_process, "ask", takes_over)
    with pytest.raises(WeightsDamaged, match="it names code: 'system'"):
        add_network.add("mine", model, None, ((0.0,), (1.0,)))
