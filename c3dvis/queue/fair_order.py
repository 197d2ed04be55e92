"""The order of the waiting jobs: a turn for each visitor, whoever has queued how many.

Fair queueing as of Demers, Keshav and Shenker (1989), with a render as the unit: between two turns of a visitor, every
other one has one, or two where a background job waits. Within a visitor's own jobs, those that somebody waits for go
before background jobs, and older ones before newer ones. The program's own jobs are those of one more visitor.
"""

import itertools
from collections.abc import Collection, Iterable

from c3dvis.queue.render_job import RenderJob


class FairOrder:
    """The turns of the visitors; not safe for several threads."""

    def __init__(self) -> None:
        self._counter = itertools.count()
        self._turns: dict[str, int] = {}  # of each visitor's next job
        self._stamps: dict[str, int] = {}  # ascending by when a visitor joined or was served last
        self._latest = 0  # turn of the job that was served last
        self._places: dict[RenderJob, int] = {}
        self._placed: tuple[RenderJob, ...] | None = None  # jobs that were left out of `_places`; None if it is old

    def join(self, visitor: str) -> None:
        """A visitor asks for a job that waits; one who is not known joins the turn that is served now."""
        self._stamps.setdefault(visitor, next(self._counter))
        self._turns[visitor] = max(self._latest, self._turns.get(visitor, 0))
        self._placed = None

    def sorted(self, waiting: Iterable[RenderJob]) -> list[RenderJob]:
        """Waiting jobs in the order in which they are rendered; all their visitors have joined."""
        by_visitor: dict[str, list[RenderJob]] = {}
        for job in waiting:
            for visitor in job.visitors:
                by_visitor.setdefault(visitor, []).append(job)
        places: dict[RenderJob, tuple[int, bool, int]] = {}
        for visitor, jobs in by_visitor.items():
            for turn, job in enumerate(sorted(jobs, key=lambda job: job.rank), self._turns[visitor]):
                place = turn, job.background, self._stamps[visitor]
                places[job] = min(place, places.get(job, place))
        return sorted(places, key=places.__getitem__)

    def places(self, active: Iterable[RenderJob], assigned: tuple[RenderJob, ...]) -> dict[RenderJob, int]:
        """The place of each active job that is not assigned to a device, from 0, in their order.

        It is kept until the order changes, since a page asks for the places of hundreds of jobs.
        """
        if self._placed != assigned:
            waiting = [job for job in active if job not in assigned]
            self._places = {job: place for place, job in enumerate(self.sorted(waiting))}
            self._placed = assigned
        return self._places

    def serve(self, job: RenderJob) -> None:
        """A job is taken to be rendered: the next one of those who asked for it has a later turn."""
        self._latest = max(self._latest, min(self._turns[visitor] for visitor in job.visitors))
        for visitor in job.visitors:
            self._turns[visitor] = max(self._turns[visitor], self._latest) + 1
            self._stamps[visitor] = next(self._counter)
        self._placed = None

    def forget_all_but(self, visitors: Collection[str]) -> None:
        """Forget visitors who have no job any more, and have had no turn that others wait for."""
        kept = {visitor for visitor, turn in self._turns.items() if visitor in visitors or turn > self._latest}
        self._turns = {visitor: turn for visitor, turn in self._turns.items() if visitor in kept}
        self._stamps = {visitor: stamp for visitor, stamp in self._stamps.items() if visitor in kept}
        self._placed = None
