"""A worker renders from a clip: it is sent along, and only where the store has it."""

import numpy as np
import pytest

from c3dvis.errors import InvalidSpec
from c3dvis.queue import RenderQueue
from c3dvis.results import ResultStore
from tests.processes import PATIENCE
from tests.queue.conftest import SMALL


def test_a_worker_starts_from_the_stored_clip(queue: RenderQueue, store: ResultStore) -> None:
    clip = np.random.default_rng(3).integers(0, 256, (*SMALL.size, 3), np.uint8)
    spec = SMALL.replace(start_clip=store.start_clips.put(clip), start_strength=0.0)
    job = queue.submit(spec)
    assert job.wait(PATIENCE), job.snapshot()
    result = job.result()
    assert result, job.error
    np.testing.assert_array_equal(result.clip, clip)
    assert store.get(spec) is not None
    store.start_clips.clear()
    assert queue.submit(spec) is job  # a stored result needs no clip


def test_a_clip_that_is_gone_is_asked_for(queue: RenderQueue) -> None:
    with pytest.raises(InvalidSpec, match="Open its file on the page Probe again"):
        queue.submit(SMALL.replace(start_clip="5" * 64))
