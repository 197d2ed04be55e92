"""`ProbeJob`: the handle of one question about a clip, which a worker answers."""

import threading
from collections.abc import Callable
from typing import Any

from c3dvis.errors import C3dvisError, Cancelled
from c3dvis.probe.request import ProbeRequest


class ProbeJob:
    """One question about a clip, waiting, under way or answered. Made by `RenderQueue`; safe to use from any thread.

    Attributes:
        request: the question.
        visitor: name of who asks it; empty for the program itself.
        progress: (done, total) of noise clips or gradients, total 0 while it is unknown; None before the first report.
    """

    def __init__(self, request: ProbeRequest, stop: Callable[["ProbeJob"], None], visitor: str = "") -> None:
        self.request = request
        self.visitor = visitor
        self.progress: tuple[int, int] | None = None
        self._stop = stop
        self._finished = threading.Event()
        self._lock = threading.Lock()
        self._value: Any = None
        self._error: C3dvisError | None = None

    @property
    def is_finished(self) -> bool:
        """Whether there is an answer or an error."""
        return self._finished.is_set()

    @property
    def error(self) -> C3dvisError | None:
        """Why there is no answer."""
        return self._error

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is finished, at most `timeout` seconds; returns whether it is."""
        return self._finished.wait(timeout)

    def result(self, timeout: float | None = None) -> Any:
        """The answer, as `ProbeRequest.question` says.

        Raises:
            TimeoutError: it is not finished in time.
            C3dvisError: why there is no answer.
        """
        if not self._finished.wait(timeout):
            raise TimeoutError("The probe is not finished.")
        if self._error:
            raise self._error
        return self._value

    def cancel(self) -> None:
        """Stop it; a worker notices at its next report."""
        if self.finish(None, Cancelled("The probe was cancelled.")):
            self._stop(self)

    def finish(self, value: Any, error: C3dvisError | None = None) -> bool:
        """Keep the answer or the error; returns False if it was finished before."""
        with self._lock:
            if self._finished.is_set():
                return False
            self._value, self._error = value, error
            self._finished.set()
            return True
