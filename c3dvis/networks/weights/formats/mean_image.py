"""Reads the mean that C3D subtracts from a clip: NumPy's `c3d_mean.npy` in its several shapes, Caffe's binaryproto.

    (3,)                                     channel means, B, G, R
    (3, T, H, W), (1, 3, T, H, W)            the cube as Caffe orders it
    (T, H, W, 3), (H, W, 3)                  channels last
    c3d_sport1m_volume_mean.binaryproto      Caffe's BlobProto of the cube

A cube of 128×171 pixels is cropped as the network's clips are. It is averaged over time: in every cube known, frames
differ by a few hundredths of a grey level.
"""

from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.weights.formats.caffe import message_classes

_MAX_BYTES = 64 << 20
_STEADY = 2.0
"""Grey levels by which frames of a mean may differ; more than that is no mean of many clips."""

Crop = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


def read(path: Path, crop: Crop, order: str = "BGR") -> np.ndarray:
    """A mean file as one image.

    Args:
        path: the file.
        crop: ((height, width) before, (first, end) row, (first, end) column).
        order: of the file's channels; `BGR` in every file in circulation.

    Returns:
        (H, W, 3) float32, RGB, 0 to 255; (1, 1, 3) from channel means alone.

    Raises:
        WeightsDamaged: the file is none of these forms, or its values are no mean of pictures.
    """
    cube = _channels_last(path, _array(path))
    if cube.shape[1:3] == crop[0]:
        cube = cube[:, slice(*crop[1]), slice(*crop[2])]
    if not np.isfinite(cube).all() or cube.min() < 0 or cube.max() > 255:
        raise WeightsDamaged(
            f"{path} is no mean of pictures: expected values from 0 to 255, received {cube.min():.4g} to "
            f"{cube.max():.4g}."
        )
    change = float(np.ptp(cube, axis=0).max())
    if change > _STEADY:
        raise WeightsDamaged(
            f"{path} is no mean of many clips: expected frames that differ by less than {_STEADY:g} grey levels, "
            f"received {change:.1f}."
        )
    image = cube.mean(axis=0, dtype=np.float64).astype(np.float32)
    return np.ascontiguousarray(image[..., ::-1] if order == "BGR" else image)


def _array(path: Path) -> np.ndarray:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise WeightsDamaged(f"{path} is too large for a mean file: {path.stat().st_size:,} bytes.")
        data = path.read_bytes()
        if data.startswith(b"\x93NUMPY"):
            array = np.load(path, allow_pickle=False, mmap_mode="r")  # maps what is there: a false size fails
            if array.dtype.kind not in "fiu":
                raise ValueError(f"it holds {array.dtype}")
            return np.asarray(array, np.float32)
        blob = message_classes("c3d")["Blob"].FromString(data)
        shape = (blob.num, blob.channels, blob.length, blob.height, blob.width)
        return np.frombuffer(b"".join(blob.data), "<f4").reshape(shape)
    except OSError as error:
        raise WeightsDamaged(f"{path} cannot be read: {error.strerror or error}.") from None
    except (ValueError, DecodeError, SyntaxError, EOFError) as error:
        raise WeightsDamaged(f"{path} is not a mean file: expected .npy or Caffe's binaryproto ({error}).") from None


def _channels_last(path: Path, array: np.ndarray) -> np.ndarray:
    """(T, H, W, 3) of any of the shapes."""
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
