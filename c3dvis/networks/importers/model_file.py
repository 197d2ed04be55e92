"""Imports a model of another program: its first bytes tell which importer reads it."""

from pathlib import Path

from c3dvis.errors import InvalidSpec
from c3dvis.networks.importers.from_keras import file as keras_file
from c3dvis.networks.importers.from_onnx import reader
from c3dvis.networks.importers.from_onnx.file import looks_like_onnx
from c3dvis.networks.importers.imported import Imported
from c3dvis.networks.weights.formats.other_formats import refuse_other_formats
from c3dvis.networks.weights.formats.stored_arrays import refuse_unreadable


def read(
    architecture: Path,
    weights: Path | None,
    scratch: Path,
    size: tuple[int, int, int] | None = None,
    held: tuple[float, ...] = (0.0,),
) -> Imported:
    """Import a model.

    Args:
        architecture: the model's file, or its description.
        weights: its weights, where they are in a file of their own.
        scratch: a folder for what is unpacked; it must stay until the weights have been read.
        size: (frames, height, width) of a clip, for a model that leaves it open.
        held: what inputs beside the clip hold: one number, or one for each channel of the clip.

    Raises:
        InvalidSpec: weights beside a file that holds its own.
        WeightsDamaged: the files cannot be read, do not fit each other, or describe what cannot be computed here.
    """
    with refuse_unreadable(architecture):
        for file in filter(None, (architecture, weights)):
            refuse_other_formats(file)
        is_onnx = looks_like_onnx(architecture)
    if is_onnx:
        if weights:
            raise InvalidSpec(f"{architecture} is an ONNX model, which has its own weights: leave {weights} out.")
        return reader.read(architecture, size)
    return keras_file.read(architecture, weights, scratch, size, held)
