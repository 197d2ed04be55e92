"""The questions of one visitor's page about the clip, and the workers' answers.

They are kept in memory: those about the sample for all visitors, those about a visitor's clip for the session.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import streamlit as st
from cachetools import LRUCache

from c3dvis.errors import Cancelled, LimitReached
from c3dvis.networks.weights import installed_weights
from c3dvis.probe import Target
from c3dvis.probe.request import ProbeRequest
from c3dvis.queue import ProbeJob
from c3dvis.ui.probe.page_state import ProbeState
from c3dvis.ui.shared.server_resources import ServerResources

_SESSION = "probe answers"
_KEPT = 64  # answers


@dataclass(frozen=True)
class Questions:
    """Asks about one clip.

    Args:
        resources: of the server.
        state: of the page.
        clip: (T, H, W, 3) uint8, or with the network's channels.
        shared: whether the answers are for all visitors.
    """

    resources: ServerResources
    state: ProbeState
    clip: np.ndarray
    shared: bool

    def ask(self, question: str, target: Target | None = None) -> ProbeJob:
        """The job of a question, asked now if it was not before; one that a limit refuses has failed."""
        jobs = _shared_jobs() if self.shared else st.session_state.setdefault(_SESSION, LRUCache(_KEPT))
        info = self.state.info
        digest = hashlib.sha256(self.clip.tobytes()).hexdigest()
        key = (installed_weights.fingerprint(info), digest, self.clip.shape, question, target)
        job = jobs.get(key)
        if job is None or isinstance(job.error, (Cancelled, LimitReached)):
            request = ProbeRequest(info.name, self.clip, question, target)  # type: ignore[arg-type]
            resources = self.resources
            try:
                job = resources.probe(request)
            except LimitReached as error:
                job = ProbeJob(request, lambda _: None)
                job.finish(None, error)
            jobs[key] = job
        return job


@lru_cache(maxsize=1)
def _shared_jobs() -> LRUCache[Any, ProbeJob]:
    return LRUCache(_KEPT)
