"""Imports a model of another program: its first bytes tell which importer reads it."""

from pathlib import Path

from c3dvis.networks.importers import keras_file
from c3dvis.networks.importers.imported import Imported


def read(architecture: Path, weights: Path | None, scratch: Path) -> Imported:
    """Import a model.

    Args:
        architecture: the model's file, or its description.
        weights: its weights, where they are in a file of their own.
        scratch: a folder for what is unpacked; it must stay until the weights have been read.

    Raises:
        WeightsDamaged: the files cannot be read, do not fit each other, or describe what cannot be computed here.
    """
    return keras_file.read(architecture, weights, scratch)
