"""The settings of a network on this machine: the padding before C3D's pool5, and the mean that C3D subtracts.

They are stored in the network's folder beside its weights. They are part of its fingerprint, so that a stored result is
never used for other settings than its own.
"""

import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from c3dvis.errors import InvalidSpec, WeightsDamaged
from c3dvis.files import write_whole
from c3dvis.networks.graph.c3d import CROP, POOL5_PADDINGS
from c3dvis.networks.weights.formats import mean_image
from c3dvis.settings import weights_dir

_FILE, _MEAN = "options.json", "mean.npy"


@dataclass(frozen=True)
class Options:
    """The settings of a network.

    Attributes:
        pool5_padding: `caffe`, as C3D was trained, or `table`, as in the layer table of its Keras ports.
        mean: whether a mean image that the user brought is stored beside the weights.
    """

    pool5_padding: str = "caffe"
    mean: bool = False


def stored(network: str) -> tuple[Options, Path | None, int]:
    """The settings of a network, its mean file, and the modification time of that file (0 without one).

    Raises:
        WeightsDamaged: they cannot be read.
    """
    folder = weights_dir() / network
    path = folder / _FILE
    try:
        found = Options(**json.loads(path.read_text("utf-8")))
        if found.pool5_padding not in POOL5_PADDINGS or not isinstance(found.mean, bool):
            raise ValueError(f"received {found}")
        if not found.mean:
            return found, None, 0
        return found, folder / _MEAN, (folder / _MEAN).stat().st_mtime_ns
    except FileNotFoundError as error:
        if error.filename and Path(error.filename).name == _MEAN:
            raise WeightsDamaged(
                f"{folder / _MEAN} is missing, but {path} refers to it.",
                f"Set it again: c3dvis networks set {network} --mean FILE, or --mean default.",
            ) from None
        return Options(), None, 0
    except (OSError, ValueError, TypeError) as error:
        raise WeightsDamaged(
            f"{path} cannot be read ({error}); expected pool5_padding and mean.",
            f"Set them again: c3dvis networks set {network} --pool5-padding caffe --mean default.",
        ) from None


def change(network: str, pool5_padding: str | None = None, mean_file: Path | str | None = None) -> Options:
    """Changes the settings that are given and keeps the others.

    Args:
        pool5_padding: `caffe` or `table`.
        mean_file: a mean in one of the formats of `mean_image.read`, or `default` for the built-in channel means.

    Raises:
        InvalidSpec: a value that cannot be used.
        WeightsDamaged: the mean file cannot be read.
        OutputFailed: the settings cannot be written.
    """
    if pool5_padding is not None and pool5_padding not in POOL5_PADDINGS:
        raise InvalidSpec(f"pool5_padding is caffe or table; received {pool5_padding!r}.")
    folder = weights_dir() / network
    try:
        before = stored(network)[0]
    except WeightsDamaged:  # changing the settings repairs them
        before = Options()
    folder.mkdir(parents=True, exist_ok=True)
    use = before.mean
    if str(mean_file) == "default":
        use = False
    elif mean_file is not None:
        image = mean_image.read(Path(mean_file), CROP)
        npy = io.BytesIO()
        np.save(npy, image, allow_pickle=False)
        write_whole(folder / _MEAN, npy.getvalue())
        use = True
    chosen = Options(pool5_padding or before.pool5_padding, use)
    write_whole(folder / _FILE, json.dumps(asdict(chosen)).encode())
    return chosen


def read_mean(path: Path) -> np.ndarray:
    """The mean image that `change` stored: (H, W, 3) float32 RGB.

    Raises:
        WeightsDamaged: it cannot be read.
    """
    return mean_image.read(path, CROP, order="RGB")
