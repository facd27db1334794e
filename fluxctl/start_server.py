"""The service ``start`` that ``flux start --test-size`` has for programs of its instance: it is
reached at FLUX_START_URI, as a broker would be, and starts and ends brokers.

It lives in the one thread of ``flux start`` and shares its selector.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import selectors
import socket
import struct
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from flux.wire import framing
from flux.wire.codec import DecodeError
from flux.wire.errors import os_error
from flux.wire.message import NORESPONSE, REQUEST, Message, response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flux.wire.json import JsonObject

LARGEST = 1 << 16
"""Bytes of a request."""
BACKLOG = 1 << 20
"""Bytes of answers that a client may leave unread."""
_CREDENTIALS = struct.Struct("3i")
Respond: TypeAlias = "Callable[[JsonObject | OSError], None]"


class Brokers(Protocol):
    """What the service may ask of the instance; each raises OSError for what cannot be done."""

    def pids(self) -> list[int]:
        """Return the process of each broker by rank, -1 for one that does not run."""

    def kill(self, rank: int, signum: int) -> None:
        """Send a signal to a broker."""

    def run_rank(self, rank: int) -> None:
        """Start a broker."""

    def when_ended(self, rank: int, tell: Callable[[int], None]) -> None:
        """Have ``tell`` called with the broker's exit code once it has ended."""


@dataclass(slots=True, eq=False)
class _Visitor:
    """One connection."""

    sock: socket.socket
    name: str
    unpacker: framing.Unpacker = field(default_factory=lambda: framing.Unpacker(LARGEST))
    unsent: bytearray = field(default_factory=bytearray)
    asked: bool = False
    closed: bool = False


class StartServer:
    """Listens at ``path``; with ``verbose`` tells on standard error who comes and goes."""

    def __init__(
        self, path: str, selector: selectors.BaseSelector, brokers: Brokers, verbose: bool
    ) -> None:
        self._path = path
        self._selector = selector
        self._brokers = brokers
        self._verbose = verbose
        self._visitors: set[_Visitor] = set()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self._listener.bind(path)
        os.chmod(path, 0o700)
        self._listener.listen(64)
        self._listener.setblocking(False)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    @property
    def uri(self) -> str:
        """What FLUX_START_URI is."""
        return f"local://{self._path}"

    def close(self) -> None:
        """Hang up on everybody and remove the socket."""
        for visitor in tuple(self._visitors):
            self._drop(visitor)
        self._listener.close()
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    def leave(self) -> None:
        """In a forked child: close what is the parent's."""
        for visitor in self._visitors:
            visitor.sock.close()
        self._listener.close()

    def _say(self, text: str) -> None:
        if self._verbose:
            sys.stderr.write(f"flux-start: {text}\n")
            sys.stderr.flush()

    # Connections

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        allowed = _CREDENTIALS.unpack(raw)[1] == os.getuid()
        with contextlib.suppress(OSError):
            sock.send(bytes([0 if allowed else errno.EPERM]))
        if not allowed:
            sock.close()
            return
        sock.setblocking(False)
        visitor = _Visitor(sock, secrets.token_hex(3)[:5])
        self._visitors.add(visitor)
        self._selector.register(sock, selectors.EVENT_READ, lambda: self._ready(visitor))
        self._say(f"hi {visitor.name}")

    def _drop(self, visitor: _Visitor) -> None:
        if visitor.closed:
            return
        visitor.closed = True
        self._visitors.discard(visitor)
        self._selector.unregister(visitor.sock)
        visitor.sock.close()
        if visitor.asked:
            self._say(f"disconnect from {visitor.name}")
        self._say(f"bye {visitor.name}")

    def _ready(self, visitor: _Visitor) -> None:
        if visitor.unsent:
            self._flush(visitor)
        try:
            data = visitor.sock.recv(1 << 16)
            messages = visitor.unpacker.feed(data)
        except BlockingIOError:
            return
        except (OSError, DecodeError):
            self._drop(visitor)
            return
        for msg in messages:
            if msg.type == REQUEST:
                visitor.asked = True
                self._serve(visitor, msg)
        if not data:
            self._drop(visitor)

    def _flush(self, visitor: _Visitor) -> None:
        if visitor.closed:
            return
        try:
            del visitor.unsent[: visitor.sock.send(visitor.unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(visitor)
            return
        if len(visitor.unsent) > BACKLOG:
            self._drop(visitor)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if visitor.unsent else 0)
        self._selector.modify(visitor.sock, wanted, lambda: self._ready(visitor))

    # Requests

    def _serve(self, visitor: _Visitor, msg: Message) -> None:
        def respond(answer: JsonObject | OSError) -> None:
            if msg.flags & NORESPONSE or visitor.closed:
                return
            if isinstance(answer, OSError):
                reply = response(msg, answer.strerror, errnum=answer.errno or errno.EIO)
            else:
                reply = response(msg, answer)
            visitor.unsent += framing.pack(reply)
            self._flush(visitor)

        handler = _HANDLERS.get(msg.topic or "")
        try:
            if handler is None:
                raise OSError(errno.ENOSYS, "Unknown service method")
            handler(self._brokers, _payload(msg), respond)
        except OSError as exc:
            respond(exc)


def _payload(msg: Message) -> JsonObject:
    try:
        payload = msg.json() if msg.payload else {}
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        raise os_error(errno.EPROTO)
    return payload


def _number(payload: JsonObject, key: str) -> int:
    value = payload.get(key)
    if type(value) is not int:
        raise os_error(errno.EPROTO)
    return value


def _status(brokers: Brokers, _: JsonObject, respond: Respond) -> None:
    respond({"procs": [{"pid": pid} for pid in brokers.pids()]})


def _kill(brokers: Brokers, payload: JsonObject, respond: Respond) -> None:
    brokers.kill(_number(payload, "rank"), _number(payload, "signum"))
    respond({})


def _run(brokers: Brokers, payload: JsonObject, respond: Respond) -> None:
    brokers.run_rank(_number(payload, "rank"))
    respond({})


def _wait(brokers: Brokers, payload: JsonObject, respond: Respond) -> None:
    brokers.when_ended(_number(payload, "rank"), lambda code: respond({"exit_rc": code}))


_HANDLERS: Mapping[str, Callable[[Brokers, JsonObject, Respond], None]] = {
    "start.status": _status,
    "start.kill": _kill,
    "start.run": _run,
    "start.wait": _wait,
}
