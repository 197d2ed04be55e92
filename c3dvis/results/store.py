"""`ResultStore`: results on disk by spec.

Entries are the sealed HDF5 files of `c3dvis.results.result_file`, stored by `c3dvis.results.blob_folder`.
"""

import contextlib
import logging
import re
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import diskcache

from c3dvis.errors import InvalidSpec, ResultDamaged, StoreError, WeightsMissing
from c3dvis.files import byte_size
from c3dvis.networks.registry import describe
from c3dvis.networks.weights import installed_weights
from c3dvis.results.blob_folder import BlobFolder
from c3dvis.results.diskcache_index import Entry
from c3dvis.results.render_result import RenderResult
from c3dvis.results.start_clips import StartClips
from c3dvis.results.starters import Starters, is_current
from c3dvis.results.thumbnails import FILE_NAME, Thumbnail, ThumbnailFile, make_thumbnail
from c3dvis.settings import cache_limit
from c3dvis.spec import RenderSpec

STARTER = Path(__file__).parent / "starter"

_log = logging.getLogger(__name__)
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class StoreStats:
    """The contents of a store, and its hits and misses since it was opened.

    Attributes:
        count: results in the folder.
        bytes: their size.
        starters: results that come with the program.
        damaged: quarantined entries.
        pinned: results that are never deleted.
        hits, misses: look-ups by this object that found a result, and that did not.
        size_limit: bytes above which the least recently used results are deleted.
        path: folder of the entries.
    """

    count: int
    bytes: int
    starters: int
    damaged: int
    pinned: int
    hits: int
    misses: int
    size_limit: int
    path: Path


class _Loaded(NamedTuple):
    entry: Entry
    data: bytes
    result: RenderResult


def result_key(spec: RenderSpec) -> str:
    """The key of a spec's result for the weights on this machine.

    Raises:
        UnknownNetwork: no network has that name.
        WeightsMissing: the key depends on a weights file that is not on this machine.
    """
    info = describe(spec.network)
    return info.sized(spec).key(installed_weights.fingerprint(info))


class ResultStore:
    """A folder of results by key: a hash over spec, network and algorithm.

    A damaged entry raises nothing: it is quarantined, logged and reported by `verify`, and the look-up is a miss. When
    the entries exceed the size limit, the least recently used are deleted one by one, but never a pinned one or the one
    just stored.
    Results in a read-only folder can be read. Several processes and threads may use one folder.

    Arguments:
        path: the cache folder. The store is its `results` subfolder, which the first stored result creates and which
            only its owner may enter.
        size_limit: bytes to keep, 1 or more; None is `C3DVIS_CACHE_LIMIT`, or 8 GiB.
        starter: folder of the results that come with the program, one `<key>.h5` each, and of more pictures
            (`STARTER_PICTURES`); never written.

    Attributes:
        start_clips: the clips that renders start from, in the subfolder `start_clips`.
    """

    def __init__(self, path: Path | str, size_limit: int | None = None, *, starter: Path | None = STARTER) -> None:
        size_limit = cache_limit() if size_limit is None else size_limit
        if size_limit < 1:
            raise ValueError(
                f"The size limit of a store is impossible. Expected 1 byte or more. Received: {size_limit}."
            )
        self._folder = BlobFolder(Path(path).absolute() / "results", size_limit)
        self._starters = Starters(starter)
        self.start_clips = StartClips(Path(path).absolute() / "start_clips")
        self._thumbnails = ThumbnailFile(self._folder.path / FILE_NAME)
        self._lock = threading.Lock()
        self._hits = self._misses = 0

    def get(self, spec: RenderSpec) -> RenderResult | None:
        """The stored result of a spec for the weights on this machine, or None.

        Raises:
            UnknownNetwork: no network has that name.
        """
        try:
            return self.get_key(result_key(spec))
        except WeightsMissing:
            return self._counted(None)

    def get_key(self, key: str) -> RenderResult | None:
        """The result of that key (64 hex digits), or None."""
        if not _KEY.fullmatch(key):
            return self._counted(None)
        result = self._stored(key) or self._starters.result(key)
        return self._counted(result if result and is_current(result, key) else None)

    def put(self, result: RenderResult, data: bytes | None = None) -> None:
        """Store a result, replacing an earlier one of the same key.

        Args:
            data: its file's bytes if the caller has them: packing them again takes longer than storing them.

        Raises:
            StoreError: it could not be stored (full disk, read-only folder, made by another version);
                everything stored before is unchanged.
        """
        if not result.is_current:
            raise StoreError(
                f"The result of {result.spec.title} was not stored: expected one that this version of c3dvis "
                f"made. Received: one of algorithm version {result.algorithm}. Render it again."
            )
        evicted = self._folder.write(result.key, result.to_bytes() if data is None else data)
        self._thumbnails.put([make_thumbnail(result)])
        self._thumbnails.put_specs({result.key: result.spec.to_json()})
        self._thumbnails.remove(evicted)

    def thumbnails(self, keys: Sequence[str], *, images: bool = True) -> dict[str, Thumbnail]:
        """Thumbnails and measures for those keys, by key, without opening the results.

        There is one for each stored result, and for some filters whose picture alone comes with the program.

        The time it takes does not depend on the size of the store. A missing thumbnail is made from its result.

        Args:
            images: with the thumbnails' images; False reads the measures alone, to sort a whole layer.
        """
        stored = [entry.key for entry in self._folder.find_all(keys)]
        found = self._thumbnails.get(stored, images=images)
        missing = [key for key in stored if key not in found]
        made = [make_thumbnail(result) for key in missing if (result := self._stored(key))]
        self._thumbnails.put(made)
        found.update((thumbnail.key, thumbnail) for thumbnail in made)
        found |= self._starters.thumbnails(set(keys) - found.keys(), images=images)
        return found

    def keys(self) -> list[str]:
        """Keys of all results, sorted: the folder's and the starters'.

        Raises:
            StoreError: the folder cannot be read.
        """
        return sorted({*self.own_keys(), *self._starters.keys})

    def own_keys(self) -> list[str]:
        """Keys of the folder's results, sorted. Raises StoreError if it cannot be read."""
        return [entry.key for entry in self._folder.entries()]

    def __contains__(self, key: object) -> bool:
        """Whether there is an entry of that key; unlike `get_key`, without opening it."""
        return isinstance(key, str) and (self._folder.find(key) is not None or key in self._starters.keys)

    def present(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that are stored, in one query, without opening the results."""
        return {entry.key for entry in self._folder.find_all(keys)} | self._starters.keys.intersection(keys)

    def stats(self) -> StoreStats:
        """Size, limit, hits and misses.

        Raises:
            StoreError: the folder cannot be read.
        """
        count, size = self._folder.totals()
        return StoreStats(
            count=count,
            bytes=size,
            starters=len(self._starters.keys),
            damaged=len(self._folder.quarantined_keys()),
            pinned=len(self.pinned()),
            hits=self._hits,
            misses=self._misses,
            size_limit=self._folder.size_limit,
            path=self._folder.path,
        )

    def verify(self) -> list[str]:
        """Read every entry, quarantine the damaged ones, and add intact files that the index does not list.

        `specs` then knows the specs of all that are intact.

        Returns:
            Keys of the damaged entries, including those quarantined earlier and not rendered again since.

        Raises:
            StoreError: the folder cannot be read.
        """
        # A read-only folder cannot be repaired, but its entries can be checked.
        with contextlib.suppress(OSError, sqlite3.Error, diskcache.Timeout, StoreError):
            self._folder.repair()
        keys = [entry.key for entry in self._folder.entries()]
        known = self._thumbnails.specs(keys)
        damaged, specs = set[str](), {}
        for key in keys:
            try:
                found = self._load(key)
            except (ResultDamaged, OSError):
                damaged.add(key)
            else:
                if found and key not in known:
                    specs[key] = found.result.spec.to_json()
        self._thumbnails.put_specs(specs)
        damaged.update(self._starters.damaged())
        return sorted(damaged.union(self._folder.quarantined_keys()))

    def clear(self) -> int:
        """Delete every result in the folder, also the quarantined ones, and the start clips.

        Pinned results and starters stay.

        Returns:
            How many results were removed.

        Raises:
            StoreError: the folder cannot be written.
        """
        count = self._folder.clear()
        self._thumbnails.clear()
        self.start_clips.clear()
        return count

    def specs(self, keys: Sequence[str]) -> dict[str, RenderSpec]:
        """The specs of the folder's results of those keys, also of damaged ones, where they are known.

        A result that an earlier version stored is known from its first `verify` on.
        """
        specs = {}
        for key, text in self._thumbnails.specs(keys).items():
            with contextlib.suppress(InvalidSpec):  # of another version, which had other fields
                specs[key] = RenderSpec.from_json(text)
        return specs

    def file_of(self, key: str) -> bytes | None:
        """The file of an intact result in the folder, as `RenderResult.to_bytes` makes it; None if there is none."""
        try:
            found = self._load(key)
        except (ResultDamaged, OSError):
            return None
        return found.data if found else None

    def pin(self, keys: Sequence[str]) -> None:
        """Never delete these results, neither for room nor by `clear`.

        Raises:
            StoreError: they are not in the folder, are larger together than the size limit, or it cannot be written.
        """
        wanted = self.pinned().union(keys)
        entries = self._folder.find_all(sorted(wanted))
        if missing := set(keys) - {entry.key for entry in entries}:
            raise StoreError(f"Expected keys of stored results to pin. Received: {', '.join(sorted(missing))}.")
        if (size := sum(entry.size for entry in entries)) > self._folder.size_limit:
            raise StoreError(
                f"The results cannot be pinned: expected at most {byte_size(self._folder.size_limit)} of pinned "
                f"results. Received: {byte_size(size)}. Raise C3DVIS_CACHE_LIMIT."
            )
        self._folder.pin(keys)

    def unpin(self, keys: Sequence[str]) -> None:
        """Remove pins; nothing happens to keys without one. Raises StoreError if the folder cannot be written."""
        self._folder.unpin(keys)

    def pinned(self) -> set[str]:
        """Keys of the pinned results."""
        return self._folder.pinned()

    def close(self) -> None:
        """Close the folder; the store opens it again when needed."""
        self._folder.close()

    def __enter__(self) -> "ResultStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _counted(self, result: RenderResult | None) -> RenderResult | None:
        with self._lock:
            if result is None:
                self._misses += 1
            else:
                self._hits += 1
        return result

    def _stored(self, key: str) -> RenderResult | None:
        try:
            found = self._load(key)
        except ResultDamaged:
            return None
        except OSError as error:
            _log.warning("The stored result %s cannot be read: %s", key, error)
            return None
        if found is None or not is_current(found.result, key):
            return None
        self._folder.touch(found.entry)
        return found.result

    def _load(self, key: str) -> "_Loaded | None":
        """The entry of that key; a damaged one is quarantined before the ResultDamaged is raised."""
        if (found := self._folder.read(key)) is None:
            return None
        entry, data = found
        try:
            return _Loaded(entry, data, RenderResult.from_bytes(data))
        except ResultDamaged as error:
            self._folder.quarantine(entry, error)
            raise
