"""`KeptResults`: the results of a queue, in the store, or in memory while the store refuses them."""

import logging
import threading
from typing import TYPE_CHECKING, NamedTuple

from cachetools import FIFOCache

from c3dvis.errors import C3dvisError, InvalidSpec, RenderFailed
from c3dvis.spec import RenderSpec

if TYPE_CHECKING:
    from c3dvis.queue.worker_tasks import RenderReply
    from c3dvis.results import RenderResult, ResultStore

logger = logging.getLogger(__name__)

_REFUSED_RESULTS = 16  # latest results kept in memory because the store refused them


class Kept(NamedTuple):
    """What became of a worker's reply.

    Attributes:
        refusal: why the store did not take the result, which is in memory then; None if it did.
        variants: keys of the results of other variants that the store took.
    """

    refusal: str | None
    variants: list[str]


class KeptResults:
    """Where a queue finds results and keeps them. Every method may be called from any thread.

    Args:
        store: where results are looked for first and kept.
    """

    def __init__(self, store: "ResultStore") -> None:
        self._store = store
        self._lock = threading.Lock()
        self._refused: FIFOCache[str, RenderResult] = FIFOCache(_REFUSED_RESULTS)

    def is_refused(self, key: str) -> bool:
        """Whether the result is in memory, since the store refused it."""
        with self._lock:
            return key in self._refused

    def is_stored(self, key: str) -> bool:
        """Whether the store has the result, and it can be read."""
        try:
            return self._store.get_key(key) is not None
        except C3dvisError as error:  # the spec is rendered again, and the store may have recovered by then
            logger.warning("A stored result cannot be read: %s", error)
            return False

    def get(self, key: str) -> "RenderResult | None":
        """The result, from memory or from the store."""
        with self._lock:
            refused = self._refused.get(key)
        return refused or self._store.get_key(key)

    def packed_start_clip(self, spec: RenderSpec) -> bytes:
        """The clip that a spec starts from, as a worker takes it. Raises InvalidSpec if it is not there any more."""
        from c3dvis.results.start_clips import pack_clip

        clip = self._store.start_clips.get(spec.start_clip)
        if clip is None:
            raise InvalidSpec(
                f"The render starts from a clip that is not on this machine any more: expected the one whose content "
                f"hash is {spec.start_clip[:12]}…. Open its file on the page Probe again, and dream on it there."
            )
        return pack_clip(clip)

    def keep(self, key: str, reply: "RenderReply") -> Kept:
        """Store the results of a worker's reply.

        Args:
            key: of the result that was asked for.

        Raises:
            C3dvisError: the reply has an error, or another result than was asked for.
        """
        from c3dvis.results import RenderResult

        if reply.error or reply.blob is None:
            raise reply.error or RenderFailed("The worker returned nothing.")
        result = RenderResult.from_bytes(reply.blob)
        if result.key != key:
            raise RenderFailed(
                f"The worker returned another result than was asked for: expected key {key[:12]}…, received "
                f"{result.key[:12]}…. Its weights, or this machine's, changed meanwhile: render it again."
            )
        variants: list[str] = []
        try:
            self._store.put(result, reply.blob)
            for blob in reply.variants:
                variant = RenderResult.from_bytes(blob)
                self._store.put(variant, blob)
                variants.append(variant.key)
        except C3dvisError as error:
            logger.warning("A result was not stored: %s", error)
            with self._lock:
                self._refused[key] = result
            return Kept(f"The result is shown but not kept. {error}", variants)
        with self._lock:
            self._refused.pop(key, None)
        return Kept(None, variants)
