"""What a visitor reads on the page: the place in the queue, why a render is refused, and that one has hung."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.stand_in import Cluster
from c3dvis.spec.text import query_text
from tests.hosting.socket_client import Client, button_ids
from tests.hosting.test_public_server import pressed
from tests.queue.conftest import SMALL, Until
from tests.ui.conftest import dashboard

SETTINGS = """\
limits = {visitor_waiting = 3, render_work = 0.001}
workers = {step_seconds = 8, first_step_seconds = 600}
"""
HANGS = 7


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """One simulated device that renders nothing beyond its first step while the file `hold` is there."""
    (tmp_path / "hold").write_text("none")
    return Cluster(workers=1, seconds=2.0, hold=tmp_path / "hold", hangs=(HANGS,))


@pytest.fixture
def visitor(tmp_path: Path, weights: Path, cluster: Cluster) -> Iterator[Client]:
    """A visitor of a dashboard with small limits."""
    (tmp_path / "c3dvis.toml").write_text(SETTINGS)
    with dashboard(tmp_path, weights, workers=cluster, C3DVIS_SETTINGS=str(tmp_path / "c3dvis.toml")) as running:
        client = Client(running.url)
        client.open()
        yield client
        client.close()


def link(number: int, **changes: int) -> str:
    return query_text(SMALL.replace(filter=number, **changes))


def render(visitor: Client, query: str, label: str = "Render now") -> str:
    """What the page says after a press on the button that renders what a link shows."""
    visitor.run(query)
    return visitor.run(message=pressed(visitor, label, query))


def test_the_page_says_the_place_in_the_queue_why_a_render_is_refused_and_that_one_has_hung(
    visitor: Client, cluster: Cluster, tmp_path: Path, until: Until
) -> None:
    for number in range(3):
        assert "of your renders" not in render(visitor, link(number))
    until(lambda: "Step 1 of 10" in visitor.run(link(0)), state=lambda: visitor.drawn)
    # the worker's own word that it is ready may come after its first step
    until(lambda: "Next in the queue." in visitor.run(link(1)), state=lambda: visitor.drawn)
    assert "2nd in the queue." in visitor.run(link(2))
    refused = render(visitor, link(3))
    assert "3 of your renders wait or run, and this server allows a visitor 3" in refused
    assert "Render now" in button_ids(visitor.drawn), "it can be tried again"
    assert "This render is too large for this server: it needs" in render(visitor, link(4, iterations=4096))

    (tmp_path / "hold").unlink()
    until(lambda: "Rendered in" in visitor.run(link(2)), state=lambda: visitor.drawn)
    render(visitor, link(HANGS))
    until(lambda: "was given up" in visitor.run(link(HANGS)), state=lambda: visitor.drawn)
    said = visitor.run(link(HANGS))
    assert f"filter {HANGS} · i3d-kinetics400 at 8 × 32 × 32 was given up: it made no progress for" in said
    assert "of 10. Its worker is replaced. Render it again; if it hangs again, make the clip smaller." in said
    assert "Try again" in button_ids(visitor.drawn)
    cluster.start_worker()  # as whatever started the first one there would
    render(visitor, link(5))
    until(lambda: "Rendered in" in visitor.run(link(5)), state=lambda: visitor.drawn)
