"""Volumes: the same slices whichever way a file is turned, and one sentence for each that cannot be read."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from c3dvis.clips.volume import Volume
from c3dvis.errors import ClipUnreadable

SHAPE = (12, 20, 16)  # slices from the feet to the head, rows from front to back, columns from right to left


def anatomy() -> np.ndarray:
    """A ramp along each axis, so that every turn or mirror shows."""
    z, y, x = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in SHAPE), indexing="ij")
    return 100 * z + 3 * y + x / 20


def canonical(axes: str, path: Path, zooms: tuple[float, float, float] = (1, 1, 1)) -> Path:
    """A NIfTI file with the anatomy, whose axes run as `axes` says, such as LPS."""
    ras = anatomy()[:, ::-1, ::-1].transpose(2, 1, 0)  # to the right, to the front, to the head
    order = ["RL AP SI".index(letter) // 3 for letter in axes]
    values = ras.transpose(order)
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for index, (axis, letter) in enumerate(zip(order, axes, strict=True)):
        sign = 1 if letter in "RAS" else -1
        if sign < 0:
            values = np.flip(values, index)
        affine[axis, index] = sign * zooms[axis]
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(values), affine), path)  # type: ignore[attr-defined]
    return path


def slices(path: Path) -> np.ndarray:
    return np.stack([frame[..., 0] for _, frame in Volume(path).frames(range(SHAPE[0]))])


@pytest.mark.parametrize("axes", ["RAS", "LPS", "LAS", "SRP", "PIR"])
def test_a_turned_volume_has_the_same_slices(tmp_path: Path, axes: str) -> None:
    path = canonical(axes, tmp_path / "a.nii.gz")
    low, high = np.percentile(anatomy(), (0.5, 99.5))
    expected = np.clip((anatomy() - low) / (high - low), 0, 1) * 255
    assert np.abs(slices(path) - expected).max() <= 0.51
    notes = " ".join(Volume(path).describe().notes)
    assert (axes in notes) == (axes != "RAS")
    assert "Black is" in notes


def test_slices_are_frames(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", anatomy())
    volume = Volume(tmp_path / "a.npy")
    info = volume.describe()
    assert (info.kind, info.frame_count, info.frames_per_second) == ("volume", 12, 1)
    assert (info.height, info.width, info.channels) == (20, 16, 1)
    assert [time for time, _ in volume.frames([3, 5, 11, 12, 13])] == [3, 5, 11]
    assert len(list(volume.strip(4))) == 4


def test_voxels_that_are_not_square_are_shown_so(tmp_path: Path) -> None:
    volume = Volume(canonical("RAS", tmp_path / "a.nii", (1, 2, 5)))
    assert (volume.describe().height, volume.describe().width) == (40, 16)
    fitted = volume.fit(next(volume.frames([2]))[1], (32, 32))
    assert fitted.shape == (32, 32, 3)


def test_an_array_of_bytes_is_taken_as_it_is(tmp_path: Path) -> None:
    clip = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8)
    np.save(tmp_path / "a.npy", clip)
    volume = Volume(tmp_path / "a.npy")
    assert np.array_equal(np.stack([volume.fit(f, (16, 16)) for _, f in volume.frames(range(6))]), clip)
    many = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 5), np.uint8)
    np.save(tmp_path / "many.npy", many)
    volume = Volume(tmp_path / "many.npy")
    assert np.array_equal(np.stack([volume.fit(f, (16, 16)) for _, f in volume.frames(range(6))]), many)


def write_dicom(folder: Path, values: np.ndarray, order: list[int]) -> None:
    """One file for each slice, named in another order than they lie."""
    folder.mkdir()
    series = generate_uid()
    for number, index in enumerate(order):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
        data = FileDataset(folder / f"{number}.dcm", {}, file_meta=meta, preamble=b"\0" * 128)
        data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        data.SeriesInstanceUID, data.InstanceNumber = series, number
        data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, 5 * index], [1, 0, 0, 0, 1, 0]
        data.Rows, data.Columns = values.shape[1:]
        data.PixelSpacing, data.PhotometricInterpretation = [1, 1], "MONOCHROME2"
        data.SamplesPerPixel, data.BitsAllocated, data.BitsStored, data.HighBit = 1, 16, 16, 15
        data.PixelRepresentation, data.RescaleSlope, data.RescaleIntercept = 0, 2, -1024
        data.PixelData = values[index].astype(np.uint16).tobytes()
        data.save_as(folder / f"{number}.dcm")


def test_a_dicom_series_is_sorted_by_position(tmp_path: Path) -> None:
    values = np.round(anatomy())
    write_dicom(tmp_path / "series", values, [5, 2, 0, 9, 11, 1, 3, 4, 6, 7, 8, 10])
    (tmp_path / "series" / "readme.txt").write_text("not DICOM")
    low, high = np.percentile(values, (0.5, 99.5))
    expected = np.clip((values - low) / (high - low), 0, 1) * 255
    assert np.abs(slices(tmp_path / "series") - expected).max() <= 0.51
    assert f"white {2 * high - 1024:.4g}" in " ".join(Volume(tmp_path / "series").describe().notes)


def test_volumes_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    bad = anatomy()
    bad[3, 4, 5] = np.nan
    np.save(tmp_path / "nan.npy", bad)
    np.save(tmp_path / "flat.npy", np.zeros((4, 5)))
    np.save(tmp_path / "words.npy", np.array(["a", "b"]))
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    (tmp_path / "other.npy").write_bytes(b"not an array, and no pickle that anyone should trust")
    whole = canonical("RAS", tmp_path / "whole.nii.gz").read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.nii.gz").write_text("not a volume")
    (tmp_path / "empty").mkdir()
    expected = {
        "nan.npy": "1 values that are no numbers", "flat.npy": "shape (4, 5)", "words.npy": "expected numbers",
        "objects.npy": "no array of numbers", "other.npy": "no array of numbers, or is cut off.",
        "cut.nii.gz": "cannot be read as NIfTI", "text.nii.gz": "cannot be read as NIfTI", "empty": "no DICOM image",
    }  # fmt: skip
    for name, words in expected.items():
        with pytest.raises(ClipUnreadable) as caught:
            Volume(tmp_path / name).describe()
        assert words in str(caught.value), name
        assert name in str(caught.value)
