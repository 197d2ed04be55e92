"""Fetches a weights file, or a list of class names, from a URL."""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

from c3dvis.errors import FetchFailed, WeightsDamaged
from c3dvis.files import sha256_of
from c3dvis.networks.weights.fetch.download import DownloadFailed, download
from c3dvis.networks.weights.fetch.http_client import without_login
from c3dvis.networks.weights.fetch.http_settings import HttpSettings
from c3dvis.networks.weights.progress import OnProgress
from c3dvis.networks.weights.work_folder import check_free_space, megabytes, work_folder

MAX_FETCHED = 1 << 30
"""The most bytes that a file at a URL may have; C3D's weights have a third of it."""


def fetch_address(
    url: str,
    target: Path,
    make: Callable[[Path, Path], object],
    on_progress: OnProgress | None = None,
    sha256: str | None = None,
    settings: HttpSettings | None = None,
) -> Path:
    """Downloads a file and makes another one from it.

    If the download ends early, the part file stays beside the target, and the next fetch resumes it.

    Args:
        url: a `file:`, `http:` or `https:` URL.
        target: the file to make.
        make: writes it, from the downloaded file (first argument) to a new one (second).
        on_progress: receives the bytes done and in total (0 while unknown).
        sha256: hash of the downloaded file, if it is known.
        settings: how to reach the server; None takes the settings of the environment.

    Raises:
        FetchFailed: in one sentence, what went wrong and what to do.
        WeightsDamaged: `make` refused the downloaded file.
    """
    shown = without_login(url)
    with work_folder(target) as (work, install):
        part = target.parent / f".part-{hashlib.sha256(url.encode()).hexdigest()[:16]}"

        def progress(done: int, total: int) -> None:
            if total:  # the rest of the download, and the finished file beside it
                check_free_space(work, 2 * total - done)
            if on_progress:
                on_progress(done, total)

        try:
            download(url, part, settings or HttpSettings(), progress, MAX_FETCHED)
            if part.stat().st_size > MAX_FETCHED:
                part.unlink()
                raise DownloadFailed(f"it sends more than {MAX_FETCHED:,} bytes")
        except DownloadFailed as error:
            kept = f" What has come ({megabytes(part.stat().st_size)}) is kept." if part.is_file() else ""
            raise FetchFailed(
                f"{shown} could not be fetched: {error}.{kept} Try again, or fetch the file elsewhere.",
                "Pass it with --file.",
            ) from None
        try:
            if sha256 and (digest := sha256_of(part)) != sha256.lower():
                raise FetchFailed(f"{shown} gave another file: expected sha256 {sha256.lower()}, received {digest}.")
            make(part, work / target.name)
        except WeightsDamaged as error:
            raise WeightsDamaged(error.message.replace(str(part), shown), error.command) from None
        finally:
            if not isinstance(sys.exception(), KeyboardInterrupt):
                part.unlink(missing_ok=True)  # it is complete, and either used or useless
        install(work / target.name)
    return target
