"""What a job shell and its broker say to each other: a class for each kind of message.

On the socket between them a message is a line, a JSON object whose ``t`` names its kind and whose
other members are the fields of the class; one that has its default value is left out. The
execution service gets the same objects as responses of ``shell-host.start``, `Exit` as the text of
the last one, and sends them by ``shell-host.tell``.

A shell says `Hello` before it runs anything, and `Exit` last. It hears `RunJob` first.
"""

from __future__ import annotations

import errno
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias, TypeVar, get_args

from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flux.wire.json import JsonObject


@dataclass(frozen=True, slots=True)
class Hello:
    """The shell ``pid`` has taken up its job: from now on no other shell may run it."""

    t: ClassVar[str] = "hello"
    pid: int


@dataclass(frozen=True, slots=True)
class LogEntries:
    """Lines to append to the guest event logs; ``ack`` is a number of bytes that the shell is to
    be told of once they are stored, 0 for none.
    """

    t: ClassVar[str] = "ev"
    exec: str = ""
    output: str = ""
    input: str = ""
    ack: int = 0


@dataclass(frozen=True, slots=True)
class EnterBarrier:
    """The shell has entered a barrier with ``data``; `LeaveBarrier` follows once all have."""

    t: ClassVar[str] = "barrier"
    name: str
    data: JsonObject


@dataclass(frozen=True, slots=True)
class LeaveBarrier:
    """All shells of the job have entered; ``data`` is what they brought, merged."""

    t: ClassVar[str] = "barrier"
    name: str
    data: JsonObject


@dataclass(frozen=True, slots=True)
class Relay:
    """A message for another shell of the job: ``to`` is "leader", "all" or a shell rank."""

    t: ClassVar[str] = "relay"
    to: str | int
    name: str
    data: JsonObject


@dataclass(frozen=True, slots=True)
class Relayed:
    """A message of another shell of the job."""

    t: ClassVar[str] = "relay"
    name: str
    data: JsonObject


@dataclass(frozen=True, slots=True)
class RaiseException:
    """An exception to raise on the job (RFC 21)."""

    t: ClassVar[str] = "exception"
    type: str
    severity: int
    note: str


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """The answer to the `ServiceRequest` with the same ``tag``, an error if ``errnum`` is not 0."""

    t: ClassVar[str] = "response"
    tag: int
    payload: object = None
    errnum: int = 0
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Exit:
    """The shell has ended with a wait status; ``lost`` if it could not say so itself, ``killed`` if
    it is known to have been killed by the signal in its status. Lines for the event logs may come
    with it, as in `LogEntries`.
    """

    t: ClassVar[str] = "exit"
    status: int
    lost: bool = False
    killed: bool = False
    exec: str = ""
    output: str = ""
    input: str = ""


@dataclass(frozen=True, slots=True)
class RunJob:
    """The job to run: ``head`` is what the broker adds to the request it was given as ``job``."""

    t: ClassVar[str] = "job"
    head: JsonObject
    job: JsonObject


@dataclass(frozen=True, slots=True)
class Kill:
    """Signal the tasks; if ``final`` the job is to end, with whatever its tasks left behind."""

    t: ClassVar[str] = "kill"
    signum: int
    final: bool = False


@dataclass(frozen=True, slots=True)
class Expire:
    """The job's resources expire at another time now: seconds since the epoch, 0 for never."""

    t: ClassVar[str] = "expire"
    expiration: float


@dataclass(frozen=True, slots=True)
class ShellEvent:
    """An event ``shell-JOBID.SUBTOPIC`` with its payload; ``kill`` is one of them."""

    t: ClassVar[str] = "event"
    subtopic: str
    payload: object = None


@dataclass(frozen=True, slots=True)
class Ack:
    """``bytes`` of output that the shell asked to be told of are stored."""

    t: ClassVar[str] = "ack"
    bytes: int


@dataclass(frozen=True, slots=True)
class ServiceRequest:
    """A request to ``method`` of the job's service by the client ``sender``."""

    t: ClassVar[str] = "request"
    tag: int
    method: str
    payload: object
    sender: str


@dataclass(frozen=True, slots=True)
class ClientGone:
    """A client of the job's service is gone."""

    t: ClassVar[str] = "disconnect"
    sender: str


FromShell: TypeAlias = (
    Hello | LogEntries | EnterBarrier | Relay | RaiseException | ServiceAnswer | Exit
)
ToShell: TypeAlias = (
    RunJob | Kill | Expire | ShellEvent | LeaveBarrier | Ack | Relayed | ServiceRequest | ClientGone
)

FORWARDED: Final = tuple(
    b'{"t":"%s",' % kind.t.encode() for kind in (LogEntries, EnterBarrier, Relay, RaiseException)
)
"""How a line begins that is for the execution service, as `encode` writes it."""

_FROM_SHELL: Final[Mapping[str, type[FromShell]]] = {kind.t: kind for kind in get_args(FromShell)}
_TO_SHELL: Final[Mapping[str, type[ToShell]]] = {kind.t: kind for kind in get_args(ToShell)}

#: What a member must be, by the annotation of its field.
_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "int": int,
    "float": (int, float),
    "bool": bool,
    "str": str,
    "str | int": (str, int),
    "str | None": (str, type(None)),
    "JsonObject": dict,
    "object": object,
}
_CHECKS: Final[Mapping[type, Mapping[str, type | tuple[type, ...]]]] = {
    kind: {one.name: _TYPES[str(one.type)] for one in fields(kind)}
    for kind in (*_FROM_SHELL.values(), *_TO_SHELL.values())
}
_DEFAULTS: Final[Mapping[type, Mapping[str, object]]] = {
    kind: {one.name: one.default for one in fields(kind) if one.default is not MISSING}
    for kind in (*_FROM_SHELL.values(), *_TO_SHELL.values())
}


def to_object(message: FromShell | ToShell) -> JsonObject:
    """Return the JSON object of a message."""
    kind = type(message)
    defaults = _DEFAULTS[kind]
    out: JsonObject = {"t": kind.t}
    for name in _CHECKS[kind]:
        value = getattr(message, name)
        if name not in defaults or value != defaults[name]:
            out[name] = value
    return out


def encode(message: FromShell | ToShell) -> bytes:
    """Return the line of a message, without a newline."""
    return json.dumps(to_object(message))


def from_shell(value: object) -> FromShell:
    """Return what a shell said from its JSON object; raises OSError(EPROTO) if it is malformed."""
    return _message(_FROM_SHELL, value)


def to_shell(value: object) -> ToShell:
    """Return what a shell is told from its JSON object; raises OSError(EPROTO) if it is
    malformed.
    """
    return _message(_TO_SHELL, value)


def decode_from_shell(line: bytes) -> FromShell:
    """Return what a shell said; raises OSError(EPROTO) if ``line`` is not a message."""
    return from_shell(_loads(line))


def decode_to_shell(line: bytes) -> ToShell:
    """Return what a shell is told; raises OSError(EPROTO) if ``line`` is not a message."""
    return to_shell(_loads(line))


def _loads(line: bytes) -> object:
    try:
        return json.loads(line)
    except ValueError as exc:
        raise OSError(errno.EPROTO, f"malformed message: {exc}") from None


_M = TypeVar("_M")


def _message(kinds: Mapping[str, type[_M]], value: object) -> _M:
    members = dict(value) if isinstance(value, dict) else {}
    name = members.pop("t", None)
    kind = kinds.get(name) if isinstance(name, str) else None
    if kind is None:
        raise OSError(errno.EPROTO, "malformed message: of no known kind")
    checks = _CHECKS[kind]
    for member, found in members.items():
        if not isinstance(found, checks.get(member, ())):
            raise OSError(errno.EPROTO, f"malformed message: {name}: {member[:100]}")
    try:
        return kind(**members)
    except TypeError:
        raise OSError(errno.EPROTO, f"malformed message: {name}: a member is missing") from None
