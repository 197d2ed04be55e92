"""Files: written atomically, so that no reader finds half of one; hashed; their sizes as text."""

import hashlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from c3dvis.errors import OutputFailed

CHUNK = 1 << 20
"""Bytes that are read from a file at a time."""


def write_whole(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Writes a file that appears under its name with all its bytes, or not at all; a link is followed, not replaced.

    Args:
        durable: wait until the disk has the bytes. Without it, a power cut may lose the file; the end of the process
            does not.

    Raises:
        OutputFailed: the file cannot be written.
    """
    target = path.resolve()
    unfinished = unfinished_path(target)
    try:
        with unfinished.open("xb") as file:
            file.write(data)
        move_into_place(unfinished, target, durable=durable)
    except OSError as error:
        raise OutputFailed(f"{path} cannot be written: {error.strerror or error}.") from None
    finally:
        unfinished.unlink(missing_ok=True)


def unfinished_path(target: Path) -> Path:
    """Where a file is written before it gets its name: a path that no other thread or process has or has had."""
    return target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.part")


def move_into_place(finished: Path, target: Path, *, durable: bool = True) -> None:
    """Gives a finished file its final name, and replaces what had that name.

    Args:
        finished: a file in the same file system as `target`.
        durable: wait until the disk has the file and its name.

    Raises:
        OSError: the file cannot be moved.
    """
    if durable:
        with finished.open("r+b") as file:
            os.fsync(file.fileno())
    finished.replace(target)
    if durable and os.name != "nt":  # Windows cannot flush a folder
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def sha256_of(path: Path, on_bytes: Callable[[int], None] | None = None) -> str:
    """SHA-256 of a file as 64 hex digits; `on_bytes` receives the number of bytes read so far.

    Raises:
        OSError: the file cannot be read.
    """
    digest = hashlib.sha256()
    done = 0
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            done += len(chunk)
            if on_bytes:
                on_bytes(done)
    return digest.hexdigest()


def byte_size(size: float) -> str:
    """A number of bytes as text: `47.2 MB`, `1.25 GB`."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
