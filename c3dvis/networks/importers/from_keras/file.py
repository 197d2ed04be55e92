"""Opens the files of a Keras model and imports it: `.keras`, a whole model in `.h5`, or `.json` and weights."""

import json
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.importers.from_keras import model as keras_model
from c3dvis.networks.importers.from_keras.address import Entry
from c3dvis.networks.importers.from_keras.fold import fold
from c3dvis.networks.importers.from_keras.weights import KerasWeights
from c3dvis.networks.importers.imported import Imported, Pair
from c3dvis.networks.weights.formats import hdf5
from c3dvis.networks.weights.formats.stored_arrays import first_line, refuse_unreadable

_MAX_JSON = 16 << 20
_MAX_WEIGHTS = 8 << 30


def read(
    architecture: Path,
    weights: Path | None,
    scratch: Path,
    size: tuple[int, int, int] | None = None,
    held: tuple[float, ...] = (0.0,),
) -> Imported:
    """Import a Keras model.

    Args:
        architecture: a .keras file, a whole model in .h5, or the .json that `model.to_json()` gives.
        weights: its weights in HDF5 of Keras 2 or 3, or a .keras file; None takes those in `architecture`.
        scratch: a folder for what is unpacked; it must stay until the weights have been read.
        size, held: as of `model.read`.

    Raises:
        WeightsDamaged: the files cannot be read, do not fit each other, or contain a layer that is not known here.
    """
    config, is_keras_2 = description(architecture)
    model = keras_model.read(config, is_keras_2, size, held)
    fold(model)
    file = weights or architecture
    path = hdf5_file(file, scratch)
    arrays = KerasWeights(file, path, model.layers)
    left_out = ""
    if model.unknown:
        more = f" (and {len(model.unknown) - 1} more)" if len(model.unknown) > 1 else ""
        left_out = f"What follows is left out. {model.unknown[0]}{more}"
    return Imported(
        framework="keras_2" if is_keras_2 else "keras",
        form=hdf5.contents(path).form,
        operations=model.operations,
        size=model.size,
        channels=model.channels,
        weights={name: partial(_pair, make, arrays) for name, make in model.weights.items()},
        addresses=model.addresses,
        is_float16=arrays.is_float16,
        left_out=left_out,
        held=_held(model.entry),
    )


def _pair(make: Callable[[keras_model.ReadArrays], Pair], arrays: KerasWeights) -> Pair:
    return make(arrays.read)


def _held(entry: Entry) -> str:
    """A sentence on the inputs beside the clip."""
    held = [each for each in entry.inputs if each]
    said = (f"{each.name[:60]} is held at {', '.join(f'{number:g}' for number in each.numbers)}" for each in held)
    return f"Beside the clip, the input {', and '.join(said)}." if held else ""


def description(path: Path) -> tuple[dict[str, Any], bool]:
    """The description of a model, from any kind of file that contains one, and whether Keras 2 wrote it.

    Raises:
        WeightsDamaged: the file contains none.
    """
    text: bytes | str | None
    version = ""
    try:
        with path.open("rb") as file:
            head = file.read(8)
        if head.startswith(hdf5.MAGIC):
            text, version = hdf5.attribute(path, "model_config"), hdf5.attribute(path, "keras_version") or ""
            if text is None:
                raise WeightsDamaged(
                    f"{path} holds weights alone: give the model's .json or .keras too, and this file as its weights."
                )
        elif head.startswith(b"PK"):
            with zipfile.ZipFile(path) as archive:
                with archive.open("config.json") as member:
                    text = member.read(_MAX_JSON + 1)
                if "metadata.json" in archive.namelist():
                    with archive.open("metadata.json") as member:
                        version = str(json.loads(member.read(_MAX_JSON))["keras_version"])
        else:
            with path.open("rb") as file:
                text = file.read(_MAX_JSON + 1)
        if len(text) > _MAX_JSON:
            raise WeightsDamaged(f"{path} describes its model in more than {_MAX_JSON:,} bytes.")
        config = json.loads(text)
        if not isinstance(config, dict):
            raise ValueError("it is no object")
        version = version or str(config.get("keras_version") or "")
        return config, version[:2] in ("1.", "2.") or (not version and _has_key(config, "batch_input_shape"))
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        raise WeightsDamaged(
            f"{path} describes no Keras model: expected .keras, a whole model in .h5, or the .json of model.to_json() "
            f"({first_line(error)})."
        ) from None


def hdf5_file(path: Path, scratch: Path) -> Path:
    """The HDF5 file with a model's weights; that in a .keras file is unpacked to a folder.

    Raises:
        WeightsDamaged: there is none that can be read.
    """
    with refuse_unreadable(path), path.open("rb") as file:
        head = file.read(2)
    if head[:1] == b"{":
        raise WeightsDamaged(f"{path} describes a model alone: give the file of its weights too.")
    if head != b"PK":
        return path
    try:
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo("model.weights.h5")
            if info.file_size > min(_MAX_WEIGHTS, 1000 * max(info.compress_size, 1)):
                raise WeightsDamaged(f"{path} would unpack to {info.file_size:,} bytes of weights: too many.")
            return Path(archive.extract(info, tempfile.mkdtemp(dir=scratch)))
    except (OSError, KeyError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
        raise WeightsDamaged(f"{path} holds no weights that can be read ({first_line(error)}).") from None


def _has_key(value: Any, key: str) -> bool:
    if isinstance(value, Mapping):
        return key in value or any(_has_key(each, key) for each in value.values())
    return isinstance(value, list) and any(_has_key(each, key) for each in value)
