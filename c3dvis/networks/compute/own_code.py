"""Networks that a user's own code builds: the code is kept in one archive with its weights, and run where it is loaded.

Running it is running the user's program. Only an operator adds such a network, on the command line, and only workers
and the user's own Python processes load one; the dashboard reads its description alone.
"""

import importlib.util
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.compute.keras_network import KerasNetwork
from c3dvis.networks.network_info import NetworkInfo
from c3dvis.networks.weights import installed_weights

_CODE, _WEIGHTS = "code.py", "weights"  # names in the archive; the suffix of the weights file follows


def write(archive: Path, code: Path, weights: Path | None) -> None:
    """Put code, and the weights for it, into an archive; the same files give the same bytes.

    Raises:
        OSError: a file cannot be read, or the archive cannot be written.
    """
    members = [(_CODE, code)] + ([(_WEIGHTS + "".join(weights.suffixes), weights)] if weights else [])
    with zipfile.ZipFile(archive, "w") as file:
        for name, path in members:
            with path.open("rb") as source, file.open(zipfile.ZipInfo(name), "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target)


def build(archive: Path, function: str, name: str) -> Any:
    """The model that the code of an archive builds, with the archive's weights.

    Raises:
        WeightsDamaged: the code raises an error or has no such function, or the weights do not fit the model.
    """
    with tempfile.TemporaryDirectory(prefix="c3dvis-code-") as folder:
        try:
            with zipfile.ZipFile(archive) as file:
                file.extractall(folder)
            model = getattr(_imported(Path(folder) / _CODE, name), function)()
            for weights in Path(folder).glob(f"{_WEIGHTS}*"):
                model.load_weights(weights)
        except Exception as error:  # whatever the user's code raises
            raise WeightsDamaged(
                f"The code of {name} does not build its model: {type(error).__name__}: {str(error)[:300]}. Expected "
                f"{function}() to return a Keras model that takes the weights."
            ) from error
    return model


def load(info: NetworkInfo) -> KerasNetwork:
    """The network of a user's own code, for which the weights file of `info` is the archive.

    Raises:
        WeightsMissing: the archive is not on this machine.
        WeightsDamaged: as `build` does; or the code builds another network than when it was added.
    """
    fingerprint = installed_weights.fingerprint(info)
    model = build(info.weights_path, info.code, info.name)
    network = KerasNetwork(model, info.name, info.domain, info.default_size)
    if network.architecture != info.architecture:
        raise WeightsDamaged(
            f"The code of {info.name} builds another network than when it was added: expected {len(info.layers)} "
            f"layers from {info.layers[0]} to {info.layers[-1]}, received {len(network.layers)} from "
            f"{network.layers[0]} to {network.layers[-1]}. Add it again."
        )
    network.info, network.fingerprint = info, fingerprint
    return network


def _imported(path: Path, name: str) -> Any:
    module_name = f"c3dvis_code_of_{name}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # for layers that are registered by their module
    spec.loader.exec_module(module)
    return module
