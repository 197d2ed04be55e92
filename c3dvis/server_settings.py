"""The settings file of a server: who may use it, how much of it, and how its workers are watched.

It is `c3dvis.toml` in the current folder, or the file that `C3DVIS_SETTINGS` names, and is read once. Without a file,
everything has the default of mode *local*: one person uses a dashboard on their own machine, and nothing is limited.
With `mode = "public"`, what the file does not set has the default of a server that many people open.
`docs/hosting/c3dvis.toml` explains every key. What belongs to a machine (folders, scheduler) is in `c3dvis.settings`.
"""

import os
import re
import tomllib
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from c3dvis.errors import InvalidSettings

DEFAULT_FILE = "c3dvis.toml"

_PUBLIC: dict[str, dict[str, Any]] = {
    "limits": {
        "render_work": 10.0,
        "visitor_waiting": 8,
        "visitor_per_hour": 60,
        "address_per_hour": 300,
        "queue_waiting": 200,
        "visitor_probes": 32,
        "visitor_probes_per_hour": 1000,
    },
    "monitoring": {"log": "json"},
}

Count = Annotated[float, Field(ge=0)]  # a float, so that it can be inf
Positive = Annotated[float, Field(gt=0)]
Network = Annotated[IPv4Network | IPv6Network, PlainValidator(ip_network)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _text(pattern: str, expected: str) -> AfterValidator:
    """Checks a text, and says what is expected in its place."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text, re.IGNORECASE):
            raise PydanticCustomError("text", "{expected}", {"expected": expected})
        return text

    return AfterValidator(check)


_NAME = r"(?:[\w-]+\.)*[\w-]+"
_ADDRESS = rf"[^@\s]+@{_NAME}"
Host = Annotated[str, _text(_NAME, "a host name without scheme and port, such as 'c3dvis.lab.example'")]
Address = Annotated[str, _text(_ADDRESS, "an e-mail address, such as 'ada@lab.example'")]
Member = Annotated[
    str, _text(rf"{_ADDRESS}|@?{_NAME}\.{_NAME}", "an e-mail address or a domain, such as 'lab.example'")
]


class Access(_Section):
    """Who may do what in mode *public*; who has not signed in sees what is stored.

    Attributes:
        hosts: names under which browsers reach the server; requests for others are refused.
        members: e-mail addresses, and domains of addresses, of those who may render.
        operators: e-mail addresses of those who may also upload files, fetch weights and cancel the renders of others.
    """

    hosts: list[Host] = []
    members: list[Member] = []
    operators: list[Address] = []


class Limits(_Section):
    """What a render may cost, and how many may wait; `inf` is no limit.

    Attributes:
        render_work: of one render, in 10¹² multiplications of its forward passes: steps × variants × those of the
            network up to the layer, which grow with the voxels of the clip. The default render has 0.9.
        visitor_waiting: renders of one visitor that wait or run.
        visitor_per_hour: renders that one visitor may start within an hour.
        address_per_hour: the same for all visitors from one network address.
        queue_waiting: renders of all visitors that wait or run.
        visitor_probes: questions of one visitor about clips that wait or are answered; a page asks 8 at once.
        visitor_probes_per_hour: questions about clips that one visitor may ask within an hour.
    """

    render_work: Positive = float("inf")
    visitor_waiting: Count = float("inf")
    visitor_per_hour: Count = float("inf")
    address_per_hour: Count = float("inf")
    queue_waiting: Count = float("inf")
    visitor_probes: Count = float("inf")
    visitor_probes_per_hour: Count = float("inf")


class Workers(_Section):
    """How the worker processes of this machine are run and watched.

    Attributes:
        profile: `normal` starts the workers at the first visit; `low` starts them at the first render, and stops them
            when there was nothing to render for `idle_minutes`.
        idle_minutes: of the profile `low`.
        step_seconds: a render that has made a step and makes no further one for this long is given up.
        first_step_seconds: the same until its first step, in which the network is loaded and compiled.
        memory_gb: resident memory of one worker, in 10⁹ bytes; a render that needs more is given up.
    """

    profile: Literal["normal", "low"] = "normal"
    idle_minutes: Positive = 10.0
    step_seconds: Positive = 60.0
    first_step_seconds: Positive = 600.0
    memory_gb: Positive = float("inf")


class Monitoring(_Section):
    """What the server tells its operator.

    Attributes:
        log: `text`, a line for people, or `json`, a line of JSON for programs, for each message on standard error.
        metrics_from: networks from which `/metrics` answers; the others are told that there is nothing.
    """

    model_config = ConfigDict(strict=False)  # a list of TOML is a tuple here

    log: Literal["text", "json"] = "text"
    metrics_from: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1"))


class ServerSettings(_Section):
    """All settings of a server.

    Attributes:
        mode: `local`, one person on their own machine; `public`, a server that many people open.
        access: who may do what.
        limits: of renders, visitors and the queue.
        workers: how the workers of this machine are run and watched.
        monitoring: what the server tells its operator.
    """

    mode: Literal["local", "public"] = "local"
    access: Access = Access()
    limits: Limits = Limits()
    workers: Workers = Workers()
    monitoring: Monitoring = Monitoring()


@cache
def server_settings() -> ServerSettings:
    """The settings of this process, read at the first call.

    Raises:
        InvalidSettings: as `read_settings`.
    """
    named = os.environ.get("C3DVIS_SETTINGS")
    if not named and not Path(DEFAULT_FILE).is_file():
        return ServerSettings()
    return read_settings(Path(named or DEFAULT_FILE))


def read_settings(path: Path) -> ServerSettings:
    """The settings in a file, with the defaults of its mode.

    Raises:
        InvalidSettings: the file cannot be read, is not TOML, or has a key or a value that is not expected.
    """
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidSettings(
            f"The settings file {path} cannot be read ({error.strerror or error}). C3DVIS_SETTINGS names it."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"The settings file {path} is not TOML in UTF-8: {error}.") from None
    defaults = _PUBLIC if written.get("mode") == "public" else {}
    try:
        return ServerSettings.model_validate(_merged(defaults, written))
    except ValidationError as error:
        problems = " ".join(_sentence(problem) for problem in error.errors())
        raise InvalidSettings(f"The settings file {path} has something unexpected. {problems}") from None


def _merged(defaults: dict[str, Any], written: dict[str, Any]) -> dict[str, Any]:
    """What is written, and where it says nothing the defaults; a table that is something else stays as it is."""
    sections = {
        name: section | written[name] if isinstance(written.get(name), dict) else written.get(name, section)
        for name, section in defaults.items()
    }
    return written | sections


def _sentence(problem: ErrorDetails) -> str:
    """`limits.visitor_waiting: expected a number, greater than or equal to 0; received -1.`"""
    key = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        return f"{key}: no setting has that name; the settings are {', '.join(_names(problem['loc'][:-1]))}."
    if problem["type"] == "value_error":
        return f"{key}: {problem['msg'].removeprefix('Value error, ')}."
    expected = problem["msg"].removeprefix("Input should be ")
    return f"{key}: expected {expected}; received {str(problem['input'])[:60]!r}."


def _names(section: tuple[int | str, ...]) -> list[str]:
    """The keys that a section of the file may have."""
    model: Any = ServerSettings
    for name in section:
        model = model.model_fields[name].annotation
    return list(model.model_fields)
