"""The data that the layer strip and the player send to the browser."""

import json
import struct

import numpy as np
import pytest

from c3dvis.networks import registry
from c3dvis.ui.components.layer_strip import _block_label, strip_blocks
from c3dvis.ui.components.player import MAGIC, player_message


@pytest.mark.parametrize("name", registry.NAMES)
def test_the_strip_reaches_every_layer_once(name: str) -> None:
    info = registry.describe(name)
    blocks = strip_blocks(info, info.default_size)
    inside = [layer["name"] for block in blocks for branch in block["branches"] for layer in branch["layers"]]
    assert sorted([*inside, *(block["layer"] for block in blocks)]) == sorted(info.layers)


def test_labels_tell_blocks_apart() -> None:
    known = {
        "Mixed_4d": "4d", "Conv3d_1a_7x7": "1a", "conv3a": "3a", "fc6": "fc6", "Logits": "Log", "conv_2": "c2",
        "conv_12": "c12", "layer4.1.conv2": "4.1", "dense": "den", "stage2_block10": "2.10",
    }  # fmt: skip
    assert {name: _block_label(name) for name in known} == known


def test_the_strip_shrinks_with_the_feature_maps() -> None:
    blocks = {block["layer"]: block for block in strip_blocks(registry.describe("c3d-sports1m"), (16, 112, 112))}
    assert blocks["conv1"]["height"] > blocks["conv3a"]["height"] > blocks["conv5b"]["height"]
    assert (blocks["conv3a"]["label"], blocks["fc6"]["label"]) == ("3a", "fc6")
    assert blocks["conv3a"]["shape"] == "8 × 28 × 28, 256 filters"


def unpack(message: bytes) -> tuple[dict[str, object], bytes]:
    length = struct.unpack_from("<I", message, 4)[0]
    return json.loads(message[8 : 8 + length]), message[8 + length :]


def test_a_clip_travels_as_its_own_bytes() -> None:
    clip = np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3)
    message = player_message(clip[:, ::-1], clip_key="k", label="é", shape=(4, 8, 12), live=True)
    header, pixels = unpack(message)
    assert message.startswith(MAGIC)
    assert (header["shape"], header["display"], header["label"]) == ([2, 4, 6], [4, 8, 12], "é")
    assert pixels == clip[:, ::-1].tobytes()


def test_an_empty_player_says_why() -> None:
    header, pixels = unpack(player_message(None, clip_key="e", label="x", shape=(16, 112, 112), placeholder="soon"))
    assert (header["placeholder"], header["shape"], pixels) == ("soon", [16, 112, 112], b"")


@pytest.mark.parametrize("clip", [np.zeros((2, 4, 4), np.uint8), np.zeros((2, 4, 4, 3), np.float32), None])
def test_what_is_no_clip_is_refused(clip: np.ndarray | None) -> None:
    with pytest.raises(ValueError, match="received"):
        player_message(clip, clip_key="k", label="x")
