"""`render()` on the real network: compiled once, on the device there is, stopped when asked, clear about bad specs."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import c3dvis
from c3dvis.errors import Cancelled, InvalidSpec, RenderFailed, UnknownLayer, UnknownNetwork
from c3dvis.maximize import fast_engine
from c3dvis.maximize.optimization import compiled_steps
from c3dvis.maximize.progress import Progress
from c3dvis.maximize.volume.canvas import tile_canvas
from c3dvis.networks.compute.device import describe_device, resolve_precision
from c3dvis.spec.fields import CHOICES
from tests.maximize.small_c3d import PRECISIONS, SIZE, domain_to, small_c3d

SMALL = c3dvis.RenderSpec(layer="Conv3d_2c_3x3", filter=10, frames=8, height=48, width=48, iterations=16)


@pytest.fixture(autouse=True)
def _weights(weights):
    pass


def test_a_layer_and_size_is_compiled_once_whatever_else_changes():
    compiled_steps.cache_clear()
    changes = [
        {}, {"filter": 3}, {"seed": 9}, {"iterations": 21}, {"selectivity_weight": 3.0}, {"jitter_pixels": 0},
        {"learning_rate": 0.2},
    ]  # fmt: skip
    clips = [c3dvis.render(SMALL.replace(**change)).clip for change in changes]
    assert len(compiled_steps.cache) == 2  # the small canvas, and full size
    terms = [{"tv_time_weight": 20.0}, {"tv_time_weight": 90.0, "filter": 3}]
    clips += [c3dvis.render(SMALL.replace(**change)).clip for change in terms]
    assert len(compiled_steps.cache) == 3  # full size with another term
    for steps in compiled_steps.cache.values():  # a step of the one, a loop of the other, each traced once
        traced = steps.step.experimental_get_tracing_count() + steps.advance.experimental_get_tracing_count()
        assert traced == 1
    assert len({clip.tobytes() for clip in clips}) == len(clips)  # and every change shows


def test_it_renders_on_the_gpu_where_there_is_one():
    gpus = tf.config.list_physical_devices("GPU")
    described = describe_device()
    assert described["kind"] == ("GPU" if gpus else "CPU")
    result = c3dvis.render(SMALL)
    assert result.provenance["device"] == described["device"]
    assert result.provenance["precision"] == resolve_precision("auto")
    assert all(tf.config.experimental.get_memory_growth(gpu) for gpu in gpus)
    model = c3dvis.load_network(SMALL.network).model("Conv3d_1a_7x7", (8, 48, 48))
    _, after = model(tf.zeros((1, 8, 48, 48, 3)))
    assert after.device.endswith("GPU:0" if gpus else "CPU:0")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_both_precisions_find_the_filter(precision):
    result = c3dvis.render(SMALL.replace(precision=precision, iterations=24))
    assert precision in str(result.provenance["device"])
    noise, deviation = result.metrics["noise_activation"], result.metrics["noise_deviation"]
    assert isinstance(noise, float)
    assert isinstance(deviation, float)
    assert result.history[-1]["shown_activation"] > noise + 5 * deviation


def test_progress_comes_along_the_way_and_ends_with_the_result():
    seen = []
    result = c3dvis.render(SMALL, seen.append)
    assert [progress.step for progress in seen] == [0, 1, 2, 3, 4, 11, 16]  # start, sketch, climb, settling
    np.testing.assert_array_equal(seen[-1].preview, result.clip)
    assert seen[-1].shown_activation == pytest.approx(result.metrics["shown_activation"], rel=1e-5)


def test_a_search_without_a_sketch_shows_its_first_steps_and_finds_the_same(monkeypatch):
    seen = []
    spec = SMALL.replace(objective="neuron")
    result = c3dvis.render(spec, seen.append)
    assert [progress.step for progress in seen] == [0, 1, 2, 4, 8, 10, 12, 16]
    monkeypatch.setattr(fast_engine, "EARLY_REPORTS", ())
    np.testing.assert_array_equal(c3dvis.render(spec).clip, result.clip)


def test_no_steps_show_the_start():
    result = c3dvis.render(SMALL.replace(iterations=0))
    assert result.history == []
    assert 0 < result.clip.std() < 20


def test_the_contrast_is_natural_by_default_and_as_asked_for():
    assert SMALL.contrast == 44
    for contrast, tolerance, clipped in ((44, 0.05, 0.02), (55, 0.08, 0.06)):  # the soft limit takes more of more
        metrics: Any = c3dvis.render(SMALL.replace(contrast=contrast)).metrics
        assert metrics["contrast"] == pytest.approx(contrast, rel=tolerance)
        assert metrics["clipped"] < clipped


def test_what_on_progress_raises_ends_the_render():
    def cancel(progress):
        if progress.step:
            raise Cancelled("The render was stopped.")

    with pytest.raises(Cancelled):
        c3dvis.render(SMALL, cancel)


def test_more_time_weight_stills_the_picture():
    moving = c3dvis.render(SMALL.replace(iterations=40)).metrics["coherence"]
    still = c3dvis.render(SMALL.replace(iterations=40, tv_time_weight=300.0)).metrics["coherence"]
    assert isinstance(still, float)
    assert isinstance(moving, float)
    assert still > moving
    assert still > 0.95


def test_a_class_is_looked_for_at_the_scores():
    spec = c3dvis.RenderSpec(objective="class", layer="Logits/Conv3d_0c_1x1", filter=148, iterations=2)
    spec = spec.replace(frames=9, height=193, width=193)
    reports: list[Progress] = []
    result = c3dvis.render(spec, reports.append)
    assert result.history[-1]["shown_activation"] == pytest.approx(result.metrics["shown_activation"], rel=1e-4)
    start, first, *_ = reports  # the start is shown before noise is measured and the step compiled
    assert (start.step, start.objective, first.step) == (0, None, 1)
    assert start.seconds < first.seconds / 3
    assert start.preview is not None
    np.testing.assert_array_equal(start.preview, c3dvis.render(spec.replace(iterations=0)).clip)
    np.testing.assert_array_equal(result.clip, c3dvis.render(spec.replace(objective="filter")).clip)
    with pytest.raises(InvalidSpec, match="class score is read at Logits"):
        c3dvis.render(SMALL.replace(objective="class"))


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"network": "vgg"}, UnknownNetwork, "expected one of i3d-kinetics400, c3d-sports1m"),
        ({"layer": "Mixed_9"}, UnknownLayer, "c3dvis layers i3d-kinetics400"),
        ({"layer": "MaxPool3d_2a_3x3"}, UnknownLayer, "can be targeted"),
        ({"filter": 192}, InvalidSpec, "filters 0 to 191; received filter 192"),
        ({"objective": "neuron", "position": (9, 0, 0)}, InvalidSpec, "positions up to 3,11,11"),
        ({"layer": "Logits/Conv3d_0c_1x1"}, InvalidSpec, "Expected at least 9×193×193"),
    ],
)
def test_what_the_network_has_not_is_refused_in_a_sentence(changes, error, words):
    with pytest.raises(error) as caught:
        c3dvis.render(SMALL.replace(**changes))
    assert words in str(caught.value)


def test_of_a_neuron_only_what_it_sees_is_computed():
    spec = SMALL.replace(objective="neuron", position=(1, 3, 3), iterations=24)
    result = c3dvis.render(spec)
    touched = np.argwhere((result.clip != 128).any(axis=-1))
    assert np.all(touched.max(axis=0) - touched.min(axis=0) < (8, 24, 24))  # of 8 × 48 × 48
    assert (1, 12, 12) in map(tuple, touched)  # where the neuron looks
    network = c3dvis.load_network(spec.network)
    response = network.respond(result.clip, spec.layer)[1, 3, 3, 10]
    assert result.metrics["shown_activation"] == pytest.approx(response, rel=1e-4)
    assert response > 2 * network.respond(np.full_like(result.clip, 128), spec.layer)[1, 3, 3, 10]


@pytest.mark.parametrize("parametrization", CHOICES["parametrization"])
@pytest.mark.parametrize(("scale", "reach"), [(1e12, 128.0), (1e11, 1e-9)], ids=["energy", "gradient"])
def test_numbers_beyond_float32_are_said_to_be_so(parametrization, scale, reach):
    """Whatever becomes of the parameters: a gradient that is no number makes them none, with steps still to come."""
    frames, height, width = SIZE
    spec = c3dvis.RenderSpec(
        network="small-c3d", layer="conv3b", filter=2, iterations=24, frames=frames, height=height, width=width,
        parametrization=parametrization, precision="float32", selectivity_weight=0, tv_time_weight=0,
    )  # fmt: skip
    with pytest.raises(RenderFailed, match="left the range of float32 numbers"):
        c3dvis.render(spec, network=small_c3d(domain=domain_to(reach), scale=scale))


def test_each_seed_and_each_variant_has_a_start_of_its_own(monkeypatch):
    """Also of what the sketch does not determine: the motion, and what changes."""

    def spy(*arguments: Any) -> np.ndarray:
        start = tile_canvas(*arguments)
        _, *others = arguments[-1].parts(tf.constant(start[np.newaxis]))
        seen.update(part.numpy().tobytes() for part in others)
        return start

    seen: set[bytes] = set()
    monkeypatch.setattr(fast_engine, "tile_canvas", spy)
    fast_engine.maximize_variants.cache_clear()
    spec = SMALL.replace(layer="Mixed_3b", height=64, width=64)
    for changes in ({}, {"seed": 1}, {"variants": 2}):
        c3dvis.render(spec.replace(**changes))
    assert len(seen) == 2 * 3  # the first variant starts where a single clip does


def test_variants_are_clips_of_one_filter_that_differ():
    """Found together they differ more than clips found alone from the same starts."""
    from scipy.spatial.distance import cosine

    fast_engine.maximize_variants.cache_clear()
    spec = SMALL.replace(layer="Mixed_3b", filter=29, iterations=40, variants=2)
    first, second = (c3dvis.render(spec.replace(variant=variant)) for variant in (0, 1))
    network = c3dvis.load_network(spec.network)

    def gram(clip: np.ndarray) -> np.ndarray:
        features = network.respond(clip, spec.layer).reshape(-1, 256)
        return (features.T @ features).ravel()

    alone = c3dvis.render(spec.replace(variants=1))
    other = c3dvis.render(spec.replace(variants=1, seed=int(np.random.SeedSequence([0, 1]).generate_state(1)[0])))
    apart, by_chance = (cosine(gram(a.clip), gram(b.clip)) for a, b in ((first, second), (alone, other)))
    assert apart > 1.2 * by_chance
    for result in (first, second):
        gain = result.metrics["gain"]
        assert isinstance(gain, float)
        assert gain > 1.5
        assert result.history[-1]["shown_activation"] == pytest.approx(result.metrics["shown_activation"], rel=1e-5)
    fast_engine.maximize_variants.cache_clear()
    np.testing.assert_array_equal(c3dvis.render(spec.replace(variant=1)).clip, second.clip)
    with pytest.raises(InvalidSpec, match="variant must be below variants"):
        spec.replace(variant=2)
