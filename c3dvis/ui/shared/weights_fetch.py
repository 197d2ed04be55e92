"""Fetches a network's weights in a background thread, and records the progress."""

import contextlib
import threading
from dataclasses import dataclass, field

from c3dvis.errors import C3dvisError, FetchFailed
from c3dvis.networks import registry
from c3dvis.networks.weights import class_labels, obtain


@dataclass
class WeightsFetch:
    """A fetch of weights that is running or finished.

    Attributes:
        received: bytes so far.
        total: bytes in all; 0 while unknown.
        error: why it failed, one sentence.
    """

    received: int = 0
    total: int = 0
    error: str | None = None
    _ended: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def start(cls, network: str) -> "WeightsFetch":
        """Start to fetch a network's weights, whose terms the visitor has accepted."""
        fetch = cls()
        threading.Thread(target=fetch._run, args=(network,), name=f"fetch {network}", daemon=True).start()
        return fetch

    @property
    def finished(self) -> bool:
        """Whether it has succeeded or failed."""
        return self._ended.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until it is finished, at most `timeout` seconds; returns whether it is finished."""
        return self._ended.wait(timeout)

    def _run(self, network: str) -> None:
        info = registry.describe(network)
        try:
            obtain.obtain(info, self._on_progress, accepted=True)
            with contextlib.suppress(FetchFailed):  # without the list of names, classes are shown by their numbers
                class_labels.fetch_labels(info)
        except C3dvisError as error:
            self.error = error.message
        except Exception as error:  # the visitor gets a sentence, the server's log the traceback
            self.error = f"The weights of {network} could not be fetched: {type(error).__name__}: {error}."
            raise
        finally:
            self._ended.set()

    def _on_progress(self, received: int, total: int) -> None:
        self.received, self.total = received, total
