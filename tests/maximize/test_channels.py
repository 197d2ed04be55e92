"""Networks of more than three channels: every channel is searched, and the picture shows those that were chosen."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import c3dvis
from c3dvis.cli import main
from c3dvis.errors import InvalidSpec
from c3dvis.networks.compute import network as networks
from c3dvis.networks.compute.keras_network import KerasNetwork
from c3dvis.networks.weights import child_process
from c3dvis.results import RenderResult
from c3dvis.spec import RenderSpec
from tests.networks.keras_models import save
from tests.networks.test_user_networks import ask_here

SIZE = (4, 16, 16)


def five_channels() -> Any:
    """A model whose filter n reads channel n alone, and answers only to one that is brighter here and darker there."""
    import keras

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((*SIZE, 5)), keras.layers.Conv3D(5, (1, 3, 3), activation="relu", name="c")])
    kernel = np.zeros((1, 3, 3, 5, 5), np.float32)
    for channel in range(5):
        kernel[0, :, :, channel, channel] = [[1, 0, -1]] * 3
    model.layers[0].set_weights([kernel, np.full(5, -0.5, np.float32)])
    return model


@pytest.fixture(scope="module")
def network() -> KerasNetwork:
    return c3dvis.from_keras(five_channels(), range=(0, 1), name="five")


@pytest.fixture(scope="module")
def result(network: KerasNetwork) -> RenderResult:
    return c3dvis.render(spec(), network=network)


def spec(**changes: Any) -> RenderSpec:
    frames, height, width = SIZE
    settings = {"iterations": 80, "filter": 3, **changes}
    return RenderSpec(network="five", layer="c", frames=frames, height=height, width=width, **settings)


def test_a_filter_of_the_fourth_channel_is_alive_and_shown(network: KerasNetwork, result: RenderResult) -> None:
    assert result.metrics["dead"] is False
    assert result.channels is not None
    assert result.channels.shape == (*SIZE, 5)
    assert not result.channels.flags.writeable
    deviations = result.channels.std(axis=(0, 1, 2))
    assert deviations[3] > 5 * np.delete(deviations, 3).max()
    response = network.respond(result.channels, "c")[..., 3].mean()
    assert response == pytest.approx(result.metrics["shown_activation"], rel=1e-5)
    assert response > 0.1
    assert result.clip.shape == (4, 16, 5 * 16, 3)  # all side by side
    np.testing.assert_array_equal(result.clip[:, :, 48:64], result.channels[..., [3, 3, 3]])


@pytest.mark.parametrize("parametrization", ["pixel", "natural", "fourier", "texture"])
def test_every_parametrisation_searches_all_channels(parametrization: str, network: KerasNetwork) -> None:
    found = c3dvis.render(spec(filter=4, parametrization=parametrization, learning_rate=0.2), network=network)
    assert found.metrics["dead"] is False
    assert found.channels is not None
    assert found.channels[..., 4].std() == found.channels.std(axis=(0, 1, 2)).max()


def test_a_neuron_is_searched_in_its_window(network: KerasNetwork) -> None:
    found = c3dvis.render(spec(objective="neuron"), network=network)
    assert found.channels is not None
    assert found.channels.shape == (*SIZE, 5)
    assert found.metrics["shown_activation"] > 0  # pyright: ignore[reportOptionalOperand]


def test_such_a_result_is_kept_in_its_file(result: RenderResult) -> None:
    again = RenderResult.from_bytes(result.to_bytes())
    np.testing.assert_array_equal(again.clip, result.clip)
    assert again.channels is not None
    assert result.channels is not None
    np.testing.assert_array_equal(again.channels, result.channels)
    for wrong in ({"channels": None}, {"channels": result.channels[..., :3]}, {"clip": result.clip[:, :, :70]}):
        with pytest.raises(ValueError, match=r"do(es)? not fit"):
            replace(result, **wrong)


def test_texture_and_motion_are_of_pictures(network: KerasNetwork, result: RenderResult) -> None:
    with pytest.raises(InvalidSpec, match="up to three channels, received five of 5"):
        c3dvis.take_apart(result, network=network)


@pytest.mark.parametrize(
    ("asked", "said", "shown"),
    [("all", "side by side", None), ("4,3,0", "red, green", [4, 3, 0])],
)
def test_the_choice_is_made_with_the_network(
    asked: str,
    said: str,
    shown: list[int] | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path / "weights"))
    monkeypatch.setenv("C3DVIS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(networks, "_loaded", {})
    monkeypatch.setattr(child_process, "ask", ask_here)
    save(five_channels(), tmp_path / "five.keras")
    adding = ["networks", "add", "five", "--architecture", str(tmp_path / "five.keras"), "--range", "0", "1"]
    assert main([*adding, "--show-channels", asked]) == 0
    assert said in capsys.readouterr().out
    command = ["render", "--network", "five", "--layer", "c", "--filter", "3", "--iterations", "8"]
    assert main([*command, "-o", str(tmp_path / "out.npy"), "-o", str(tmp_path / "out.h5")]) == 0
    picture = np.load(tmp_path / "out.npy")
    result = RenderResult.from_bytes((tmp_path / "out.h5").read_bytes())
    assert result.channels is not None
    expected = result.channels[..., shown] if shown else np.concatenate(np.moveaxis(result.channels, -1, 0), axis=2)
    np.testing.assert_array_equal(picture[..., 0] if not shown else picture, expected)
    assert main([*command, "--texture-motion", "-o", str(tmp_path / "out.gif")]) == 2
    assert "up to three channels" in capsys.readouterr().err
    for wrong in ("5", "0,1", "0,1,1", "red"):
        assert main([*adding, "--show-channels", wrong]) == 2
        assert "channels to show" in capsys.readouterr().err
