"""`c3dvis wiring`: what it prints, and how it fails."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import c3dvis
from c3dvis.cli import main

ROOT = Path(__file__).resolve().parent.parent


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Standard output of the command, which succeeds."""
    assert main(["wiring", *arguments]) == 0
    return capsys.readouterr().out


def test_json_holds_the_networks_weights(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(capsys, "Mixed_4b", "300", "--top", "3", "--json"))
    kernel, _ = c3dvis.load_network("i3d-kinetics400").weights("Mixed_4b/Branch_1/Conv3d_0b_3x3")
    assert found["made_by"]["layer"] == "Mixed_4b/Branch_1/Conv3d_0b_3x3"
    assert found["made_by"]["filter"] == 300 - 192
    assert (found["kernel_size"], found["inputs"]) == ([3, 3, 3], 96)
    own = kernel[..., 108].astype(np.float64)
    sums = own.sum((0, 1, 2))
    np.testing.assert_allclose(found["norm_over_inputs"], np.linalg.norm(own, axis=-1), rtol=1e-6)
    for entries, order in ((found["exciting"], np.argsort(-sums)), (found["inhibiting"], np.argsort(sums))):
        assert [entry["filter"] for entry in entries] == order[:3].tolist()
        for entry in entries:
            assert entry["layer"] == "Mixed_4b/Branch_1/Conv3d_0a_1x1"
            np.testing.assert_allclose(entry["weights"], own[..., entry["filter"]], rtol=1e-6)
            assert entry["strength"] == pytest.approx(sums[entry["filter"]])
            assert entry["never_negative"]


def test_the_table_lists_the_strongest_of_each_sign(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "Mixed_4d", "500", "--top", "2")
    assert "which is filter 52 of Mixed_4d/Branch_3/Conv3d_0b_1x1" in out
    rows = [line.split() for line in out.splitlines() if line.strip().startswith(("+", "-"))]
    strengths = [float(row[0]) for row in rows]
    assert len(strengths) == 4
    assert strengths == sorted(strengths, reverse=True)
    assert strengths[1] > 0 > strengths[2]
    assert all(row[-1] == "Mixed_4d/Branch_3/MaxPool3d_0a_3x3" for row in rows)


def test_the_first_layer_reads_the_clip(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(capsys, "Conv3d_1a_7x7", "9", "--json"))
    entries = found["exciting"] + found["inhibiting"]
    assert sorted(entry["filter"] for entry in entries) == [0, 1, 2]
    assert {(entry["layer"], entry["never_negative"]) for entry in entries} == {("input", False)}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("Mixed_9z", "0"), 3, "no layer 'Mixed_9z'"),
        (("Mixed_4d", "512"), 2, "filters 0 to 511; received filter 512"),
        (("Mixed_4d", "1,2"), 2, "expected a number; received '1,2'"),
        (("Mixed_4d", "many"), 2, "received 'many'"),
        (("Mixed_4d", "1", "--top", "0"), 2, "--top must be a whole number from 1"),
        (("Mixed_4d", "1", "--network", "vgg"), 3, "There is no network 'vgg'"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    weights: Path, arguments: tuple[str, ...], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["wiring", *arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_missing_weights_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path))
    assert main(["wiring", "conv2", "3", "--network", "c3d-sports1m"]) == 4
    assert "c3dvis weights fetch c3d-sports1m" in capsys.readouterr().err


def test_it_loads_neither_tensorflow_nor_streamlit(weights: Path) -> None:
    program = """
import sys
from c3dvis.cli import main
assert main(["wiring", "Mixed_3b", "5"]) == 0
heavy = {"tensorflow", "keras", "streamlit"} & set(sys.modules)
assert not heavy, heavy
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True)
