"""What all visitors of one server share: the result store, the render queue, the weight fetches."""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import streamlit as st

from c3dvis.errors import C3dvisError, FetchFailed, WeightsMissing
from c3dvis.networks import registry
from c3dvis.networks.weights import installed_weights
from c3dvis.queue import RenderJob, RenderQueue
from c3dvis.results import RenderResult, ResultStore
from c3dvis.settings import cache_dir
from c3dvis.spec import RenderSpec

_DECODED_KEPT = 16


@dataclass
class Fetch:
    """A download of weights: bytes so far, bytes in all, and how it ended."""

    done: int = 0
    total: int = 0
    error: str | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def finished(self) -> bool:
        """Whether it has ended, well or not."""
        return self.ended.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until it has ended, or for `timeout` seconds; returns whether it has."""
        return self.ended.wait(timeout)


class Services:
    """The store, the queue and the fetches, owned by the server process."""

    def __init__(self) -> None:
        self.store = ResultStore(cache_dir())
        self.queue = RenderQueue(self.store)
        self._fetches: dict[str, Fetch] = {}
        self._decoded: OrderedDict[str, RenderResult] = OrderedDict()
        self._lock = threading.Lock()

    def close(self) -> None:
        """End the worker processes and close the store."""
        self.queue.close()
        self.store.close()

    def result(self, spec: RenderSpec) -> RenderResult | None:
        """The stored result, or None; also None where the network's weights, and so the key, are unknown.

        The last few are kept decoded: a page asks for the same one at every run. A result that the store
        refused (a full disk, a read-only folder) is shown all the same while the queue remembers it.
        """
        key = self.key(spec)
        if key is None:
            return None
        with self._lock:
            if key in self._decoded:
                self._decoded.move_to_end(key)
                return self._decoded[key]
        job = self.queue.job(key)
        result = self.store.get_key(key) or (job.result() if job else None)
        if result:
            with self._lock:
                self._decoded[key] = result
                while len(self._decoded) > _DECODED_KEPT:
                    self._decoded.popitem(last=False)
        return result

    def key(self, spec: RenderSpec) -> str | None:
        """Where the result of a spec is stored, or None where the network's weights are not here to tell."""
        try:
            return spec.key(installed_weights.fingerprint(registry.describe(spec.network)))
        except WeightsMissing:
            return None

    def job(self, spec: RenderSpec) -> RenderJob | None:
        """The run of this spec, whoever asked for it, or None."""
        key = self.key(spec)
        return self.queue.job(key) if key else None

    def is_active(self, spec: RenderSpec) -> bool:
        """Whether this spec is waiting or being rendered now."""
        job = self.job(spec)
        return bool(job and not job.is_finished)

    def fetch(self, network: str) -> Fetch | None:
        """The fetch of a network's weights under way or just ended, or None."""
        with self._lock:
            return self._fetches.get(network)

    def start_fetch(self, network: str) -> None:
        """Fetch a network's weights in the background; a fetch under way is joined."""
        with self._lock:
            running = self._fetches.get(network)
            if running and not running.finished:
                return
            fetch = self._fetches[network] = Fetch()
        threading.Thread(target=_fetch, args=(network, fetch), name=f"fetch {network}", daemon=True).start()


def _fetch(network: str, fetch: Fetch) -> None:
    from c3dvis.networks.weights import class_labels, obtain

    info = registry.describe(network)

    def on_progress(done: int, total: int) -> None:
        fetch.done, fetch.total = done, total

    try:
        obtain.obtain(info, on_progress, accepted=True)  # the page starts no fetch before the terms are accepted
        with contextlib.suppress(FetchFailed):  # without the class names, classes have numbers
            class_labels.fetch_labels(info)
    except C3dvisError as error:
        fetch.error = str(error)
    except Exception as error:  # whatever it was, a visitor gets a sentence and the server its log
        fetch.error = f"The weights of {network} could not be fetched: {type(error).__name__}: {error}."
        raise
    finally:
        fetch.ended.set()


def _release(services: Services) -> None:
    services.close()


services: Callable[[], Services] = st.cache_resource(show_spinner=False, on_release=_release)(Services)
