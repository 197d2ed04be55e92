"""`ResultStore`: what was rendered once shows at once.

Entries are the sealed HDF5 files of `c3dvis.results.result_file`, kept by `c3dvis.results.blob_folder`.
"""

import contextlib
import logging
import re
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import diskcache

from c3dvis.errors import ResultDamaged, StoreError, WeightsMissing
from c3dvis.networks.registry import describe
from c3dvis.networks.weights import installed_weights
from c3dvis.results.blob_folder import Folder
from c3dvis.results.diskcache_index import Entry
from c3dvis.results.result import RenderResult
from c3dvis.results.thumbnails import Summaries, Summary, summarize
from c3dvis.settings import cache_limit
from c3dvis.spec import RenderSpec

STARTER = Path(__file__).parent / "starter"

_log = logging.getLogger(__name__)
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class StoreStats:
    """What a store holds, and how often it could help since it was opened.

    Attributes:
        count: results in the folder.
        bytes: their size.
        starters: results that come with the program.
        damaged: entries that were set aside.
        hits, misses: look-ups by this object that found a result, and that did not.
        size_limit: bytes above which the least recently used results go.
        path: folder of the entries.
    """

    count: int
    bytes: int
    starters: int
    damaged: int
    hits: int
    misses: int
    size_limit: int
    path: Path


class ResultStore:
    """A folder of results, found by what was asked for.

    Looking up never raises for what lies in the folder: a damaged entry is set aside, logged and reported by
    `verify`, and the look-up is a miss. When the entries exceed the size limit, the least recently used go,
    one by one; the one just stored stays. A folder that cannot be written still serves what it holds. Several
    processes and threads may use one folder.

    Arguments:
        path: the cache folder. The store lives in its `results` subfolder, which is made when the first
            result is stored and which only its owner may enter.
        size_limit: bytes to keep, 1 or more; None is `C3DVIS_CACHE_LIMIT`, or 8 GiB.
        starter: folder of results that come with the program, one `<key>.h5` each; only ever read.
    """

    def __init__(self, path: Path | str, size_limit: int | None = None, *, starter: Path | None = STARTER) -> None:
        size_limit = cache_limit() if size_limit is None else size_limit
        if size_limit < 1:
            raise ValueError(
                f"The size limit of a store is impossible. Expected 1 byte or more. Received: {size_limit}."
            )
        self._folder = Folder(Path(path).absolute() / "results", size_limit)
        self._starter = starter
        self._starter_keys: set[str] | None = None  # once looked for: they come with the program and stay
        self._summaries = Summaries(self._folder.path / "summaries.db")
        self._shipped_summaries: dict[str, Summary] = {}
        self._lock = threading.Lock()
        self._hits = self._misses = 0

    def get(self, spec: RenderSpec) -> RenderResult | None:
        """The result of that spec if it is stored, for the network whose weights are on this machine.

        Raises:
            UnknownNetwork: there is no network of that name.
        """
        try:
            fingerprint = installed_weights.fingerprint(describe(spec.network))
        except WeightsMissing:
            return self._counted(None)
        return self.get_key(spec.key(fingerprint))

    def get_key(self, key: str) -> RenderResult | None:
        """The result of that key (64 hex digits), or None."""
        if not _KEY.fullmatch(key):
            return self._counted(None)
        return self._counted(self._stored(key) or self._shipped(key))

    def put(self, result: RenderResult, data: bytes | None = None) -> None:
        """Store a result, in the place of an earlier one of the same key.

        Args:
            data: the bytes that it was read from, where there are such: packing it again takes longer than storing it.

        Raises:
            StoreError: it could not be stored (full disk, read-only folder, made by another version);
                everything stored before is untouched.
        """
        if not result.is_current:
            raise StoreError(
                f"The result of {result.spec.title} was not stored: expected one that this version of c3dvis "
                f"made. Received: one of algorithm version {result.algorithm}. Render it again."
            )
        gone = self._folder.write(result.key, result.to_bytes() if data is None else data)
        self._summaries.put([summarize(result)])
        self._summaries.drop(gone)

    def summaries(self, keys: Sequence[str], *, thumbnails: bool = True) -> dict[str, Summary]:
        """What is stored under those keys in short, by key, without opening the results.

        How much else is stored makes no difference. A summary that is missing is made from its result.

        Args:
            thumbnails: with their pictures; a whole layer is sorted without.
        """
        asked = [key for key in keys if _KEY.fullmatch(key)]
        stored = [entry.key for entry in self._folder.find_all(asked)]
        found = self._summaries.get(stored, thumbnails=thumbnails)
        missing = [key for key in stored if key not in found]
        made = [summarize(result) for key in missing if (result := self._stored(key))]
        self._summaries.put(made)
        found.update((summary.key, summary) for summary in made)
        for key in asked:
            if key not in found and self._is_shipped(key):
                if key not in self._shipped_summaries and (result := self._shipped(key)):
                    self._shipped_summaries[key] = summarize(result)
                if key in self._shipped_summaries:
                    found[key] = self._shipped_summaries[key]
        return found

    def keys(self) -> list[str]:
        """Keys of everything that is stored, sorted: the folder's and the starters'.

        Raises:
            StoreError: the folder cannot be read.
        """
        return sorted({*(entry.key for entry in self._folder.entries()), *self._shipped_keys()})

    def __contains__(self, key: object) -> bool:
        """Whether there is an entry of that key; unlike `get_key`, without opening it."""
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            return False
        return self._folder.find(key) is not None or self._is_shipped(key)

    def present(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys under which something is stored, in one look, without opening it."""
        there = {entry.key for entry in self._folder.find_all([key for key in keys if _KEY.fullmatch(key)])}
        return there.union(key for key in keys if key not in there and _KEY.fullmatch(key) and self._is_shipped(key))

    def stats(self) -> StoreStats:
        """Numbers for people.

        Raises:
            StoreError: the folder cannot be read.
        """
        count, size = self._folder.totals()
        return StoreStats(
            count=count,
            bytes=size,
            starters=len(self._shipped_keys()),
            damaged=len(self._folder.keys_aside()),
            hits=self._hits,
            misses=self._misses,
            size_limit=self._folder.size_limit,
            path=self._folder.path,
        )

    def verify(self) -> list[str]:
        """Read every entry, set aside what is damaged, and take in whole files that the index does not know.

        Returns:
            Keys of the damaged: those found now, and those set aside earlier and not rendered again since.

        Raises:
            StoreError: the folder cannot be read.
        """
        # In a folder that cannot be written there is nothing to mend, and still something to check.
        with contextlib.suppress(OSError, sqlite3.Error, diskcache.Timeout, StoreError):
            self._folder.mend()
        keys = [entry.key for entry in self._folder.entries()]
        damaged = {key for key in keys if self._is_damaged(key)}
        damaged.update(key for key in self._shipped_keys() if self._load_shipped(key) is None)
        return sorted(damaged.union(self._folder.keys_aside()))

    def clear(self) -> int:
        """Remove every result from the folder, also those set aside; starters stay.

        Returns:
            How many results were removed.

        Raises:
            StoreError: the folder cannot be written.
        """
        count = self._folder.clear()
        self._summaries.clear()
        return count

    def close(self) -> None:
        """Let go of the folder; the store opens it again when needed."""
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
        if found is None or not _answers(found[1], key):
            return None
        self._folder.touch(found[0])
        return found[1]

    def _load(self, key: str) -> tuple[Entry, RenderResult] | None:
        """The entry of that key; one that is damaged is set aside, and the ResultDamaged goes on."""
        found = self._folder.read(key)
        if found is None:
            return None
        entry, data = found
        try:
            return entry, RenderResult.from_bytes(data)
        except ResultDamaged as error:
            self._folder.set_aside(entry, error)
            raise

    def _is_damaged(self, key: str) -> bool:
        try:
            self._load(key)
        except (ResultDamaged, OSError):
            return True
        return False

    def _shipped(self, key: str) -> RenderResult | None:
        result = self._load_shipped(key)
        return result if result is not None and _answers(result, key) else None

    def _load_shipped(self, key: str) -> RenderResult | None:
        if self._starter is None:
            return None
        path = self._starter / f"{key}.h5"
        try:
            return RenderResult.from_bytes(path.read_bytes())
        except FileNotFoundError:
            return None
        except (ResultDamaged, OSError) as error:
            _log.warning("The starter result %s cannot be used: %s", path, error)
            return None

    def _is_shipped(self, key: str) -> bool:
        return key in self._shipped_keys()

    def _shipped_keys(self) -> set[str]:
        if self._starter_keys is None:
            files = self._starter.glob("*.h5") if self._starter else ()
            self._starter_keys = {path.stem for path in files if _KEY.fullmatch(path.stem)}
        return self._starter_keys


def _answers(result: RenderResult, key: str) -> bool:
    """Whether this version of the program means that result by that key; it may be of an older version."""
    return result.is_current and result.key == key
