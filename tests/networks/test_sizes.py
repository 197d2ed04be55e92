"""Clips of every size: the network's own where none is given, from one frame of one pixel on, as far as memory goes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import c3dvis
from c3dvis.atlas.plan import make_plan
from c3dvis.cli import main
from c3dvis.errors import InvalidSpec
from c3dvis.maximize import memory
from c3dvis.networks import nearest_spec, registry
from c3dvis.networks.compute import network as networks
from c3dvis.networks.importers.add_network import add
from c3dvis.networks.network_info import NetworkInfo
from c3dvis.networks.weights import child_process, installed_weights
from c3dvis.results import ResultStore
from c3dvis.results.file_formats import FORMATS, encode_result
from c3dvis.spec import RenderSpec
from tests.networks.keras_models import randomised, save
from tests.networks.test_user_networks import ask_here

OWN = (4, 12, 20)
QUICK = {"iterations": 2, "selectivity_weight": 0.0}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A weights folder of this test's own."""
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path / "weights"))
    monkeypatch.setenv("C3DVIS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(networks, "_loaded", {})
    monkeypatch.setattr(child_process, "ask", ask_here)
    return tmp_path


def with_dense(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((*OWN, 3)),
            layers.Conv3D(4, 3, padding="same", activation="relu", name="conv"),
            layers.MaxPooling3D(2, name="pool"),
            layers.Flatten(name="flat"),
            layers.Dense(5, name="scores"),
        ]
    )


def added(folder: Path, size: tuple[int, int, int] | None = None) -> NetworkInfo:
    import keras

    return add("mine", save(randomised(with_dense(keras)), folder / "m.keras"), None, ((0.0,), (1.0,)), size=size)


def test_without_a_size_a_clip_has_the_networks_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert added(folder).default_size == OWN
    bare = RenderSpec(network="mine", layer="conv", filter=1, **QUICK)
    result = c3dvis.render(bare)
    assert result.clip.shape == (*OWN, 3)
    assert result.spec == registry.sized(bare)
    with ResultStore(folder / "store") as store:
        store.put(result)
        assert store.get(bare) is not None
    assert {spec.size for spec in make_plan(RenderSpec(network="mine")).specs} == {OWN}
    assert nearest_spec.read_link({"network": "mine", "layer": "conv"})[0].size == OWN
    assert main(["render", "--network", "mine", "--layer", "conv", "--filter", "1", "--iterations", "2",
                 "-o", str(folder / "a.npy"), "--width", "24"]) == 0  # fmt: skip
    assert np.load(folder / "a.npy").shape == (4, 12, 24, 3)


def test_a_dense_layer_holds_the_size_it_has_weights_for(folder: Path) -> None:
    info = added(folder, size=(2, 8, 8))
    assert installed_weights.proof(info).is_proved  # at the size of the model
    assert (info.default_size, info.trained_size) == ((2, 8, 8), OWN)
    assert (info.held_size("conv"), info.held_size("scores")) == (None, OWN)
    assert registry.sized(RenderSpec(network="mine", layer="conv")).size == (2, 8, 8)
    dense = RenderSpec(network="mine", layer="scores", filter=1, **QUICK)
    assert c3dvis.render(dense).clip.shape == (*OWN, 3)
    assert c3dvis.render(dense.replace(layer="conv")).clip.shape == (2, 8, 8, 3)
    with pytest.raises(InvalidSpec, match=r"scores of mine has weights for clips of 4×12×20"):
        info.check(dense.replace(frames=2, height=8, width=8))
    by_layer = make_plan(RenderSpec(network="mine"), ["conv", "scores"]).layers
    assert [by_layer[layer][0].size for layer in ("conv", "scores")] == [(2, 8, 8), OWN]


@pytest.mark.parametrize("size", [(1, 1, 1), (1, 1, 9), (3, 2, 1), (2, 1, 1024), (512, 3, 2)])
def test_extreme_sizes(size: tuple[int, int, int], folder: Path) -> None:
    added(folder)
    frames, height, width = size
    for changes in ({}, {"parametrization": "pixel"}, {"tv_space_weight": 1.0, "tv_beta": 2.0, "lp_weight": 1.0}):
        spec = RenderSpec(network="mine", layer="conv", frames=frames, height=height, width=width, **QUICK)
        result = c3dvis.render(spec.replace(filter=1, **changes))
        assert result.clip.shape == (*size, 3)
        assert result.metrics["gain"] is None or np.isfinite(float(result.metrics["gain"]))
        assert c3dvis.results.RenderResult.from_bytes(result.to_bytes()).spec == result.spec
    for name in FORMATS:
        assert encode_result(result, name)


def test_a_clip_that_memory_does_not_hold_is_refused_before_it_is_begun(folder: Path) -> None:
    info = added(folder)
    largest = RenderSpec(network="mine", layer="conv", filter=1, frames=512, height=1024, width=1024)
    with pytest.raises(InvalidSpec, match=r"512×1024×1024 \(frames×height×width\) at conv takes about \d+\.\d GB"):
        c3dvis.render(largest)
    usual = memory.needed(registry.sized(largest.replace(frames=None, height=None, width=None)), info)
    assert usual < memory.available()
    assert memory.needed(largest, info) > 500 * usual
