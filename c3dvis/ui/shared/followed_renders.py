"""The renders that one visitor has asked for or seen at work: of these alone a failure is told to the visitor."""

from collections.abc import Iterable
from weakref import WeakSet

import numpy as np
import streamlit as st

from c3dvis.queue import RenderJob
from c3dvis.spec import RenderSpec
from c3dvis.ui.shared.server_resources import ServerResources

_FOLLOWED = "followed renders"


def follow(job: RenderJob | None) -> None:
    """Have the visitor told if a job fails."""
    if job:
        _followed().add(job)


def submit(resources: ServerResources, specs: Iterable[RenderSpec], *, background: bool = False) -> str | None:
    """Submit specs for the visitor; as of `ServerResources.submit`."""
    specs = list(specs)
    problem = resources.submit(specs, background=background)
    for spec in specs:
        follow(resources.job(spec))
    return problem


def dream(resources: ServerResources, spec: RenderSpec, start_clip: np.ndarray) -> str | None:
    """Have a clip dreamt on for the visitor; as of `ServerResources.dream`."""
    problem = resources.dream(spec, start_clip)
    follow(resources.job(spec))
    return problem


def failure(job: RenderJob | None) -> str | None:
    """Why a job failed, one sentence; None if it did not, or if it is the render of another visitor."""
    if job is None or job.state != "failed" or job not in _followed():
        return None
    return job.error.message if job.error else "The render failed and did not say why."


def _followed() -> "WeakSet[RenderJob]":
    return st.session_state.setdefault(_FOLLOWED, WeakSet())
