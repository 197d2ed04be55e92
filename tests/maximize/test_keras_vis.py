"""The keras-vis engine: the genuine library, what it is asked for, and that it leaves the process as it was."""

import base64
import collections
import gc
import hashlib
import importlib.metadata
import json
import subprocess
import sys
import threading
import time
from typing import Any

import keras
import numpy as np
import psutil
import pytest
import tensorflow as tf
import tf_keras

import c3dvis
from c3dvis.errors import Cancelled, InvalidSpec, RenderFailed
from c3dvis.maximize.keras_vis.engine import input_range, maximize_with_keras_vis, tf_keras_model
from c3dvis.maximize.keras_vis.library import load, session
from c3dvis.maximize.progress import Progress
from c3dvis.maximize.quality import Quality
from c3dvis.networks.compute.device import configure
from c3dvis.networks.compute.network import Network
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.base_operation import RELU
from c3dvis.networks.graph.input_domain import InputDomain
from c3dvis.networks.graph.operations import Conv
from c3dvis.networks.registry import NetworkInfo
from c3dvis.spec import RenderSpec
from tests.maximize.small_c3d import SIZE, domain_to, small_c3d
from tests.processes import PATIENCE

BGR = InputDomain((-108.0, -103.0, -95.0), (147.0, 152.0, 160.0), "BGR")

# What the second process runs: keras-vis before anything has loaded Keras 3.
SCRIPT = """
import hashlib, json, sys
import c3dvis
sizes = dict(frames=8, height=32, width=32, iterations=8, layer="Conv3d_2c_3x3")
clips = [c3dvis.render(c3dvis.RenderSpec(engine=engine, **sizes)).clip for engine in ("keras-vis", "fast")]
import keras
assert keras.__version__.startswith("3.") and sys.modules["keras"] is keras
print(json.dumps([hashlib.sha256(clip).hexdigest() for clip in clips]))
"""


@pytest.fixture(scope="module", autouse=True)
def _configured() -> None:
    configure()


def _spec(**changes: Any) -> RenderSpec:
    frames, height, width = SIZE
    fields = {"layer": "conv3b", "filter": 2, "iterations": 6, "frames": frames, "height": height, "width": width}
    return RenderSpec(engine="keras-vis", **{**fields, **changes})


def _render(network: Network, spec: RenderSpec, on_progress: Any = None) -> Any:
    measure = Quality(network, spec).shown_activation
    return maximize_with_keras_vis(network, spec, measure, on_progress, time.perf_counter())


def test_the_library_is_the_published_one_unmodified():
    checked = 0
    for file in importlib.metadata.files("keras-vis") or ():
        if file.hash and file.suffix == ".py":
            digest = hashlib.new(file.hash.mode, file.read_binary()).digest()
            assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == file.hash.value, file
            checked += 1
    assert checked > 10
    assert importlib.metadata.version("keras-vis") == "0.4.1"
    load()
    assert sys.modules["vis.optimizer"].__file__ == str(
        importlib.metadata.distribution("keras-vis").locate_file("vis/optimizer.py")
    )


def test_keras_3_is_intact_after_the_library_is_loaded():
    load()
    assert sys.modules["keras"] is keras
    assert keras.__version__.startswith("3.")
    assert sys.modules["keras.layers"] is keras.layers
    assert not hasattr(collections, "Iterable")
    for name in ("keras.layers.convolutional", "keras.layers.pooling", "scipy.misc", "scipy.ndimage.interpolation"):
        module = sys.modules.get(name)
        assert module is None or module.__file__, f"{name} is still a stand-in"
    model = keras.Sequential([keras.Input((2, 2, 2, 1)), keras.layers.Conv3D(1, 1, kernel_initializer="ones")])
    assert float(tf.reduce_sum(model(tf.ones((1, 2, 2, 2, 1))))) == 8


def test_the_library_is_loaded_once_from_any_thread():
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(load())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [item is load() for item in found] == [True] * 4


@pytest.mark.parametrize("layer", ["conv1", "conv3b", "block", "fc6", "fc7"])
def test_the_tf_keras_model_responds_as_the_network(layer):
    network = small_c3d(domain=BGR)
    tensor = np.random.default_rng(0).normal(0, 50, (*SIZE, 3)).astype(np.float32)
    with session():
        model = tf_keras_model(network, layer, SIZE)
        response = tf_keras.backend.function([model.input], [model.output])([tensor[np.newaxis]])[0]
    expected = network.respond_to_input(tensor, layer)
    np.testing.assert_allclose(response.reshape(expected.shape), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("domain", [domain_to(1.0), BGR], ids=["RGB", "BGR"])
def test_the_library_is_called_as_the_spec_says(domain):
    network = small_c3d(domain=domain)
    spec = _spec(activation_weight=3, lp_weight=200, tv_space_weight=0.5, tv_time_weight=0.5, seed=7)
    outcome = _render(network, spec)

    library = load()
    np.random.seed(7)
    with session():
        model = tf_keras_model(network, "conv3b", SIZE)
        found = library.visualize_activation(
            model, library.find_layer_idx(model, "conv3b"), 2, act_max_weight=3, lp_norm_weight=200, tv_weight=0.5,
            max_iter=6, input_range=(min(domain.low), max(domain.high)),
        )  # fmt: skip
    # the network sees in the shown clip what the library found, within a byte's rounding and each channel's range
    valid = np.clip(found, *(np.array(end)[:: 1 if domain.order == "RGB" else -1] for end in (domain.low, domain.high)))
    shown = domain.to_network(outcome.clip)
    assert np.abs(shown - valid).max() <= 0.51 * (domain.high[0] - domain.low[0]) / 255
    assert outcome.clip.std() > 10


def test_input_range_is_the_widest_of_all_channels():
    assert input_range(BGR) == (-108.0, 160.0)


def test_a_search_tells_of_itself_and_is_measured_along_the_way():
    network, told = small_c3d(), []
    spec = _spec(iterations=24, tv_space_weight=0.01, tv_time_weight=0.01)
    outcome = _render(network, spec, told.append)
    assert [p.step for p in told] == [0, 5, 10, 15, 20, 24]
    assert all(isinstance(p, Progress) and p.steps == 24 for p in told)
    assert [p.shown_activation is not None for p in told] == [True, False, False, False, True, True]
    assert all(p.preview.shape == (*SIZE, 3) and p.preview.dtype == np.uint8 for p in told)
    np.testing.assert_array_equal(told[-1].preview, outcome.clip)
    seconds = [p.seconds for p in told]
    assert seconds == sorted(seconds)
    assert [row["step"] for row in outcome.history] == [p.step for p in told]
    assert [row["objective"] for row in outcome.history] == [p.objective for p in told]
    assert outcome.history[-1]["shown_activation"] == Quality(network, spec).shown_activation(outcome.clip)
    assert outcome.history[-1]["objective"] > outcome.history[0]["objective"] > 0


@pytest.mark.parametrize("weight", [0.0, 2.0])
def test_the_objective_is_the_activation_without_its_weight(weight):
    network, spec = small_c3d(), _spec(iterations=1, activation_weight=weight, seed=3)
    np.random.seed(3)
    start = load().random_array((1, *SIZE, 3), mean=0, std=0.05 * 256)
    expected = network.respond_to_input(start[0].astype(np.float32), "conv3b")[..., 2].mean()
    assert _render(network, spec).history[0]["objective"] == pytest.approx(expected, rel=1e-4)


def test_a_class_score_is_searched_too():
    network, spec = small_c3d(), _spec(layer="fc7", objective="class", filter=4, iterations=20)
    history = _render(network, spec).history
    assert history[-1]["objective"] > history[0]["objective"] + 1


def test_no_iterations_show_the_start():
    network = small_c3d()
    told: list[Progress] = []
    outcome = _render(network, _spec(iterations=0), told.append)
    assert [p.step for p in told] == [0]
    assert 20 < outcome.clip.std() < 30  # deprocess_input's deviation of 0.1
    first: list[Progress] = []
    _render(network, _spec(iterations=1), first.append)
    np.testing.assert_array_equal(outcome.clip, first[0].preview)


def test_cancelling_stops_at_the_next_look_and_leaves_eager_tensorflow():
    def cancel(progress: Progress) -> None:
        if progress.step == 5:
            raise Cancelled("stopped")
        assert progress.step < 5

    before = np.random.get_state()[1].copy()  # type: ignore[union-attr]
    with pytest.raises(Cancelled):
        _render(small_c3d(), _spec(iterations=500), cancel)
    assert tf.executing_eagerly()
    assert tf.compat.v1.get_default_session() is None
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # type: ignore[arg-type]


def test_progress_is_told_outside_of_keras_viss_graph():
    eager = []
    _render(small_c3d(), _spec(iterations=1), lambda progress: eager.append(tf.executing_eagerly()))
    assert eager == [True, True]


def test_the_seed_alone_decides_and_numpys_generator_is_put_back():
    network = small_c3d()
    np.random.seed(99)
    expected = np.random.random(3)
    np.random.seed(99)
    first = _render(network, _spec(seed=1)).clip
    np.testing.assert_array_equal(np.random.random(3), expected)
    np.testing.assert_array_equal(_render(network, _spec(seed=1)).clip, first)
    assert (_render(network, _spec(seed=2)).clip != first).mean() > 0.5

    elsewhere: list[np.ndarray] = []
    thread = threading.Thread(target=lambda: elsewhere.append(_render(network, _spec(seed=1)).clip))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(elsewhere[0], first)


def test_an_energy_of_nothing_is_refused():
    spec = _spec(activation_weight=0, lp_weight=0, tv_space_weight=0, tv_time_weight=0)
    with pytest.raises(InvalidSpec, match="something to search for"):
        _render(small_c3d(), spec)


@pytest.mark.parametrize(("scale", "reach"), [(1e12, 128.0), (1e11, 1e-9)], ids=["energy", "gradient"])
def test_numbers_beyond_float32_are_said_to_be_so(scale, reach):
    network = small_c3d(domain=domain_to(reach), scale=scale)
    with pytest.raises(RenderFailed, match="left the range of float32 numbers"):
        _render(network, _spec(lp_weight=0, tv_space_weight=0, tv_time_weight=0))


def test_renders_leave_no_graph_and_no_memory_behind():
    # 14 MB of weights in a network of little arithmetic: nine left behind would show
    architecture = Architecture(
        "wide",
        (
            Conv("narrow", ("input",), 256, activation=RELU),
            Conv("wide", ("narrow",), 512, kernel=(3, 3, 3), activation=RELU),
        ),
    )
    info = NetworkInfo("wide", "", "", "", architecture, domain_to(1.0), (2, 8, 8), "", None)
    generator = np.random.default_rng(0)
    weights = {
        "narrow": (generator.normal(0, 1, (1, 1, 1, 3, 256)).astype(np.float32), np.zeros(256, np.float32)),
        "wide": (generator.normal(0, 0.02, (3, 3, 3, 256, 512)).astype(np.float32), np.zeros(512, np.float32)),
    }
    network = Network(info, weights)
    network.fingerprint = "wide"
    spec = RenderSpec(engine="keras-vis", layer="wide", filter=1, frames=2, height=8, width=8, iterations=2)
    _render(network, spec)
    graphs, memory = _graphs(), psutil.Process().memory_info().rss
    for _ in range(9):
        _render(network, spec)
    assert _graphs() == graphs
    assert psutil.Process().memory_info().rss - memory < 60_000_000


def _graphs() -> int:
    gc.collect()
    return sum(type(item) is tf.Graph for item in gc.get_objects())


def test_render_with_keras_vis_on_real_weights(weights):
    spec = RenderSpec(engine="keras-vis", layer="Conv3d_2c_3x3", iterations=20, frames=8, height=56, width=56)
    result = c3dvis.render(spec)
    assert result.clip.shape == (8, 56, 56, 3)
    assert result.metrics["shown_activation"] == result.history[-1]["shown_activation"]
    assert result.metrics["gain"] > 1  # type: ignore[operator]
    objectives = [row["objective"] for row in result.history]
    assert objectives[-1] > 2 * objectives[0]


def test_same_spec_same_bytes_twice_and_in_another_process(weights):
    sizes: dict[str, Any] = {"frames": 8, "height": 32, "width": 32, "iterations": 8, "layer": "Conv3d_2c_3x3"}
    here = [
        [
            hashlib.sha256(c3dvis.render(RenderSpec(engine=engine, **sizes)).clip.tobytes()).hexdigest()
            for engine in ("keras-vis", "fast")
        ]
        for _ in range(2)
    ]
    there = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT], check=True, capture_output=True, text=True, timeout=PATIENCE
    )
    assert here[0] == here[1] == json.loads(there.stdout.splitlines()[-1])
