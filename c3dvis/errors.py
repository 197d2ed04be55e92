"""What can go wrong, one class for each kind; `str(error)` is a sentence a visitor can act on.

`exit_code` is what the command line ends with, so that scripts can tell failures apart.
"""


class C3dvisError(Exception):
    """Base of every error this package raises on purpose."""

    exit_code = 1


class InvalidSpec(C3dvisError):
    """A render was asked for with a value that cannot be used."""

    exit_code = 2


class UnknownNetwork(C3dvisError):
    """No network of that name is registered."""

    exit_code = 3


class UnknownLayer(C3dvisError):
    """The network has no layer of that name that can be targeted."""

    exit_code = 3


class WeightsMissing(C3dvisError):
    """The network's weights are not on this machine."""

    exit_code = 4


class WeightsDamaged(C3dvisError):
    """A weights file is there but is not what it should be."""

    exit_code = 5


class FetchFailed(C3dvisError):
    """Weights could not be fetched."""

    exit_code = 6


class StoreError(C3dvisError):
    """The result store cannot be read or written."""

    exit_code = 7


class ResultDamaged(C3dvisError):
    """A stored result does not read back as what was stored."""

    exit_code = 7


class WorkerLost(C3dvisError):
    """The process that rendered ended before it finished."""

    exit_code = 8


class QueueClosed(C3dvisError):
    """The render queue no longer takes work."""

    exit_code = 8


class ClipUnreadable(C3dvisError):
    """A video clip cannot be read."""

    exit_code = 9


class RenderFailed(C3dvisError):
    """The optimisation could not go on (numbers overflowed, memory ran out)."""

    exit_code = 10


class OutputFailed(C3dvisError):
    """A file that was asked for cannot be written."""

    exit_code = 11


class AtlasIncomplete(C3dvisError):
    """Some filters of an atlas did not succeed; the others are there."""

    exit_code = 12


class Cancelled(C3dvisError):
    """The render was stopped on request."""

    exit_code = 130
