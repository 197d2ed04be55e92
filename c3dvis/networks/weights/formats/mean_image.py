"""Reads the mean that C3D subtracts from a clip: `c3d_mean.npy` in several shapes, or Caffe's binaryproto.

    (3,)                                     channel means, B, G, R
    (3, T, H, W), (1, 3, T, H, W)            the mean clip, channels first as in Caffe
    (T, H, W, 3), (H, W, 3)                  channels last
    c3d_sport1m_volume_mean.binaryproto      the mean clip as Caffe's BlobProto

A mean clip of 128×171 pixels is cropped like the network's clips. It is averaged over time: in every known file, frames
differ by a few hundredths of a grey level.
"""

from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.weights.formats.caffe import message_classes
from c3dvis.networks.weights.formats.stored_arrays import refuse_unreadable

_MAX_BYTES = 64 << 20
_MAX_CHANGE = 2.0
"""Grey levels by which the frames of a mean clip may differ; a mean of many clips differs by less."""

Crop = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


def read(path: Path, crop: Crop, order: str = "BGR") -> np.ndarray:
    """A mean file as one image.

    Args:
        path: the file.
        crop: ((height, width) before the crop, (first, end) row, (first, end) column).
        order: order of the file's channels; `BGR` in every file in circulation.

    Returns:
        (H, W, 3) float32, RGB, 0 to 255; (1, 1, 3) for channel means.

    Raises:
        WeightsDamaged: the file has another format, or its values are not a mean of images.
    """
    cube = _channels_last(path, _array(path))
    if cube.shape[1:3] == crop[0]:
        cube = cube[:, slice(*crop[1]), slice(*crop[2])]
    if not np.isfinite(cube).all() or cube.min() < 0 or cube.max() > 255:
        raise WeightsDamaged(
            f"{path} is not a mean of images: expected values from 0 to 255, received {cube.min():.4g} to "
            f"{cube.max():.4g}."
        )
    change = float(np.ptp(cube, axis=0).max())
    if change > _MAX_CHANGE:
        raise WeightsDamaged(
            f"{path} is not a mean of many clips: expected frames that differ by less than {_MAX_CHANGE:g} grey "
            f"levels, received {change:.1f}."
        )
    image = cube.mean(axis=0, dtype=np.float64).astype(np.float32)
    return np.ascontiguousarray(image[..., ::-1] if order == "BGR" else image)


def _array(path: Path) -> np.ndarray:
    with refuse_unreadable(path):
        if path.stat().st_size > _MAX_BYTES:
            raise WeightsDamaged(f"{path} is too large for a mean file: {path.stat().st_size:,} bytes.")
        data = path.read_bytes()
    try:
        if data.startswith(b"\x93NUMPY"):
            array = np.load(path, allow_pickle=False, mmap_mode="r")  # a declared size beyond the file fails
            if array.dtype.kind not in "fiu":
                raise ValueError(f"it holds {array.dtype}")
            return np.asarray(array, np.float32)
        blob = message_classes("c3d")["Blob"].FromString(data)
        shape = (blob.num, blob.channels, blob.length, blob.height, blob.width)
        return np.frombuffer(b"".join(blob.data), "<f4").reshape(shape)
    except (OSError, ValueError, DecodeError, SyntaxError, EOFError) as error:
        raise WeightsDamaged(f"{path} is not a mean file: expected .npy or Caffe's binaryproto ({error}).") from None


def _channels_last(path: Path, array: np.ndarray) -> np.ndarray:
    """The array as (T, H, W, 3)."""
    if array.ndim == 5 and array.shape[0] == 1:
        array = array[0]
    if array.shape == (3,):
        return array.reshape(1, 1, 1, 3)
    if array.ndim == 3 and array.shape[-1] == 3:
        return array[np.newaxis]
    if array.ndim == 4 and array.shape[-1] == 3 and array.size:
        return array
    if array.ndim == 4 and array.shape[0] == 3 and array.size:
        return array.transpose(1, 2, 3, 0)
    raise WeightsDamaged(
        f"{path} has the shape {array.shape}: expected (3,), (3, T, H, W), (1, 3, T, H, W), (T, H, W, 3) or (H, W, 3)."
    )
