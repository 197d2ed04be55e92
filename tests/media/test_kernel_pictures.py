"""Kernels as pictures: what is 0 is grey, and equal weights of opposite sign are as far from it."""

import numpy as np

from c3dvis.media.kernel_pictures import colour_kernel, norm_kernel, signed_kernel


def test_a_colour_kernel_is_what_it_adds_to_grey() -> None:
    kernel = np.zeros((2, 1, 2, 3))
    kernel[0, 0, 0] = (2, -2, 1)
    kernel[1, 0, 1] = (-1, 0, 0)
    clip = colour_kernel(kernel)
    assert clip.dtype == np.uint8
    np.testing.assert_array_equal(clip[0, 0, 0], (255, 0, 191))
    np.testing.assert_array_equal(clip[1, 0, 1], (64, 128, 128))
    np.testing.assert_array_equal(clip[0, 0, 1], (128, 128, 128))


def test_signs_have_colours_on_one_scale() -> None:
    clip = signed_kernel(np.array([[[0.0, 0.5, -0.5, 1.0, -1.0, 9.0]]]), 1.0)[0, 0].astype(int)
    np.testing.assert_array_equal(clip[0], (128, 128, 128))
    assert clip[1, 0] > 128 > clip[1, 2]
    assert clip[2, 2] > 128 > clip[2, 0]
    np.testing.assert_allclose(clip[1] - 128, (clip[3] - 128) / 2, atol=0.5)
    np.testing.assert_allclose(clip[2] - 128, (clip[4] - 128) / 2, atol=0.5)
    np.testing.assert_array_equal(clip[5], clip[3])  # beyond the scale it has the full colour


def test_norms_are_lightness_from_black() -> None:
    clip = norm_kernel(np.array([[[0.0, 2.0, 1.0]]]))
    np.testing.assert_array_equal(clip[0, 0], [[0] * 3, [255] * 3, [128] * 3])


def test_a_kernel_of_zeros_is_grey() -> None:
    zeros = np.zeros((1, 2, 2, 3))
    assert (colour_kernel(zeros) == 128).all()
    assert (signed_kernel(zeros[..., 0], 0.0) == 128).all()
    assert (norm_kernel(zeros[..., 0]) == 0).all()
