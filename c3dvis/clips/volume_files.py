"""The files of volumes: NumPy arrays, NIfTI through nibabel, folders of a DICOM series through pydicom.

Each comes as slices from the feet to the head, the front on top and the patient's right side on the left, where the
file says how the patient lies.
"""

import zlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from c3dvis.errors import ClipUnreadable

MAX_VOXELS = 1 << 28
"""Of a volume: 1 GiB as float32."""

_MAX_FILES = 4096


@dataclass(frozen=True, eq=False)
class Voxels:
    """A volume as a file has it.

    Attributes:
        values: (slices, rows, columns) or (slices, rows, columns, channels), numbers.
        aspect: height of a voxel by its width, within a slice.
        notes: sentences on how it was turned or chosen.
    """

    values: Any
    aspect: float = 1.0
    notes: tuple[str, ...] = ()


def read_numpy(path: Path) -> Voxels:
    """A `.npy` array, which stays on the disk until slices of it are read.

    Raises:
        ClipUnreadable: it is no array of numbers, or is cut off.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        reason = "" if "pickle" in str(error) else f" ({error})"  # no advice to trust what was uploaded
        raise ClipUnreadable(f"{path.name} is no array of numbers, or is cut off{reason}.") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "uif":
        raise ClipUnreadable(f"{path.name} holds {getattr(array, 'dtype', 'several arrays')}: expected numbers.")
    return Voxels(array)


def read_nifti(path: Path) -> Voxels:
    """A `.nii` or `.nii.gz` file; of several volumes, such as a series over time, the first.

    Raises:
        ClipUnreadable: it is damaged, too large or no volume.
    """
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    try:
        image: Any = nibabel.load(path)  # type: ignore[attr-defined]
        if len(image.shape) not in (3, 4) or np.prod(image.shape[:3], dtype=float) > MAX_VOXELS:
            raise ClipUnreadable(
                f"{path.name} has the shape {image.shape}: expected a volume of at most {MAX_VOXELS:,} voxels."
            )
        notes = []
        axes = "".join(name or "?" for name in nibabel.aff2axcodes(image.affine))  # type: ignore[attr-defined]
        if len(image.shape) == 4:
            if image.shape[3] > 1:
                notes.append(f"It holds {image.shape[3]} volumes; the first is read.")
            image = image.slicer[..., :1]
        if axes != "RAS":
            notes.append(f"Its axes run {axes}; the volume is turned to slices from feet to head, front on top.")
        turned = nibabel.as_closest_canonical(image)  # type: ignore[attr-defined]
        values = np.asarray(turned.dataobj, np.float32).reshape(turned.shape[:3])
        across, down = (float(size) for size in turned.header.get_zooms()[:2])
    except (ImageFileError, HeaderDataError, EOFError, zlib.error, ValueError, KeyError) as error:
        raise ClipUnreadable(f"{path.name} cannot be read as NIfTI ({' '.join(str(error).split())}).") from None
    # from (to the right, to the front, to the head) to slices from below, the front on top, the right on the left
    values = values.transpose(2, 1, 0)[:, ::-1, ::-1]
    return Voxels(values, down / across if across > 0 and down > 0 else 1.0, tuple(notes))


def read_dicom(folder: Path) -> Voxels:
    """A folder of DICOM files: the series with the most slices, in the order of their positions.

    Raises:
        ClipUnreadable: there is no series, its slices differ in size, or they are compressed in a way that pydicom
            alone does not decode.
    """
    import pydicom
    from pydicom.errors import InvalidDicomError

    files = sorted(path for path in folder.iterdir() if path.is_file())
    if len(files) > _MAX_FILES:
        raise ClipUnreadable(f"{folder.name} has {len(files)} files: expected a DICOM series of at most {_MAX_FILES}.")
    series: dict[str, list[Any]] = defaultdict(list)
    for path in files:
        try:
            data = pydicom.dcmread(path)
        except (InvalidDicomError, EOFError, ValueError):  # another file, as such folders have
            continue
        if "PixelData" in data:
            series[str(data.get("SeriesInstanceUID", ""))].append(data)
    if not series:
        raise ClipUnreadable(f"{folder.name} has no DICOM image: expected a folder of one series, or a single file.")
    chosen = max(series.values(), key=len)
    notes = [f"It holds {len(series)} series; the largest is read."] if len(series) > 1 else []
    chosen.sort(key=_place)
    first = chosen[0]
    voxels = len(chosen) * int(first.Rows) * int(first.Columns) * int(first.get("NumberOfFrames", 1) or 1)
    if voxels > MAX_VOXELS:
        raise ClipUnreadable(f"{folder.name} has {voxels:,} voxels: expected at most {MAX_VOXELS:,}.")
    try:
        slices = [_values(data) for data in chosen]
        values = slices[0] if len(slices) == 1 and slices[0].ndim == 3 else np.stack(slices)
    except (NotImplementedError, RuntimeError, AttributeError) as error:
        raise ClipUnreadable(
            f"The slices of {folder.name} cannot be decoded ({' '.join(str(error).split())[:120]}). Save them "
            "uncompressed."
        ) from None
    except ValueError:
        raise ClipUnreadable(f"The slices of {folder.name} differ in size: expected one volume.") from None
    down, across = (float(size) for size in first.get("PixelSpacing", (1, 1)))
    return Voxels(values, down / across if across > 0 and down > 0 else 1.0, tuple(notes))


def _place(data: Any) -> float:
    """Where a slice lies along the normal of its plane, else its number."""
    position, directions = data.get("ImagePositionPatient"), data.get("ImageOrientationPatient")
    if position is None or directions is None:
        return float(data.get("InstanceNumber", 0) or 0)
    across, down = (np.array(directions[part], float) for part in (slice(0, 3), slice(3, 6)))
    return float(np.dot(np.cross(across, down), np.array(position, float)))


def _values(data: Any) -> np.ndarray:
    """The values of a slice in their own unit; the inverted ones of a film are turned."""
    values = data.pixel_array.astype(np.float32) * float(data.get("RescaleSlope", 1) or 1)
    values = values + float(data.get("RescaleIntercept", 0) or 0)
    return -values if data.get("PhotometricInterpretation") == "MONOCHROME1" else values
