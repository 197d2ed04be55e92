"""What a job says of itself, told step by step what happened to it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from c3dvis.errors import RenderFailed
from c3dvis.maximize.schedule import Schedule
from c3dvis.networks.registry import describe
from c3dvis.queue import RenderJob, preview_image
from c3dvis.queue.render_job import MeasurementTime
from c3dvis.spec import RenderSpec

PLAIN = RenderSpec(parametrization="pixel")  # without a small canvas


def new_job(measurement_time: MeasurementTime, spec: RenderSpec = PLAIN) -> RenderJob:
    def stop(job: RenderJob) -> None:
        job.finish("cancelled")

    return RenderJob(
        "k" * 64, spec, 0, position=lambda _: 3, stop=stop, fetch=lambda _: None, measurement_time=measurement_time
    )


@pytest.fixture
def job() -> RenderJob:
    return new_job(MeasurementTime())


def report(first: int, last: int, steps: int = 100, pace: float = 0.5, **more: Any) -> Mapping[str, Any]:
    points = [[i, i * pace, 10.0 * i, 2.0 * i if i % 2 else None] for i in range(first, last + 1)]
    return {"steps": steps, "points": points, **more}


def test_queued(job: RenderJob) -> None:
    snapshot = job.snapshot()
    assert (snapshot.state, snapshot.position, snapshot.step, snapshot.steps) == ("queued", 3, 0, 0)
    assert (snapshot.seconds, snapshot.seconds_left, snapshot.preview, snapshot.error) == (
        0,
        None,
        None,
        None,
    )
    assert snapshot.curve == []


def test_running(job: RenderJob) -> None:
    job.started("tcp://worker")
    job.progressed(report(1, 10))
    job.progressed(report(11, 20))
    snapshot = job.snapshot()
    assert (snapshot.state, snapshot.position, snapshot.step, snapshot.steps) == ("running", None, 20, 100)
    assert (snapshot.objective, snapshot.shown_activation) == (200, 38)
    assert [point["step"] for point in snapshot.curve] == list(range(1, 21))
    assert snapshot.curve[0] == {"step": 1, "seconds": 0.5, "objective": 10, "shown_activation": 2}
    assert snapshot.seconds_left == pytest.approx(80 * 0.5, abs=1)


def test_time_left_follows_the_pace_of_the_latest_steps(job: RenderJob) -> None:
    job.started("tcp://worker")
    job.progressed(report(1, 40, pace=5))  # building, or a cheaper stage
    job.progressed({"steps": 100, "points": [[i, 200 + (i - 40) * 0.1, 0.0, None] for i in range(41, 61)]})
    assert job.snapshot().seconds_left == pytest.approx(40 * 0.1, abs=1)


def test_time_left_knows_that_the_small_canvas_is_quick_and_what_comes_after_is_not() -> None:
    sketched = new_job(MeasurementTime(), RenderSpec(layer="Mixed_4d"))
    schedule = Schedule.of(sketched.spec, describe(sketched.spec.network))
    rest = 144 - schedule.sketch
    assert schedule.sketch == 12
    sketched.started("tcp://worker")
    quick = schedule.sketch_cost * 0.1
    sketched.progressed({"steps": 144, "points": [[i, 3 + i * quick, 0.0, None] for i in range(1, 7)]})
    assert sketched.snapshot().seconds_left == pytest.approx(6 * quick + rest * 0.1, abs=0.5)
    sketched.progressed({"steps": 144, "points": [[i, 3 + i * quick, 0.0, None] for i in range(7, 13)]})
    assert sketched.snapshot().seconds_left == pytest.approx(rest * 0.1, abs=0.5)
    sketched.progressed({"steps": 144, "points": [[20, 30.0, 0.0, None]]})  # the full size was built before
    assert sketched.snapshot().seconds_left == pytest.approx((rest - 8) * 0.1, abs=0.5)
    sketched.progressed({"steps": 144, "points": [[28, 30.0 + 8 * 0.2, 0.0, None]]})
    assert sketched.snapshot().seconds_left == pytest.approx((rest - 16) * 0.2, abs=0.5)


def test_time_left_counts_what_earlier_renders_took_after_their_last_step() -> None:
    measurement_time = MeasurementTime()
    first, second = new_job(measurement_time), new_job(measurement_time)
    first.started("tcp://worker")
    first.progressed(report(1, 100, pace=1e-6))
    first.finish("done")
    assert measurement_time.steps > 0
    measurement_time.steps = 50
    second.started("tcp://worker")
    second.progressed(report(1, 100, pace=2))
    assert second.snapshot().seconds_left == pytest.approx(50 * 2, abs=1)


def test_preview_is_the_latest(job: RenderJob) -> None:
    job.started("tcp://worker")
    for grey in (50, 200):
        frames, data = preview_image.encode(np.full((8, 16, 16, 3), grey, np.uint8))
        job.progressed(report(1, 1, frames=frames, preview=data))
        shown = job.snapshot().preview
        assert shown is not None
        assert shown.shape == (8, 16, 16, 3)
        assert np.abs(shown.astype(int) - grey).max() <= 2


def test_lost_worker_starts_the_run_again_and_says_so(job: RenderJob) -> None:
    job.started("tcp://one")
    job.progressed(report(1, 50))
    job.lost_worker()
    assert "lost" in (job.snapshot().warning or "")
    assert job.worker == ""
    job.started("tcp://two")
    snapshot = job.snapshot()
    assert (snapshot.state, snapshot.step, snapshot.attempt, snapshot.curve) == ("running", 0, 2, [])
    assert job.worker == "tcp://two"


def test_finished_is_final(job: RenderJob) -> None:
    job.started("tcp://worker")
    job.progressed(report(1, 5))
    assert not job.wait(0)
    assert job.finish("failed", RenderFailed("It went wrong."))
    assert job.wait(0)
    assert not job.finish("done")
    job.started("tcp://worker")
    job.progressed(report(6, 9))
    job.requeued()
    snapshot = job.snapshot()
    assert (snapshot.state, snapshot.error, snapshot.step) == ("failed", "It went wrong.", 5)
    assert snapshot.finished
    assert isinstance(job.error, RenderFailed)
    assert job.result() is None


def test_cancel_spares_a_render_that_another_watches(job: RenderJob) -> None:
    job.snapshot(watcher="anna")
    job.snapshot(watcher="ben")
    assert not job.cancel(watcher="anna")
    assert not job.is_finished
    assert job.cancel(watcher="ben")
    assert job.snapshot().state == "cancelled"
    assert job.cancel(watcher="ben")


def test_cancel_without_a_name_stops_it_for_everyone(job: RenderJob) -> None:
    job.snapshot(watcher="anna")
    assert job.cancel()
    assert job.snapshot().state == "cancelled"
