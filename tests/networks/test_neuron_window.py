"""A neuron has the same response on its window as on the whole clip."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import c3dvis
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.neuron_window import window
from c3dvis.networks.graph.operations import Conv
from c3dvis.networks.registry import describe

SIZE = (16, 96, 128)


@pytest.mark.parametrize(
    ("layer", "position"),
    [
        ("Conv3d_1a_7x7", (0, 0, 0)),
        ("Conv3d_2c_3x3", (3, 11, 20)),
        ("Conv3d_2c_3x3", (7, 23, 31)),
        ("Mixed_3b", (4, 6, 8)),
        ("Mixed_3c/Branch_2/Conv3d_0b_3x3", (0, 11, 7)),
        ("Mixed_4b", (2, 1, 6)),
    ],
)
def test_a_neuron_answers_on_its_window_as_on_the_whole_clip(weights, layer, position):
    network = c3dvis.load_network("i3d-kinetics400")
    box = window(network.architecture, layer, position, SIZE)
    clip = np.random.RandomState(0).randint(0, 256, (*SIZE, 3), np.uint8)
    whole = network.respond(clip, layer)[position]
    cut = clip[tuple(slice(a, a + n) for a, n in zip(box.start, box.size, strict=True))]
    assert cut.size < clip.size
    np.testing.assert_allclose(network.respond(cut, layer)[box.position], whole, rtol=1e-3, atol=1e-4)
    # and what it depends on lies inside
    tensor = tf.constant(network.input_domain.to_network(clip)[np.newaxis])

    @tf.function(autograph=False)
    def slope_of_one() -> tf.Tensor:
        response = network.forward(tensor, layer)
        shape: Any = response.before.shape
        one = tf.scatter_nd([[0, *position]], [tf.ones(shape[-1])], shape)
        return response.backward(one, None)

    slope: Any = slope_of_one()
    gradient = np.abs(slope[0]).max(axis=-1)
    for axis, (start, length) in enumerate(zip(box.start, box.size, strict=True)):
        reached = np.flatnonzero(gradient.max(axis=tuple(a for a in range(3) if a != axis)))
        assert start <= reached[0]
        assert reached[-1] < start + length


def test_the_window_of_a_dilated_convolution_holds_its_gaps():
    """As a network of a user's may have one."""
    dilated = Conv("dilated", ("input",), 1, (3, 3, 3), dilation=(1, 2, 4))
    box = window(Architecture("dilated", (dilated,)), "dilated", (4, 8, 9), (8, 16, 18))
    assert (box.start, box.size, box.position) == ((3, 6, 5), (3, 5, 9), (1, 2, 4))


def test_what_looks_everywhere_has_no_window():
    c3d = describe("c3d-sports1m").architecture
    assert window(c3d, "fc6", (0, 0, 0), (16, 112, 112)).size == (16, 112, 112)
    # conv3b 14 ← conv3a 13…15 ← pool2 12…16 ← conv2 24…33 ← pool1 23…34 ← conv1 46…69 ← pixels 45…70, on fours
    assert window(c3d, "conv3b", (4, 14, 14), (16, 112, 112)).size == (14, 28, 28)
