"""What a visitor of a public server may do: guests look, members render, operators upload and fetch too."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from c3dvis.errors import NotAllowed

Role = Literal["guest", "member", "operator"]
Act = Literal["render", "cancel", "cancel for others", "upload", "fetch", "check weights", "see the machine"]

_MAY: dict[Role, tuple[Act, ...]] = {
    "guest": (),
    "member": ("render", "cancel"),
    "operator": ("render", "cancel", "cancel for others", "upload", "fetch", "check weights", "see the machine"),
}
_WHAT: dict[Act, str] = {
    "render": "start a render",
    "cancel": "cancel a render",
    "cancel for others": "cancel a render that others asked for",
    "upload": "upload a file",
    "fetch": "fetch weights",
    "check weights": "check the weights",
    "see the machine": "see where files and workers are",
}


@dataclass(frozen=True)
class Visitor:
    """A visitor.

    Attributes:
        name: e-mail address; empty for a guest, and in mode *local*.
        role: `guest` sees what is stored, `member` may render, `operator` may do everything.
        reason: why a guest is one, a sentence.
    """

    name: str
    role: Role
    reason: str = ""


LOCAL = Visitor("", "operator")
"""Everybody, in mode *local*."""


def visitor_of(address: str, allowed: Iterable[str], operators: Iterable[str]) -> Visitor:
    """The visitor with a verified e-mail address.

    Args:
        address: of the visitor.
        allowed: addresses and domains (`lab.example`) of members.
        operators: addresses of operators, who need not be members too.
    """
    if is_listed(address, operators):
        return Visitor(address, "operator")
    if is_listed(address, allowed):
        return Visitor(address, "member")
    return Visitor("", "guest", f"{address} is not on this server's list. Ask who runs it.")


def is_listed(address: str, entries: Iterable[str]) -> bool:
    """Whether an address, or its domain, is among the entries. A domain does not stand for those below it."""
    address = address.casefold()
    names = {entry.casefold().removeprefix("@") for entry in entries}
    return address in names or address.rpartition("@")[2] in names


def may(visitor: Visitor, act: Act) -> bool:
    """Whether a visitor may do something."""
    return act in _MAY[visitor.role]


def refusal(visitor: Visitor, act: Act) -> str | None:
    """Why a visitor may not do something, as a sentence, or None."""
    if may(visitor, act):
        return None
    who = "visitors who have signed in" if act in _MAY["member"] else "the operators of this server"
    return " ".join(filter(None, [f"Only {who} may {_WHAT[act]}.", visitor.reason]))


def require(visitor: Visitor, act: Act) -> None:
    """Refuse what a visitor may not do.

    Raises:
        NotAllowed: the visitor may not.
    """
    if sentence := refusal(visitor, act):
        raise NotAllowed(sentence)
