"""`Proof`: whether the framework that a network comes from computes the same responses as c3dvis, stored with it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Proof:
    """The outcome of comparing a network with its framework.

    Attributes:
        is_proved: whether every layer that can be targeted was compared; a network that differs is never kept.
        detail: by what and how closely, or why it could not be compared: a clause without a full stop.
    """

    is_proved: bool
    detail: str

    def __str__(self) -> str:
        return f"{'Proved' if self.is_proved else 'Not proved'}: {self.detail}."


UNKNOWN = Proof(False, "it was installed by a version of c3dvis that did not compare; install it again")
"""Of a network without a record."""

PUBLISHED = Proof(
    True, "the published file; with it, c3dvis's tests agree with an independent implementation within 0.001 relative"
)
"""Of a network that comes with c3dvis and one published file."""
