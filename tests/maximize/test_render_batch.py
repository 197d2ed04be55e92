"""Filters that are searched in one batch: each comes out as it does alone, and nothing of one gets into another."""

from dataclasses import replace

import numpy as np
import pytest

import c3dvis
from c3dvis.errors import Cancelled
from c3dvis.maximize.progress import Progress
from c3dvis.maximize.render import render_batch
from c3dvis.maximize.schedule import LARGEST_BATCH, batch_size, family
from c3dvis.networks.compute.device import describe_device
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.operations import ConvTranspose
from c3dvis.networks.importers.add_network import add
from c3dvis.networks.registry import describe
from c3dvis.results import RenderResult
from tests.networks.test_user_networks import RANGE, save

I3D, C3D = describe("i3d-kinetics400"), describe("c3d-sports1m")
BASE = c3dvis.RenderSpec(layer="Mixed_4d", frames=8, height=64, width=64, iterations=80)
SILENT = 489
"""Noise leaves this filter silent, so it does not race against the others: another energy than theirs."""


def ignore(progress: Progress) -> None:
    """Listens to nothing."""


def results_of(specs: list[c3dvis.RenderSpec]) -> list[RenderResult]:
    ended = render_batch(specs, [ignore] * len(specs))
    results = [result for result in ended if isinstance(result, RenderResult)]
    assert len(results) == len(specs), ended
    return results


def assert_as_alone(specs: list[c3dvis.RenderSpec]) -> list[RenderResult]:
    """To the byte on a CPU in bfloat16; elsewhere several at once are rounded otherwise, and end about as high."""
    alone, results = [c3dvis.render(spec) for spec in specs], results_of(specs)
    exact = describe_device()["kind"] == "CPU" and results[0].provenance["precision"] == "bfloat16"
    for one, other in zip(alone, results, strict=True):
        assert other.spec == one.spec
        assert other.provenance["batch_size"] == len(specs)
        if exact:
            np.testing.assert_array_equal(other.clip, one.clip)
            assert other.metrics == one.metrics
            assert other.history[-1]["step"] == one.history[-1]["step"]
    ends = [np.array([float(each.metrics["shown_activation"] or 0) for each in of]) for of in (alone, results)]
    assert np.mean(ends[1]) == pytest.approx(np.mean(ends[0]), rel=0.1)
    return results


@pytest.mark.parametrize(
    "changes",
    [
        {"height": 48, "width": 48},  # without a small canvas
        {"layer": "Mixed_3c", "iterations": 48},
        {"parametrization": "texture", "iterations": 30},
        {"parametrization": "fourier", "iterations": 30},
        {"layer": "Conv3d_2c_3x3", "parametrization": "pixel", "iterations": 20},
        {"lp_weight": 3.0, "tv_space_weight": 2.0, "tv_beta": 1.5, "iterations": 30},
    ],
)
def test_each_comes_out_as_it_does_alone(weights, changes):
    assert_as_alone([BASE.replace(filter=number, **changes) for number in (3, 40, 7, 12)])


def test_one_that_levels_before_the_others_ends_before_them(tmp_path, monkeypatch):
    """Filter 1 of this network responds alike to every clip, so it levels at once; the others rise slowly."""
    import keras

    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path / "weights"))
    convolutions = [keras.layers.Conv3D(8, 3, padding="same", activation="relu", name=name) for name in ("a", "b")]
    model = keras.Sequential([keras.Input((8, 32, 32, 3)), *convolutions])
    generator = np.random.default_rng(0)
    values = [generator.normal(0, 0.2, part.shape).astype(np.float32) for part in model.get_weights()]
    values[2][..., 1], values[3][1] = 0.0, 1.0
    model.set_weights(values)
    add("mine", save(model, tmp_path / "model.keras"), None, RANGE)
    spec = c3dvis.RenderSpec(network="mine", layer="b", frames=8, height=32, width=32, iterations=120)
    spec = spec.replace(selectivity_weight=0.0, learning_rate=0.004)
    ends = [int(result.history[-1]["step"]) for result in assert_as_alone([spec.replace(filter=n) for n in range(4)])]
    assert ends[1] < min(ends[0], ends[2], ends[3])
    assert max(ends) == 120


def test_a_filter_that_noise_leaves_silent_is_searched_beside_the_others(weights):
    specs = [BASE.replace(filter=number, iterations=24) for number in (SILENT, 3)]
    silent, other = results_of(specs)
    assert silent.metrics["selectivity"] is None
    assert other.metrics["selectivity"] is not None
    assert silent.clip.std() > 20


def test_one_that_is_cancelled_leaves_the_others_alone(weights):
    specs = [BASE.replace(filter=number, iterations=24) for number in (3, 40)]
    seen: list[int] = []

    def cancel(progress: Progress) -> None:
        seen.append(progress.step)
        raise Cancelled("The render was stopped.")

    whole = results_of(specs)
    cancelled, left = render_batch(specs, [cancel, ignore])
    assert isinstance(cancelled, Cancelled)
    assert len(seen) == 1
    assert isinstance(left, RenderResult)
    np.testing.assert_array_equal(left.clip, whole[1].clip)
    seen.clear()
    assert all(isinstance(end, Cancelled) for end in render_batch(specs, [cancel, cancel]))
    assert len(seen) == 2  # it was given up, not gone through to its end


def test_progress_comes_to_each(weights):
    specs = [BASE.replace(filter=number, iterations=24) for number in (3, 40)]
    seen: list[list[Progress]] = [[], []]
    ended = render_batch(specs, [seen[0].append, seen[1].append])
    for heard, result in zip(seen, ended, strict=True):
        assert isinstance(result, RenderResult)
        assert [progress.step for progress in heard] == [row["step"] for row in result.history]
        assert heard[-1].preview is not None
        np.testing.assert_array_equal(heard[-1].preview, result.clip)
        assert heard[-1].shown_activation == pytest.approx(result.metrics["shown_activation"], rel=1e-5)


@pytest.mark.parametrize(
    ("size", "layer", "count"),
    [
        ((16, 112, 112), "Conv3d_2c_3x3", 1),
        ((16, 112, 112), "Mixed_3c", 1),
        ((16, 112, 112), "Mixed_4d", 4),
        ((16, 112, 112), "Mixed_5b", 4),
        ((16, 56, 56), "Mixed_4d", 8),
        ((64, 224, 224), "Mixed_5b", 1),
    ],
)
def test_as_many_go_together_as_pay_on_a_cpu(size, layer, count):
    spec = BASE.replace(layer=layer, frames=size[0], height=size[1], width=size[2])
    assert batch_size(spec, I3D, "CPU", "bfloat16") == count
    assert batch_size(spec, I3D, "CPU", "float32") == 1
    assert batch_size(spec.replace(precision="float32"), I3D, "CPU", "bfloat16") == 1
    assert batch_size(spec.replace(frames=size[0] - 4), I3D, "CPU", "bfloat16") == 1  # sums would be rounded otherwise


def test_a_gpu_takes_more_of_what_is_light():
    assert batch_size(c3dvis.RenderSpec(), I3D, "GPU", "bfloat16") == LARGEST_BATCH
    heavy = c3dvis.RenderSpec(network="c3d-sports1m", layer="conv5b", frames=32, height=224, width=224)
    assert batch_size(heavy, C3D, "GPU", "bfloat16") == 1


@pytest.mark.parametrize("kind", ["CPU", "GPU"])
def test_a_layer_without_a_convolution_goes_alone(kind):
    """As a network of somebody's own may have one: what it costs is not known."""
    up = ConvTranspose("up", ("input",), filters=4, kernel=(2, 2, 2), strides=(2, 2, 2))
    info = replace(I3D, name="own", architecture=Architecture("own", (up,)))
    assert batch_size(BASE.replace(network="own", layer="up"), info, kind, "bfloat16") == 1


def test_without_a_step_each_shows_its_start_but_for_one_that_is_cancelled(weights):
    def cancel(progress: Progress) -> None:
        raise Cancelled("The render was stopped.")

    specs = [BASE.replace(filter=number, iterations=0) for number in (3, 40)]
    cancelled, left = render_batch(specs, [cancel, ignore])
    assert isinstance(cancelled, Cancelled)
    assert isinstance(left, RenderResult)
    np.testing.assert_array_equal(left.clip, c3dvis.render(specs[1]).clip)


def test_a_family_differs_in_its_filters_alone():
    assert family(BASE) == family(BASE.replace(filter=3))
    assert family(BASE) != family(BASE.replace(seed=3))
    alone = [
        {"variants": 2}, {"objective": "neuron"}, {"objective": "layer"}, {"filter": ((1, 1.0), (2, 0.5))},
        {"engine": "keras-vis"},
    ]  # fmt: skip
    assert [family(BASE.replace(**changes)) for changes in alone] == [None] * len(alone)
    assert batch_size(BASE.replace(variants=2), I3D, "GPU", "bfloat16") == 1
