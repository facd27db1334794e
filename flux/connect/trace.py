"""The messages of a handle on stderr: FLUX_HANDLE_TRACE in the environment, or FLUX_O_TRACE
(flux_open(3)).
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Final

from flux.terminal_text import terminal_line
from flux.wire.message import (
    CONTROL,
    EVENT,
    NODEID_ANY,
    REQUEST,
    RESPONSE,
    ROLE_LOCAL,
    ROLE_NONE,
    ROLE_OWNER,
    ROLE_USER,
    USERID_UNKNOWN,
    Flag,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flux.wire.message import Message

VARIABLE: Final = "FLUX_HANDLE_TRACE"
RULE: Final = "-" * 38
PREFIXES: Final = {REQUEST: ">", RESPONSE: "<", EVENT: "e", CONTROL: "c"}
ROLES: Final = {ROLE_OWNER: "owner", ROLE_USER: "user", ROLE_LOCAL: "local"}
SHOWN_BYTES: Final = 36
"""How much is shown of a payload that is no text."""
SHORT_ID: Final = 8
"""How many letters of the identity of a hop are shown."""


class Trace:
    """Shows messages; times are seconds since the first one."""

    def __init__(self) -> None:
        self._start: float | None = None

    def show(self, msg: Message) -> None:
        """Write a message, sent or received, to stderr; nothing if that is closed."""
        now = time.monotonic()
        if self._start is None:
            self._start = now
        stream = sys.stderr
        if stream is not None:  # it is None in a program that was started without one
            with contextlib.suppress(OSError, ValueError):
                stream.write(trace_text(msg, now - self._start))
                stream.flush()


def from_environment() -> Trace | None:
    """Return a trace if the environment asks for one, by whatever value."""
    return Trace() if VARIABLE in os.environ else None


def trace_text(msg: Message, seconds: float) -> str:
    """Return the lines of a message: when, its topic, flags and numbers, the way that it has come,
    its payload; each begins with a sign for its type.
    """
    prefix = PREFIXES.get(msg.type, "?")
    return "".join((f"{RULE}\n", *(f"{prefix} {line}\n" for line in _lines(msg, seconds))))


def _lines(msg: Message, seconds: float) -> Iterator[str]:
    yield f"{seconds:.5f}"
    if msg.topic is not None:
        yield terminal_line(msg.topic)
    yield " ".join((f"flags={_names(msg.flags)}", *_sender(msg), *_numbers(msg)))
    if msg.routes:
        yield f"|{'!'.join(hop[:SHORT_ID] for hop in reversed(msg.routes))}|"
    if msg.payload is not None:
        yield _payload(msg.payload)


def _names(flags: int) -> str:
    return ",".join((flag.name or "").lower() for flag in Flag if flags & flag) or "none"


def _sender(msg: Message) -> tuple[str, str]:
    userid = "unknown" if msg.userid == USERID_UNKNOWN else str(msg.userid)
    roles = [name for role, name in ROLES.items() if msg.rolemask & role]
    rest = msg.rolemask & ~sum(ROLES)
    if rest:
        roles.append(f"{rest:#x}")
    shown = "none" if msg.rolemask == ROLE_NONE else ",".join(roles)
    return f"userid={userid}", f"rolemask={shown}"


def _numbers(msg: Message) -> tuple[str, ...]:
    if msg.type == REQUEST:
        nodeid = "any" if msg.nodeid == NODEID_ANY else str(msg.nodeid)
        return f"nodeid={nodeid}", f"matchtag={msg.matchtag}"
    if msg.type == RESPONSE:
        return f"errnum={msg.errnum}", f"matchtag={msg.matchtag}"
    if msg.type == EVENT:
        return (f"sequence={msg.sequence}",)
    return f"type={msg.aux1}", f"status={msg.aux2}"


def _payload(data: bytes) -> str:
    if data.endswith(b"\0"):
        with contextlib.suppress(UnicodeDecodeError):
            return terminal_line(data[:-1].decode())
    shown = data[:SHOWN_BYTES].hex().upper()
    return f"{shown}..." if len(data) > SHOWN_BYTES else shown
