"""What a job shell and its broker say to each other: a class for each kind of message.

On the socket between them a message is a line, a JSON object whose ``t`` names its kind and whose
other members are the fields of the class; one that has its default value is left out. The
execution service gets the same objects as responses of ``shell-host.start``, and sends them by
``shell-host.tell``.

A shell says `Hello` before it runs anything, and `Exit` last. It hears `RunJob` first.
"""

from __future__ import annotations

import errno
from typing import Final, TypeAlias, get_args

from msgspec import Struct, ValidationError, convert, structs

from flux.wire import json
from flux.wire.json import JsonObject


class _Said(Struct, frozen=True, tag_field="t", forbid_unknown_fields=True):
    """A message; its tag is the kind's name on the wire."""


class Hello(_Said, frozen=True, tag="hello"):
    """The shell ``pid`` has taken up its job: from now on no other shell may run it."""

    pid: int


class LogEntries(_Said, frozen=True, tag="ev"):
    """Lines to append to the guest event logs; ``ack`` is a number of bytes that the shell is to
    be told of once they are stored, 0 for none.
    """

    exec: str = ""
    output: str = ""
    input: str = ""
    ack: int = 0


class EnterBarrier(_Said, frozen=True, tag="barrier"):
    """The shell has entered a barrier with ``data``; `LeaveBarrier` follows once all have."""

    name: str
    data: JsonObject


class LeaveBarrier(_Said, frozen=True, tag="barrier"):
    """All shells of the job have entered; ``data`` is what they brought, merged."""

    name: str
    data: JsonObject


class Relay(_Said, frozen=True, tag="relay"):
    """A message for another shell of the job: ``to`` is "leader", "all" or a shell rank."""

    to: str | int
    name: str
    data: JsonObject


class Relayed(_Said, frozen=True, tag="relay"):
    """A message of another shell of the job."""

    name: str
    data: JsonObject


class RaiseException(_Said, frozen=True, tag="exception"):
    """An exception to raise on the job (RFC 21)."""

    type: str
    severity: int
    note: str


class ServiceAnswer(_Said, frozen=True, tag="response"):
    """The answer to the `ServiceRequest` with the same ``tag``, an error if ``errnum`` is not 0."""

    tag: int
    payload: object = None
    errnum: int = 0
    text: str | None = None


class Exit(_Said, frozen=True, tag="exit"):
    """The shell has ended with a wait status; ``lost`` if it could not say so itself."""

    status: int
    lost: bool = False


class RunJob(_Said, frozen=True, tag="job"):
    """The job to run: ``head`` is what the broker adds to the request it was given as ``job``."""

    head: JsonObject
    job: JsonObject


class Kill(_Said, frozen=True, tag="kill"):
    """Signal the tasks; if ``final`` the job is to end, with whatever its tasks left behind."""

    signum: int
    final: bool = False


class Ack(_Said, frozen=True, tag="ack"):
    """``bytes`` of output that the shell asked to be told of are stored."""

    bytes: int


class ServiceRequest(_Said, frozen=True, tag="request"):
    """A request to ``method`` of the job's service by the client ``sender``."""

    tag: int
    method: str
    payload: object
    sender: str


class ClientGone(_Said, frozen=True, tag="disconnect"):
    """A client of the job's service is gone."""

    sender: str


FromShell: TypeAlias = (
    Hello | LogEntries | EnterBarrier | Relay | RaiseException | ServiceAnswer | Exit
)
ToShell: TypeAlias = RunJob | Kill | LeaveBarrier | Ack | Relayed | ServiceRequest | ClientGone

_FIELDS: Final = {kind: structs.fields(kind) for kind in (*get_args(FromShell), *get_args(ToShell))}


def to_object(message: FromShell | ToShell) -> JsonObject:
    """Return the JSON object of a message."""
    out: JsonObject = {"t": message.__struct_config__.tag}
    for one in _FIELDS[type(message)]:
        value = getattr(message, one.name)
        if one.required or value != one.default:
            out[one.name] = value
    return out


def encode(message: FromShell | ToShell) -> bytes:
    """Return the line of a message, without a newline."""
    return json.dumps(to_object(message))


def from_shell(value: object) -> FromShell:
    """Return what a shell said from its JSON object; raises OSError(EPROTO) if it is malformed."""
    try:
        said: FromShell = convert(value, FromShell)
    except ValidationError as exc:
        raise OSError(errno.EPROTO, f"malformed message: {exc}") from None
    return said


def to_shell(value: object) -> ToShell:
    """Return what a shell is told from its JSON object; raises OSError(EPROTO) if it is
    malformed.
    """
    try:
        told: ToShell = convert(value, ToShell)
    except ValidationError as exc:
        raise OSError(errno.EPROTO, f"malformed message: {exc}") from None
    return told


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
