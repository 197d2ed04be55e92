"""Estimates of how long renders take."""

from pathlib import Path

import pytest

from bench.stand_in import Cluster
from c3dvis.queue import JobState
from c3dvis.spec import RenderSpec
from c3dvis.ui.gallery.renders import layer_renders, seconds_left
from c3dvis.ui.shared.render_estimate import measured_seconds
from c3dvis.ui.shared.server_resources import ServerResources

SPEC = RenderSpec(layer="Mixed_3b", filter=1, frames=8, height=32, width=32)


@pytest.mark.usefixtures("weights")
def test_an_estimate_comes_from_renders_of_the_same_engine_and_about_the_same_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Cluster(1, seconds=0.2) as cluster:
        monkeypatch.setenv("C3DVIS_SCHEDULER", cluster.address)
        monkeypatch.setenv("C3DVIS_CACHE_DIR", str(tmp_path))
        resources = ServerResources()
        try:
            assert _render(resources, SPEC.replace(engine="keras-vis")) == "done"
            assert measured_seconds(resources, SPEC) is None
            assert _render(resources, SPEC.replace(frames=16, height=112, width=112)) == "done"
            assert measured_seconds(resources, SPEC) is None
            filters = tuple(SPEC.replace(filter=number) for number in range(256))
            assert seconds_left(resources, layer_renders(resources, filters)) is None
            assert _render(resources, SPEC) == "done"
            seconds = measured_seconds(resources, SPEC.replace(filter=2))
            assert seconds
            assert 0.1 < seconds < 60
        finally:
            resources.close()


def _render(resources: ServerResources, spec: RenderSpec) -> JobState:
    job = resources.queue.submit(spec)
    assert job.wait(600)
    return job.state
