"""bench/versus_peers.py: the peer's method does what its paper says, and the table says what was measured."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy import ndimage

import c3dvis
from bench import peer_method, side_by_side, versus_peers
from c3dvis.maximize.quality import Quality
from c3dvis.maximize.volume.parametrization import COLOUR_CORRELATION
from tests.maximize.small_c3d import SIZE, small_c3d

LAYER, FILTER = "conv3a", 2


def seen_through(clip: np.ndarray, scale: float, moved: tuple[int, int, int]) -> np.ndarray:
    """A clip (T, H, W, 3) rolled by frames, scaled about its centre, moved by pixels; by SciPy."""
    frames, *pixels = moved
    clip = np.roll(clip, frames, axis=0)
    centre = (np.array(clip.shape[1:3]) - 1) / 2
    offset: Any = centre - (centre + pixels) / scale
    planes = np.moveaxis(clip, -1, 1).reshape(-1, *clip.shape[1:3])
    resampled = [ndimage.affine_transform(plane, [1 / scale] * 2, offset, order=1, mode="mirror") for plane in planes]
    return np.moveaxis(np.reshape(resampled, (len(clip), 3, *clip.shape[1:3])), 1, -1)


@pytest.mark.parametrize(("scale", "moved"), [(1.0, (0, 0, 0)), (0.9, (-3, 5, -8)), (1.1, (4, -7, 2))])
def test_a_view_moves_and_scales(scale: float, moved: tuple[int, int, int]) -> None:
    clip = np.random.default_rng(0).random((*SIZE, 3)).astype(np.float32)
    rows, columns = (peer_method.resampling(size, scale, by) for size, by in zip(SIZE[1:], moved[1:], strict=True))
    found = np.einsum("ih,thwc,jw->tijc", rows, np.roll(clip, moved[0], axis=0), columns)
    np.testing.assert_allclose(found, seen_through(clip, scale, moved), atol=1e-5)


def test_views_are_drawn_within_the_methods_reach() -> None:
    generator = np.random.default_rng(3)
    shift, rows, columns = zip(*(peer_method.random_view(generator, (16, 64, 64)) for _ in range(200)), strict=True)
    assert set(map(int, shift)) == {*range(5), *range(12, 16)}  # −4 to 4 of 16 frames
    middles = [np.argmax(matrix[32]) - 31.5 for matrix in (*rows, *columns)]
    assert 7 < max(middles) < 10
    assert -10 < min(middles) < -7
    assert not np.array_equal(rows[0], columns[0])


def test_a_step_is_adams_on_the_negative_mean_response() -> None:
    network = small_c3d()
    generator = np.random.default_rng(1)
    start = generator.normal(0, 0.5, (*SIZE, 3)).astype(np.float32)
    view = peer_method.random_view(generator, SIZE)
    model = network.model(LAYER, SIZE)
    voxels = tf.constant(start)
    with tf.GradientTape() as tape:  # the same by TensorFlow's own gradient, Keras layers and one mean
        tape.watch(voxels)
        shown = tf.sigmoid(tf.einsum("thwc,dc->thwd", voxels, COLOUR_CORRELATION))
        shown = tf.einsum("ih,thwc,jw->tijc", view[1], tf.roll(shown, view[0], 0), view[2])
        before, after = model((256 * shown - 128)[tf.newaxis], training=False)
        loss = -tf.reduce_mean(after[..., FILTER])
    gradient: Any = tape.gradient(loss, voxels)
    assert 0.05 < np.mean(before[..., FILTER] < 0) < 0.9  # the ReLU matters
    step = peer_method.compiled_step(network, LAYER, SIZE, "float32")
    zero, arguments = tf.zeros_like(start), (tf.constant(1), tf.constant(FILTER), tuple(map(tf.constant, view)))
    found, (mean, square), value = step(tf.constant(start), (zero, zero), *arguments)
    assert float(value) == pytest.approx(float(loss), rel=1e-5)
    most = np.abs(gradient).max()
    np.testing.assert_allclose(mean / most, 0.1 * gradient / most, atol=1e-5)
    np.testing.assert_allclose(square / most**2, 0.001 * (gradient / most) ** 2, atol=1e-7)
    large = np.abs(gradient) > 0.01 * most
    np.testing.assert_allclose((found - start)[large], -0.05 * np.sign(gradient)[large], rtol=0.01)


def test_the_activation_rises_and_a_layer_is_traced_once() -> None:
    network = small_c3d()
    peer_method.compiled_step.cache_clear()
    for index in (FILTER, 6):
        spec = c3dvis.RenderSpec(
            network="small-c3d", layer=LAYER, filter=index, frames=SIZE[0], height=SIZE[1], width=SIZE[2]
        )
        shown = Quality(network, spec).shown_activation
        clips = [peer_method.maximize(network, LAYER, index, SIZE, steps, 0, "float32") for steps in (0, 15, 60)]
        before, middle, after = map(shown, clips)
        assert before < middle < after
        assert after > 1.5 * before
    (step,) = peer_method.compiled_step.cache.values()
    assert step.experimental_get_tracing_count() == 1


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, render: Callable[..., Any], *arguments: str) -> dict[str, Any]:
    """The bench with another way to render, and its JSON."""

    def in_this_process(script: str, request: str) -> Any:
        assert Path(script).name == "versus_peers.py"
        return render(**json.loads(request))

    monkeypatch.setattr(versus_peers, "render_in_process", in_this_process)
    monkeypatch.setattr(sys, "argv", ["versus_peers.py", *arguments, "-o", str(folder)])
    versus_peers.main()
    return json.loads((folder / "peers.json").read_text())


def test_a_small_run(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--steps", "2", "--iterations", "2", "--size", "8x32x32"]
    found = run(
        monkeypatch, tmp_path, versus_peers.render, "--layers", "Conv3d_2c_3x3", "--filters", "10", *small
    )  # fmt: skip
    (row,) = found["filters"]
    network = c3dvis.load_network("i3d-kinetics400")
    spec = c3dvis.RenderSpec(layer="Conv3d_2c_3x3", filter=10, frames=8, height=32, width=32)
    peer = peer_method.maximize(network, spec.layer, 10, (8, 32, 32), 2, spec.seed, precision_of(row))
    measured = Quality(network, spec).measure(peer)
    assert row["peer"]["strength"] == pytest.approx(measured["strength"])
    assert row["peer"]["twin_gain"] == pytest.approx(measured["twin_gain"], rel=0.02)  # bfloat16 or float32
    assert row["strength_ratio"] == row["ours"]["strength"] / row["peer"]["strength"]
    assert row["seconds_ratio"] == row["ours"]["seconds"] / row["peer"]["seconds"]
    for method in versus_peers.METHODS:
        assert 0 < row[method]["search_seconds"] <= row[method]["seconds"]
        assert row[method].keys() >= set(versus_peers.COLUMNS)
    lines, targets = (part.splitlines() for part in (tmp_path / "peers.md").read_text().split("\n\nTargets"))
    assert len(lines) == 2 + 3 + 3 * 3  # a filter by three methods, and three sums of each
    assert f"| Conv3d_2c_3x3 10 | peer | {row['peer']['shown_activation']:.2f} |" in lines[3]
    assert len({len(line.split("|")) for line in lines}) == 1
    with Image.open(tmp_path / "peers.png") as sheet:
        assert sheet.size[1] == 32 + 18
    printed = capsys.readouterr().out
    assert "they do not count: 1 filters of 12; 2 steps of the peer's 512; other iterations" in printed
    assert sum(line.startswith(("- reached: ", "- missed: ")) for line in targets) == len(found["targets"]) == 10


def precision_of(row: dict[str, Any]) -> str:
    """The precision that the run's device line names."""
    return "bfloat16" if "bfloat16" in row["peer"]["device"] else "float32"


def figures(**changes: Any) -> dict[str, Any]:
    """Figures of a render that reach every target against those of `PEER`."""
    good = {
        "shown_activation": 6.0, "strength": 6.0, "contrast": 50.0, "clipped": 0.01, "twin_gain": 4.0, "selectivity": 1,
        "robustness": 0.95, "coherence": 0.9, "motion": 1.2, "repetition": 0.1, "seconds": 5.0,
    }  # fmt: skip
    return {**good, **changes}


PEER = figures(strength=4.0, seconds=40.0)


def filters(count: int = 12, **changes: Any) -> list[dict[str, Any]]:
    """Rows of the table, the last one changed."""
    rows = [{"ours": figures(), "peer": PEER} for _ in range(count)]
    rows[-1] = {"ours": figures(**changes), "peer": PEER}
    return [versus_peers.with_ratios({"layer": "Mixed_4c", "filter": i, **row}) for i, row in enumerate(rows)]


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({}, ()),
        ({"strength": 3.9}, ("strength at least",)),
        ({"strength": 0.0}, ("strength at least", "geometric mean of the strength")),
        ({"coherence": 0.7}, ("coherence at least 0.75",)),
        ({"coherence": 0.2}, ("coherence at least 0.85", "coherence at least 0.75")),
        ({"robustness": 0.7}, ("robustness",)),
        ({"selectivity": 2}, ()),  # 11 of 12
        ({"contrast": 38.0}, ("contrast",)),
        ({"contrast": 66.0}, ("contrast",)),
        ({"clipped": 0.03}, ("clipped",)),
        ({"repetition": 0.2}, ("repetition",)),
        ({"seconds": 50.0}, ("at most a fifth",)),
    ],
)
def test_a_target_is_missed_by_what_misses_it(changes: dict[str, Any], missed: tuple[str, ...]) -> None:
    found = [target for target in versus_peers.targets(filters(**changes)) if not target.reached]
    assert len(found) == len(missed)
    assert all(target.name.startswith(name) for target, name in zip(found, missed, strict=True)), found


def test_two_of_twelve_that_are_not_first_miss_the_rank() -> None:
    rows = filters()
    for row in rows[:2]:
        row["ours"] = figures(selectivity=None)  # no rank is not the first
    assert [target.name[:6] for target in versus_peers.targets(rows) if not target.reached] == ["rank 1"]


def test_without_the_peer_nothing_is_said_about_it() -> None:
    found = versus_peers.targets([{"layer": "Mixed_4c", "filter": 1, "ours": figures()}])
    assert [target.reached for target in found] == [None, None, *[True] * 7, None]


def test_a_dead_filter_is_replaced_and_an_interrupted_run_keeps_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = versus_peers.drawn_filters("i3d-kinetics400", "Mixed_3b", 5)
    first, second, third, fourth = (next(drawn) for _ in range(4))

    def render(method: str, target: dict[str, Any], peer_steps: int) -> tuple[np.ndarray, dict[str, Any]]:
        assert peer_steps == 512
        if target["filter"] == fourth:
            raise KeyboardInterrupt
        silent = target["filter"] == second or (target["filter"] == third and method == "ours")
        clip = np.zeros((16, 112, 112, 3), np.uint8)
        return clip, figures(shown_activation=0.0, strength=0.0) if silent else figures()

    arguments = ("--layers", "Mixed_3b", "--draw", "3", "--seed", "5", "--methods", "peer,ours")
    with pytest.raises(KeyboardInterrupt):
        run(monkeypatch, tmp_path, render, *arguments)
    kept = json.loads((tmp_path / "peers.json").read_text())
    assert [row["filter"] for row in kept["filters"]] == [first, third]  # silent in one method alone is not dead
    assert kept["filters"][1]["strength_ratio"] == 0
    assert kept["dead"] == [{"layer": "Mixed_3b", "filter": second}]
    assert f"Mixed_3b {second} is dead" in capsys.readouterr().out
    assert len((tmp_path / "peers.md").read_text().splitlines()) == 2 + 2 * 2 + 2 * 3


def test_filters_are_drawn_by_seed_and_spread_over_the_layers() -> None:
    def draws(*arguments: Any) -> list[int]:
        return list(versus_peers.drawn_filters("i3d-kinetics400", *arguments))

    assert sorted(draws("Mixed_3b", 0)) == list(range(256))
    assert draws("Mixed_3b", 0) == draws("Mixed_3b", 0)
    assert draws("Mixed_3b", 0) != draws("Mixed_3b", 1)
    assert draws("Mixed_4c", 0)[:5] != draws("Mixed_4d", 0)[:5]
    assert versus_peers.spread(12, 8) == [1, 2, 1, 2, 1, 2, 1, 2]
    assert versus_peers.spread(3, 3) == [1, 1, 1]


def test_the_geometric_mean_hides_no_zero() -> None:
    assert side_by_side.geometric_mean([1.0, 4.0, None]) == pytest.approx(2)
    assert side_by_side.geometric_mean([1.0, 0.0]) == 0
    assert side_by_side.geometric_mean([None]) is None
