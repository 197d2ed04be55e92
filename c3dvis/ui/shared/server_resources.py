"""What all visitors of one server share: the result store, the render queue, and the fetches of weights.

Every act of a visitor that changes any of them is a method of `ServerResources`, which refuses it unless the visitor of
the running page may do it. Pages call nothing else for it (`tests/hosting/test_acts.py`), and only leave out controls
that would be refused.
"""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import streamlit as st
from cachetools import LRUCache

from c3dvis.access.sign_in import current_may, current_visitor, require_current
from c3dvis.errors import C3dvisError, InvalidSpec, WeightsMissing
from c3dvis.networks import registry
from c3dvis.networks.importers import add_network
from c3dvis.networks.registry import NetworkInfo
from c3dvis.networks.weights import obtain
from c3dvis.probe.request import ProbeRequest
from c3dvis.queue import ProbeJob, RenderJob, RenderQueue, texture_motion_key
from c3dvis.results import RenderResult, ResultStore, result_key
from c3dvis.settings import cache_dir
from c3dvis.spec import RenderSpec
from c3dvis.ui.shared.requester import current_requester
from c3dvis.ui.shared.server_history import ServerHistory
from c3dvis.ui.shared.weights_fetch import WeightsFetch

_DECODED_RESULTS = 16


class ServerResources:
    """The resources of the server process.

    Attributes:
        store: the stored results.
        queue: the renders that are queued or running.
        history: of the last hour.
    """

    def __init__(self) -> None:
        self.store = ResultStore(cache_dir())
        self.queue = RenderQueue(self.store)
        self.history = ServerHistory(self.queue)
        self._fetches: dict[str, WeightsFetch] = {}
        self._decoded: LRUCache[str, RenderResult] = LRUCache(_DECODED_RESULTS)
        self._askers: WeakKeyDictionary[RenderJob, set[str]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def close(self) -> None:
        """End the worker processes and close the store."""
        self.history.close()
        self.queue.close()
        self.store.close()

    def key(self, spec: RenderSpec) -> str | None:
        """The key of a spec's result; None if the network's weights, which are part of the key, are missing."""
        try:
            return result_key(spec)
        except WeightsMissing:
            return None

    def result(self, spec: RenderSpec) -> RenderResult | None:
        """The result of a spec, or None if there is none or the network's weights are missing.

        The last few results stay decoded in memory, since a page asks for the same one whenever it runs. A result that
        the store could not write (full disk, read-only folder) is returned while the queue still holds it.
        """
        key = self.key(spec)
        if key is None:
            return None
        with self._lock:
            decoded = self._decoded.get(key)
        if decoded and not self._taken_apart_since(decoded):
            return decoded
        job = self.queue.job(key)
        result = self.store.get_key(key) or (job.result() if job else None)
        if result:
            with self._lock:
                self._decoded[key] = result
        return result

    def _taken_apart_since(self, decoded: RenderResult) -> bool:
        """Whether the store has the texture and motion of a result that was decoded without them."""
        job = None if decoded.texture_motion else self.queue.job(texture_motion_key(decoded.key))
        return bool(job and job.state == "done")

    def take_apart(self, result: RenderResult) -> str | None:
        """Have the queue find a result's texture and motion; returns why that is not possible, or None."""
        try:
            require_current("render")
            self._remember(self.queue.take_apart(result, visitor=current_requester()))
        except C3dvisError as error:
            return error.message
        return None

    def texture_motion_job(self, spec: RenderSpec) -> RenderJob | None:
        """The latest job that finds the texture and motion of a spec's result, whoever asked for it, or None."""
        key = self.key(spec)
        return self.queue.job(texture_motion_key(key)) if key else None

    def is_taken_apart_now(self, spec: RenderSpec) -> bool:
        """Whether the texture and motion of a spec's result are being found."""
        job = self.texture_motion_job(spec)
        return bool(job and not job.is_finished)

    def job(self, spec: RenderSpec) -> RenderJob | None:
        """The job that renders or rendered a spec, whoever submitted it, or None."""
        key = self.key(spec)
        return self.queue.job(key) if key else None

    def is_active(self, spec: RenderSpec) -> bool:
        """Whether the render of a spec is queued or running."""
        job = self.job(spec)
        return bool(job and not job.is_finished)

    def submit(self, specs: Iterable[RenderSpec], *, background: bool = False) -> str | None:
        """Submit specs to the queue for the visitor whose page runs.

        Args:
            specs: in the order in which they are to be rendered.
            background: whether they go behind the renders that visitors of the Explore page wait for.

        Returns:
            Why one of them could not be submitted, one sentence; None if all were.
        """
        requester = current_requester()
        try:
            require_current("render")
            for spec in specs:
                self._remember(self.queue.submit(spec, background=background, visitor=requester))
        except C3dvisError as error:
            return error.message
        return None

    def dream(self, spec: RenderSpec, start_clip: np.ndarray) -> str | None:
        """Keep the clip (T, H, W, 3) uint8 that a spec starts from, and submit the spec; returns as `submit`."""
        try:
            require_current("render")
            self.store.start_clips.put(start_clip)
        except C3dvisError as error:
            return error.message
        return self.submit([spec])

    def probe(self, request: ProbeRequest) -> ProbeJob:
        """Ask the workers about a real clip.

        Raises:
            NotAllowed: the visitor may not.
            LimitReached: the visitor may not now.
            QueueClosed: the program ends.
        """
        require_current("render")
        return self.queue.probe(request, visitor=current_requester())

    def may_cancel(self, job: RenderJob) -> bool:
        """Whether the visitor may cancel a job: one that nobody else asked for, or any as an operator."""
        with self._lock:
            own = self._askers.get(job) == {current_visitor().name}
        return current_may("cancel" if own else "cancel for others")

    def cancel(self, job: RenderJob, watcher: str | None) -> bool:
        """Cancel a job as `RenderJob.cancel` does; returns False too if the visitor may not."""
        return self.may_cancel(job) and job.cancel(watcher)

    def _remember(self, job: RenderJob) -> None:
        """Remember that the visitor asked for a job."""
        with self._lock:
            self._askers.setdefault(job, set()).add(current_visitor().name)

    def weights_fetch(self, network: str) -> WeightsFetch | None:
        """The latest fetch of a network's weights, running or finished, or None."""
        with self._lock:
            return self._fetches.get(network)

    def start_weights_fetch(self, network: str) -> WeightsFetch:
        """Fetch a network's weights in the background; returns the fetch that is under way already, if there is one.

        Raises:
            NotAllowed: the visitor may not.
        """
        require_current("fetch")
        with self._lock:
            fetch = self._fetches.get(network)
            if fetch is None or fetch.finished:
                fetch = self._fetches[network] = WeightsFetch.start(network)
            return fetch

    def install_weights(self, info: NetworkInfo, file: Path, name: str) -> None:
        """Install the weights in a file that the visitor has uploaded.

        Raises:
            NotAllowed: the visitor may not.
            C3dvisError: as `obtain.install`.
        """
        require_current("upload")
        obtain.install(info, file, name=name)

    def add_network(self, name: str, *described: Any) -> NetworkInfo:
        """Add a network from a model that the visitor has uploaded.

        Args:
            name: of the new network.
            *described: the further arguments of `add_network.add`.

        Raises:
            NotAllowed: the visitor may not.
            InvalidSpec: as `add_network.add`, or there is a network of that name.
            WeightsDamaged: as `add_network.add`.
        """
        require_current("upload")
        if name in registry.names():
            raise InvalidSpec(
                f"There is a network {name} already, which others may render with. Choose another name; only the "
                "command line replaces a network."
            )
        return add_network.add(name, *described)

    def check_weights(self, info: NetworkInfo) -> None:
        """Compare every value of a network's weights with its hash, which takes a while.

        Raises:
            NotAllowed: the visitor may not.
            WeightsDamaged: the weights changed.
        """
        require_current("check weights")
        obtain.check(info)


server_resources: Callable[[], ServerResources] = st.cache_resource(
    show_spinner=False, on_release=ServerResources.close
)(ServerResources)
"""The one `ServerResources` of this server process, created at the first call."""
