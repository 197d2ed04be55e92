"""The exceptions of this package. `str(error)` explains to the user what went wrong and what to do.

`exit_code` is the exit code of the command, so that scripts can distinguish the errors.
"""


class C3dvisError(Exception):
    """Base class of every exception that this package raises on purpose.

    Args:
        message: what happened, what was expected and received, and what to do. A page shows it to its visitors.
        command: what else to do on the command line; the visitors of a page have none.
    """

    exit_code = 1

    def __init__(self, message: str = "", command: str = "") -> None:
        super().__init__(message, command)

    # From `args`, since an exception that comes from another process may have been made without `__init__`.
    @property
    def message(self) -> str:
        """What a page shows."""
        return self.args[0] if self.args else ""

    @property
    def command(self) -> str:
        """What only the command line adds; may be empty."""
        return self.args[1] if len(self.args) > 1 else ""

    def __str__(self) -> str:
        return f"{self.message} {self.command}".strip()


class InvalidSpec(C3dvisError):
    """A field of a spec has a value that cannot be used."""

    exit_code = 2


class InvalidSettings(C3dvisError):
    """The settings file of the server cannot be used."""

    exit_code = 2


class NotAllowed(C3dvisError):
    """The visitor of a public server may not do this."""


class UnknownNetwork(C3dvisError):
    """No network has that name."""

    exit_code = 3


class UnknownLayer(C3dvisError):
    """The network has no layer of that name whose filters can be rendered."""

    exit_code = 3


class WeightsMissing(C3dvisError):
    """The network's weights are not on this machine."""

    exit_code = 4


class WeightsDamaged(C3dvisError):
    """A weights file is damaged, or does not fit the network."""

    exit_code = 5


class FetchFailed(C3dvisError):
    """Weights could not be fetched."""

    exit_code = 6


class StoreError(C3dvisError):
    """The result store cannot be read or written."""

    exit_code = 7


class ResultDamaged(C3dvisError):
    """A stored result was altered or cannot be read."""

    exit_code = 7


class WorkerLost(C3dvisError):
    """The worker process ended before the render was finished."""

    exit_code = 8


class QueueClosed(C3dvisError):
    """The render queue is closed and accepts no more specs."""

    exit_code = 8


class ClipUnreadable(C3dvisError):
    """A video clip cannot be read."""

    exit_code = 9


class ClipTooShort(ClipUnreadable):
    """A file has fewer frames than a window of it; stretched or looped it could be read."""


class RenderFailed(C3dvisError):
    """The render failed: numbers overflowed, or memory ran out."""

    exit_code = 10


class OutputFailed(C3dvisError):
    """An output file cannot be written."""

    exit_code = 11


class AtlasIncomplete(C3dvisError):
    """Some renders of an atlas failed; it contains the others."""

    exit_code = 12


class LimitReached(C3dvisError):
    """A visitor of a server asks for more than its limits allow.

    Attributes:
        limit: the key of the settings file.
    """

    exit_code = 13
    limit = ""

    @classmethod
    def of(cls, limit: str, message: str) -> "LimitReached":
        """The error of one limit."""
        error = cls(message)
        error.limit = limit
        return error


class Cancelled(C3dvisError):
    """The render was cancelled."""

    exit_code = 130
