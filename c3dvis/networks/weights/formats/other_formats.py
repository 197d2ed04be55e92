"""Recognises files that people bring and that are not read here, and says which way leads on."""

import zipfile
from pathlib import Path

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.weights.formats import safetensors

_EXPORT = (
    'Export it as ONNX, in its own program: torch.onnx.export(model.eval(), clip, "model.onnx"), and add that with '
    "--architecture model.onnx"
)
_SAVED_MODEL = (
    'Load it in TensorFlow and save it: tf_keras.models.load_model("FOLDER").save("model.keras"); or export '
    "it with tf2onnx"
)
_HEADS = (
    (b"version https://git-lfs", "is a pointer of git-lfs, in place of the file. Fetch the file: git lfs pull"),
    (
        b"\x93NUMPY",
        "is one NumPy array or a pickled dict. Save the arrays by name: numpy.savez('weights.npz', **arrays)",
    ),
)


def refuse_other_formats(path: Path) -> None:
    """Refuse a file of a known format that is not read here.

    Raises:
        WeightsDamaged: it is one; the message says what it is and what to do.
    """
    if reason := _reason(path):
        raise WeightsDamaged(f"{path} {reason}.")


def refuse_unread_weights(path: Path, head: bytes) -> None:
    """Refuse a weights file of a known format that is not read here, given its first bytes.

    Raises:
        WeightsDamaged: it is one; the message says what it is and what to do.
    """
    if reason := _without_reader(path, head):
        raise WeightsDamaged(f"{path} {reason}.")


def _reason(path: Path) -> str | None:
    if path.is_dir():
        if (path / "saved_model.pb").exists():
            return f"is a SavedModel folder, which is a program. {_SAVED_MODEL}"
        return "is a folder; expected a file"
    if not path.exists():
        return "does not exist; expected a file"
    with path.open("rb") as file:
        head = file.read(64)
    if not head:
        return "is empty; expected a model or its weights. Fetch it again"
    if reason := _without_reader(path, head):
        return reason
    if safetensors.is_safetensors(head, path.stat().st_size):
        return f"is a safetensors file, which holds arrays without a model. {_EXPORT}"
    return _pytorch(path, head)


def _without_reader(path: Path, head: bytes) -> str | None:
    if head[4:8] == b"TFL3":
        return "is a TensorFlow Lite model, whose weights are reduced. Take the model that it was made from"
    if path.suffix in (".index", ".meta") or ".data-0" in path.name:
        return f"is a part of a TensorFlow checkpoint, which has no description of the model. {_SAVED_MODEL}"
    return next((reason for start, reason in _HEADS if head.startswith(start)), None)


def _pytorch(path: Path, head: bytes) -> str | None:
    if not head.startswith(b"PK"):
        return f"is a PyTorch checkpoint or another pickle. {_EXPORT}" if head[:1] == b"\x80" else None
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError):
        return None  # whoever reads it says what is wrong with it
    if any(name.endswith("constants.pkl") for name in names):
        return f"is a TorchScript program. {_EXPORT}"
    if any(name.endswith("data.pkl") for name in names):
        return f"is a PyTorch checkpoint, which has no description of the model. {_EXPORT}"
    return None
