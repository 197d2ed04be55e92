"""A temporary folder beside a weights file, in which one process at a time makes the file.

A weights file appears under its name complete and verified, or not at all. Until then everything is in the temporary
folder, which is removed when the work ends. If the process is killed, the next one removes the folder.
"""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from c3dvis.errors import FetchFailed
from c3dvis.files import move_into_place

_PREFIX = ".fetching-"


@contextlib.contextmanager
def work_folder(target: Path) -> Iterator[tuple[Path, Callable[[Path], None]]]:
    """Locks the folder of a weights file and makes a temporary folder in it.

    Args:
        target: the weights file that is to be made.

    Yields:
        The temporary folder, and a function that moves a finished file of it, with its provenance, to `target`.

    Raises:
        FetchFailed: the folder cannot be written.
    """

    def install(finished: Path) -> None:
        provenance = finished.with_name(f"{finished.name}.json")
        if provenance.is_file():  # moved first: beside a file with another hash, a provenance is ignored
            move_into_place(provenance, target.with_name(f"{target.name}.json"))
        move_into_place(finished, target)

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target.parent / ".lock"):
            for leftover in target.parent.glob(f"{_PREFIX}*"):
                shutil.rmtree(leftover)
            with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=target.parent) as folder:
                yield Path(folder), install
    except OSError as error:
        raise FetchFailed(_failure(error, target.parent)) from None


def check_free_space(folder: Path, needed: int) -> None:
    """Checks that the disk has room for `needed` bytes in a work folder.

    Raises:
        FetchFailed: it has less.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise FetchFailed(
            f"The disk is too full: expected {megabytes(needed)} free in {folder.parent}, there are "
            f"{megabytes(free)}. Make room, or choose another folder with C3DVIS_WEIGHTS_DIR."
        )


def megabytes(size: int) -> str:
    """A number of bytes as text, such as `47 MB`."""
    return f"{size / 1e6:,.0f} MB"


def _failure(error: OSError, folder: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"The disk ran full while the weights were written to {folder}. Make room and fetch again, "
            "or choose another folder with C3DVIS_WEIGHTS_DIR."
        )
    return (
        f"The weights cannot be written to {folder}: {error.strerror or error}. "
        "Choose a folder that can be written with C3DVIS_WEIGHTS_DIR."
    )


@contextlib.contextmanager
def _locked(lock: Path) -> Iterator[None]:
    """Waits until no other process has the lock; the system releases the lock of a process that dies."""
    with lock.open("a+b") as handle:
        if os.name == "nt":
            import msvcrt

            while True:
                try:
                    handle.seek(0)
                    msvcrt.locking(handle.fileno(), msvcrt.LK_LOCK, 1)  # fails after ten seconds
                    break
                except OSError:
                    continue
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield  # closing the file releases the lock
