"""`c3dvis probe` on drawn clips, with a network of a test: its files, and a run that is killed and goes on."""

import csv
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

import c3dvis
from c3dvis.cli import main
from c3dvis.clips import Window, read_window, read_windows
from c3dvis.clips.clip_info import ClipInfo
from c3dvis.commands.probe_windows import plan_windows
from c3dvis.results import ResultStore
from c3dvis.spec import RenderSpec
from tests.clips.videos import write_video
from tests.networks.onnx_models import Graph
from tests.ui.conftest import made_result

LAYER = "Conv3d_1a_7x7"
SIZE = "8,32,32"
STARTS = (0.0, 0.32, 0.64, 0.96, 1.28)
"""Of the windows of 8 frames in a file of 40, in seconds."""


@pytest.fixture
def here(tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("C3DVIS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_is_probed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_video(here / "a.mp4", 20)
    line = ["probe", "a.mp4", "--start", "0.2", "--size", SIZE, "--top", "2", "-o", "r.csv", "-o", "m.h5", "--json"]
    assert main(line) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["classes"] == []
    assert "too small" in values["no_classes"]
    network = c3dvis.load_network("i3d-kinetics400")
    clip = read_window(here / "a.mp4", Window(0.2, 1, 8), (32, 32)).clip
    expected = network.respond(clip, LAYER)
    top = values["layers"][LAYER]
    assert len(top) == 2
    assert top[0]["mean"] == pytest.approx(float(expected[..., top[0]["filter"]].mean()), rel=1e-4)
    rows = [row for row in csv.DictReader((here / "r.csv").read_text().splitlines()) if row["layer"] == LAYER]
    assert [float(row["mean"]) for row in rows] == pytest.approx(expected.mean((0, 1, 2)), rel=1e-4, abs=1e-5)
    with h5py.File(here / "m.h5") as file:
        group = file[f"layers/{LAYER}"]
        assert np.array_equal(file["clip"], clip)  # type: ignore[arg-type]
        for number, map_ in zip(group["filters"], group["maps"], strict=True):  # type: ignore[index]
            assert np.allclose(map_, expected[..., number], rtol=1e-4, atol=1e-5)


def test_wrong_arguments_say_what_was_expected(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "text.mp4").write_text("no video")
    (here / "clips").mkdir()
    for words, code, part in (
        (["text.mp4"], 9, "cannot read text.mp4"),
        (["absent.mp4"], 9, "is not there"),
        (["text.mp4", "-o", "a.gif"], 2, "expected .csv or .h5"),
        (["text.mp4", "--size", "8,x,9"], 2, "such as 16,224,224"),
        (["text.mp4", "--judge", "c3d-sports1m"], 2, "for a folder of clips"),
        (["clips", "--layer", LAYER], 2, "one -o FOLDER"),
        (["clips", "--layer", "nowhere", "-o", "out"], 3, "nowhere"),
        (["clips", "--layer", LAYER, "-o", "out", "--size", SIZE], 9, "no clip that can be read"),
    ):
        assert main(["probe", *words]) == code, words
        assert part in " ".join(capsys.readouterr().err.split()), words


def test_a_folder_run_that_is_killed_goes_on(here: Path) -> None:
    (here / "clips").mkdir()
    for index in range(3):
        write_video(here / "clips" / f"{index}.mp4", 8 * 12, (32 + 16 * index, 64))
    (here / "clips" / "notes.txt").write_text("no video")
    line = [sys.executable, "-m", "c3dvis", "probe", "clips", "--layer", LAYER, "--size", SIZE, "-o", "out", "--json"]
    kept = here / "out" / "responses"
    first = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (kept.is_dir() and list(kept.glob("*.npy"))) and first.poll() is None:
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in kept.glob("*.npy")}
    assert 0 < len(before) < 6
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    values = json.loads(done.stdout)
    assert all((path.stat().st_mtime_ns, path.read_bytes()) == was for path, was in before.items())
    assert len(list(kept.glob("*.npy"))) == 6
    assert (values["windows"], values["files"], values["filters"]) == (36, 3, 64)
    assert list(values["left_out"]) == ["notes.txt"]
    assert "filters with a stored synthetic clip" in values["measure"]["why_none"]
    with Image.open(here / "out" / "sheet.webp") as sheet:
        assert sheet.size == (6 + 6 * (32 + 6), 6 + 12 * (32 + 16 + 6))
    network = c3dvis.load_network("i3d-kinetics400")
    rows = list(csv.DictReader((here / "out" / "top.csv").read_text().splitlines()))
    best = next(row for row in rows if float(row["mean_response"]) > 0)
    window = Window(float(best["start_seconds"]), 1, 8, "loop")
    clip = read_window(here / "clips" / best["file"], window, (32, 32)).clip
    response = network.respond(clip, LAYER)[..., int(best["filter"])].mean()
    assert float(best["mean_response"]) == pytest.approx(float(response), rel=1e-4)


def test_another_network_judges_the_synthetic_clips(
    here: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = here / "weights"
    own.mkdir()
    (own / "i3d-kinetics400").symlink_to(weights / "i3d-kinetics400")
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(own))
    graph = Graph((1, 3, 8, 32, 32))
    graph.save(here / "judge.onnx", graph.conv("input", 3, 12))
    assert main(["networks", "add", "judge", "--architecture", "judge.onnx", "--range", "-1", "1"]) == 0
    frames, height, width = map(int, SIZE.split(","))
    synthetic = {}
    with ResultStore(here / "cache") as store:
        for number in range(6):
            spec = RenderSpec(layer=LAYER, filter=number, frames=frames, height=height, width=width)
            result = made_result(spec)
            synthetic[number] = np.random.default_rng(number).integers(0, 256, result.clip.shape, np.uint8)
            store.put(replace(result, clip=synthetic[number]))
    (here / "clips").mkdir()
    for index in range(3):
        write_video(here / "clips" / f"{index}.mp4", 8 * 5, (40 + 16 * index, 64))
    capsys.readouterr()
    line = ["probe", "clips", "--layer", LAYER, "--size", SIZE, "--top", "3", "-o", "out", "--json", "--judge"]
    assert main([*line, "judge"]) == 0
    values = json.loads(capsys.readouterr().out)
    found = values["judge"]
    assert (found["network"], found["windows"], found["files"], found["top"]) == ("judge", 15, 3, 3)
    assert found["interval"][0] <= found["share"] <= found["interval"][1]

    # the same, pair by pair, of the responses of both networks in this process
    clips = [
        each.clip
        for index in range(3)
        for each in read_windows(here / "clips" / f"{index}.mp4", [Window(s, 1, 8, "loop") for s in STARTS], (32, 32))
    ]
    network, other = c3dvis.load_network("i3d-kinetics400"), c3dvis.load_network("judge")
    responses = np.array([network.respond(clip, LAYER).mean((0, 1, 2)) for clip in clips])
    features = np.array([other.respond(clip, found["layer"]).mean((0, 1, 2)) for clip in clips])
    average, deviation = features.mean(0), features.std(0)
    for number, clip in synthetic.items():
        own_features = (other.respond(clip, found["layer"]).mean((0, 1, 2)) - average) / deviation
        like = np.array([np.corrcoef(own_features, (each - average) / deviation)[0, 1] for each in features])
        ordered = np.sort(responses[:, number])
        top, bottom = responses[:, number] >= ordered[-3], responses[:, number] <= ordered[2]
        won = np.mean([a > b for a in like[top] for b in like[bottom]])
        assert found["by_filter"][str(number)] == pytest.approx(won)
    for words, code, part in (
        (["i3d-kinetics400"], 2, "another network than"),
        (["nobody"], 3, "nobody"),
    ):
        assert main([*line, *words]) == code, words
        assert part in " ".join(capsys.readouterr().err.split()), words


def test_windows_cover_a_file_evenly() -> None:
    def starts(seconds: float | None, length: int, stride: float, most: int) -> list[float]:
        info = ClipInfo("video", 25, seconds, None, 8, 8, 3)
        return [window.start_seconds for window in plan_windows(info, length, stride, most)]

    assert starts(4.0, 25, 1, 20) == [0, 1, 2, 3]
    assert starts(4.0, 25, 2, 20) == [0, 2]
    assert starts(100.0, 25, 1, 3) == [0, 49.5, 99]
    assert starts(0.5, 25, 1, 3) == starts(None, 25, 1, 3) == [0]
