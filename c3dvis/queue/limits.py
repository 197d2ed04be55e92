"""What a visitor may have rendered: refusals with the reason, before a render is queued."""

import time
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

from c3dvis.durations import duration
from c3dvis.errors import LimitReached
from c3dvis.maximize.schedule import total_work
from c3dvis.networks.registry import describe
from c3dvis.queue.render_job import RenderJob
from c3dvis.server_settings import Limits
from c3dvis.spec import RenderSpec

_HOUR = 3600.0  # seconds
_UNIT = 1e12  # multiplications, the unit of the setting `render_work`


@dataclass(frozen=True)
class Requester:
    """Somebody for whom the queue renders.

    Attributes:
        name: the same for everything that one person does, as far as that is known; it is logged.
        address: network address; empty if it is not known.
    """

    name: str
    address: str = ""


class Admission:
    """Counts what each visitor has started, and refuses what is beyond the limits; not safe for several threads.

    Args:
        limits: of the settings file.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._asked: dict[str, deque[float]] = {}  # the same of questions about clips
        self._started: dict[str, deque[float]] = {}  # monotonic seconds of the starts within the last hour

    def check(self, spec: RenderSpec, visitor: Requester, active: Collection[RenderJob]) -> None:
        """Refuse a render that is beyond a limit.

        Args:
            spec: of the render.
            visitor: who asks for it.
            active: jobs that wait or run, of all visitors.

        Raises:
            LimitReached: with the limit, what was received, and when it is possible again.
        """
        limits = self._limits
        work = total_work(spec, describe(spec.network)) / _UNIT
        if work > limits.render_work:
            raise LimitReached.of(
                "render_work",
                f"This render is too large for this server: it needs {work:.3g} million million multiplications, of at "
                f"most {limits.render_work:g}. Make frames, height, width or the number of steps smaller.",
            )
        own = sum(job.visitors[0] == visitor.name for job in active)
        if own >= limits.visitor_waiting:
            raise LimitReached.of(
                "visitor_waiting",
                f"{own} of your renders wait or run, and this server allows a visitor {limits.visitor_waiting:g} at a "
                "time. Wait until one is done, or cancel one.",
            )
        if len(active) >= limits.queue_waiting:
            raise LimitReached.of(
                "queue_waiting",
                f"The queue is full: {len(active)} renders wait or run, of at most {limits.queue_waiting:g}. Try again "
                "in a few minutes.",
            )
        self._check_hour("visitor_per_hour", f"visitor {visitor.name}", limits.visitor_per_hour, "You have")
        if visitor.address:
            who = "Visitors from your network have"
            self._check_hour("address_per_hour", f"address {visitor.address}", limits.address_per_hour, who)

    def count(self, visitor: Requester) -> None:
        """A render of a visitor is queued."""
        now = time.monotonic()
        for name in (f"visitor {visitor.name}", *([f"address {visitor.address}"] if visitor.address else [])):
            self._started.setdefault(name, deque()).append(now)
        if len(self._started) > 1000:
            self._started = {name: starts for name, starts in self._started.items() if now - starts[-1] < _HOUR}

    def admit_probe(self, visitor: Requester, unanswered: int) -> None:
        """Count a question about a clip.

        Args:
            visitor: who asks it.
            unanswered: questions of the visitor that wait or are answered.

        Raises:
            LimitReached: as of `check`.
        """
        most = self._limits.visitor_probes
        if unanswered >= most:
            raise LimitReached.of(
                "visitor_probes",
                f"{unanswered} of your questions about clips wait or are being answered, and this server allows a "
                f"visitor {most:g} at a time. Wait until they are answered.",
            )
        most = self._limits.visitor_probes_per_hour
        asked = _within_an_hour(self._asked, visitor.name)
        if len(asked) >= most:
            raise LimitReached.of(
                "visitor_probes_per_hour",
                f"You have asked {len(asked)} questions about clips within an hour, and this server allows {most:g}. "
                f"The next one is possible in {_again(asked)}.",
            )
        self._asked.setdefault(visitor.name, asked).append(time.monotonic())

    def _check_hour(self, limit: str, name: str, most: float, who: str) -> None:
        starts = _within_an_hour(self._started, name)
        if len(starts) >= most:
            raise LimitReached.of(
                limit,
                f"{who} started {len(starts)} renders within an hour, and this server allows {most:g}. The next one "
                f"is possible in {_again(starts)}.",
            )


def _within_an_hour(times: dict[str, deque[float]], name: str) -> deque[float]:
    """The times of a name within the last hour; older ones, and a name without any, are forgotten."""
    own = times.get(name, deque())
    while own and time.monotonic() - own[0] >= _HOUR:
        own.popleft()
    if not own:
        times.pop(name, None)
    return own


def _again(times: deque[float]) -> str:
    """When the oldest of some times is an hour ago."""
    return duration(_HOUR - (time.monotonic() - times[0])) if times else "an hour"
