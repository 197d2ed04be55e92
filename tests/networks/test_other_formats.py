"""Files that people bring and that are not read: each is told apart, and the message names the way."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.importers import model_file


def _zip(*names: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"\x80\x02.")

    return write


def _bytes(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content)

    return write


def _saved_model(path: Path) -> None:
    path.mkdir()
    (path / "saved_model.pb").touch()


def _safetensors(path: Path) -> None:
    header = json.dumps({"conv": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))


def _npy(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


FILES: dict[str, tuple[Callable[[Path], None], str]] = {
    "model.pth": (_zip("archive/data.pkl", "archive/data/0"), r"is a PyTorch checkpoint.*torch\.onnx\.export"),
    "old.pth": (_bytes(b"\x80\x02\x8a\x0a"), r"PyTorch checkpoint or another pickle.*torch\.onnx\.export"),
    "script.pt": (_zip("m/data.pkl", "m/constants.pkl"), r"is a TorchScript program.*torch\.onnx\.export"),
    "saved": (_saved_model, r"is a SavedModel folder.*save\("),
    "folder": (Path.mkdir, "is a folder; expected a file"),
    "nothing.keras": (lambda path: None, "does not exist; expected a file"),
    "model.ckpt.index": (_bytes(b"\x00\x00\x01"), "is a part of a TensorFlow checkpoint"),
    "model.ckpt.data-00000-of-00001": (_bytes(b"\x00\x00\x01"), "is a part of a TensorFlow checkpoint"),
    "model.tflite": (_bytes(b"\x1c\x00\x00\x00TFL3" + bytes(8)), "is a TensorFlow Lite model"),
    "model.safetensors": (_safetensors, r"is a safetensors file.*torch\.onnx\.export"),
    "model.h5": (
        _bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0"),
        r"a pointer of git-lfs.*git lfs pull",
    ),
    "weights.npy": (_npy, r"is one NumPy array or a pickled dict.*numpy\.savez"),
    "empty.keras": (_bytes(b""), "is empty; expected a model"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_format_is_recognised(name: str, tmp_path: Path) -> None:
    write, message = FILES[name]
    write(tmp_path / name)
    with pytest.raises(WeightsDamaged, match=message) as raised:
        model_file.read(tmp_path / name, None, tmp_path)
    assert str(raised.value).startswith(str(tmp_path / name))


def test_a_description_without_weights_is_told(tmp_path: Path) -> None:
    import keras

    model = keras.Sequential([keras.Input((4, 8, 8, 3)), keras.layers.Conv3D(2, 3)])
    (tmp_path / "model.json").write_text(model.to_json())
    with pytest.raises(WeightsDamaged, match="describes a model alone: give the file of its weights too"):
        model_file.read(tmp_path / "model.json", None, tmp_path)
