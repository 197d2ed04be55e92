"""Export of stored results to one file, and import into another store.

The file is a ZIP of the results' own files, `<key>.h5` each, not compressed once more. An import reads every result as
the store does, so a damaged or foreign one is refused. Its seal does not show who made it: import files of people whom
you trust.
"""

import re
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from c3dvis.errors import OutputFailed, ResultDamaged
from c3dvis.files import move_into_place, unfinished_path
from c3dvis.results.render_result import RenderResult
from c3dvis.results.result_file import MAX_BYTES
from c3dvis.results.store import ResultStore

_MEMBER = re.compile(r"([0-9a-f]{64})\.h5")
_UNREADABLE = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError)

OnProgress = Callable[[int, int], None]


@dataclass
class Imported:
    """The outcome of an import.

    Attributes:
        stored: keys of the results that were stored.
        present: keys that were there already.
        refused: why each of the other members of the file was not stored, by its name.
    """

    stored: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def export_results(store: ResultStore, keys: Sequence[str], path: Path, on_progress: OnProgress) -> list[str]:
    """Writes the stored results of those keys to one file, which appears under its name when it is complete.

    Equal results give equal bytes.

    Returns:
        The keys that are in the file; the others are damaged or no longer stored.

    Raises:
        OutputFailed: the file cannot be written.
    """
    target = path.resolve()
    unfinished = unfinished_path(target)
    written = []
    try:
        with zipfile.ZipFile(unfinished, "x", zipfile.ZIP_STORED) as archive:
            for done, key in enumerate(keys):
                on_progress(done, len(keys))
                if (data := store.file_of(key)) is not None:
                    archive.writestr(zipfile.ZipInfo(f"{key}.h5"), data)
                    written.append(key)
        move_into_place(unfinished, target)
    except OSError as error:
        raise OutputFailed(f"{path} cannot be written: {error.strerror or error}.") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return written


def import_results(store: ResultStore, path: Path, on_progress: OnProgress, *, pin: bool = False) -> Imported:
    """Stores the results of a file that `export_results` wrote. Interrupted, it goes on when it is called again.

    Args:
        pin: pin them, also those that are there already.

    Raises:
        ResultDamaged: the file cannot be read, or is not a ZIP file.
        StoreError: a result cannot be stored; those before it are.
    """
    outcome = Imported()
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            for done, member in enumerate(members):
                on_progress(done, len(members))
                try:
                    key, data = _read(archive, member, store)
                except ResultDamaged as error:
                    outcome.refused[member.filename[:100]] = str(error)
                    continue
                if data is None:
                    outcome.present.append(key)
                else:
                    store.put(RenderResult.from_bytes(data), data)
                    outcome.stored.append(key)
                if pin:
                    store.pin([key])
    except (OSError, *_UNREADABLE) as error:
        raise ResultDamaged(
            f"{path} cannot be imported: expected a file that `c3dvis cache export` wrote. Received: "
            f"{getattr(error, 'strerror', None) or error}."
        ) from None
    return outcome


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, store: ResultStore) -> tuple[str, bytes | None]:
    """Key and bytes of a member; None for bytes that are stored already. Raises ResultDamaged if it cannot be used."""
    match = _MEMBER.fullmatch(member.filename)
    if match is None:
        raise ResultDamaged("This is no stored result: expected a name of 64 hex digits and .h5.")
    if store.present([match[1]]):
        return match[1], None
    if member.file_size > MAX_BYTES:
        raise ResultDamaged(f"It is too large: expected at most {MAX_BYTES} bytes. Received: {member.file_size}.")
    try:
        with archive.open(member) as file:
            data = file.read(MAX_BYTES + 1)
    except _UNREADABLE as error:
        raise ResultDamaged(f"It cannot be unpacked: {error}") from None
    result = RenderResult.from_bytes(data)
    if not result.is_current:
        raise ResultDamaged(
            f"Another version of c3dvis made it, with algorithm version {result.algorithm}. Render it again."
        )
    if result.key != match[1]:
        raise ResultDamaged(f"It is under another name than its own: expected {result.key}.h5.")
    return match[1], data
