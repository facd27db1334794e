"""What a job shell shares with others: event logs, barriers, messages, the job's service."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final, Literal, assert_never

from broker.shell import protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.shell.loop import Loop
    from broker.shell.peer import Peer
    from broker.shell.protocol import ServiceRequest, ToShell
    from broker.shell.service_call import ServiceCall
    from flux.wire.json import JsonObject

    Log = Literal["exec", "output", "input"]
    OnData = Callable[[JsonObject], None]

ASK: Final = "rpc"
"""Under this name a shell relays requests to the methods of another."""
ACK_STEP: Final = 262144
"""Bytes of output after which the broker is asked to say when they are stored."""
ACK_WINDOW: Final = 2 * 1024 * 1024
"""Bytes of output that may be on their way to the store before readers pause."""


class Peers:
    """The other shells of a job and the clients of its service, all behind one broker.

    ``size`` is the number of shells. What comes for a name is given to its handler in ``methods``
    (requests to the job's service), ``shell_methods`` (requests of other shells), ``relays`` (their
    other messages) or ``events``, which may have several. ``disconnects`` hear of clients that are
    gone, ``on_drained`` when the broker has caught up with output, ``on_kill`` of signals for the
    tasks: the number, and whether the job is to end. ``on_expire`` hear of another time at which
    the job's resources expire, in seconds since the epoch, 0 for never.
    """

    def __init__(self, peer: Peer, loop: Loop, size: int) -> None:
        self._peer = peer
        self.size = size
        self.left = 0
        self.methods: dict[str, Callable[[ServiceRequest], None]] = {}
        self.shell_methods: dict[str, Callable[[ServiceCall], None]] = {}
        self.relays: dict[str, OnData] = {"left": self._one_left}
        self.events: dict[str, list[Callable[[str, object], None]]] = {}
        self.disconnects: list[Callable[[str], None]] = []
        self.on_expire: list[Callable[[float], None]] = []
        self.on_drained: list[Callable[[], None]] = []
        self.on_kill: Callable[[int, bool], None] = lambda _number, _final: None
        self._waiting: dict[str, OnData] = {}
        self._text: dict[Log, list[str]] = {}
        self._unacked = 0
        self._since_ack = 0
        loop.before_wait.append(self.flush_entries)

    # Event logs

    def append(self, log: Log, text: str) -> None:
        """Append lines to a guest event log."""
        self._text.setdefault(log, []).append(text)

    def prepend(self, log: Log, text: str) -> None:
        """Put lines before those not sent yet: the header, after early log messages."""
        self._text.setdefault(log, []).insert(0, text)

    def flush_entries(self) -> None:
        """Send what was appended."""
        if not self._text:
            return
        texts = self.take_entries()
        ack, self._since_ack = self._since_ack + len(texts.get("output", "")), 0
        if ack < ACK_STEP:
            ack, self._since_ack = 0, ack
        self._unacked += ack
        self._peer.post(protocol.LogEntries(**texts, ack=ack))

    def take_entries(self) -> dict[Log, str]:
        """Return what was appended and not sent, which somebody else sends: text by log."""
        texts = {log: "".join(lines) for log, lines in self._text.items()}
        self._text = {}
        return texts

    @property
    def congested(self) -> bool:
        """Whether the broker is behind with output; readers pause until ``on_drained``."""
        return self._unacked > ACK_WINDOW

    # Other shells

    def exchange(self, name: str, data: JsonObject, callback: OnData) -> None:
        """Enter the barrier ``name``; ``callback`` gets the merged data of all shells."""
        if self.size == 1:
            callback(data)
            return
        self._waiting[name] = callback
        self._peer.post(protocol.EnterBarrier(name, data))

    def relay(self, to: str | int, name: str, data: JsonObject | None = None) -> None:
        """Send a message to another shell's ``relays[name]``: to "leader", "all" (this one
        included) or a shell rank.
        """
        self._peer.post(protocol.Relay(to, name, data or {}))

    @property
    def all_left(self) -> bool:
        """Whether every other shell has said that it leaves."""
        return self.left >= self.size - 1

    def _one_left(self, _data: JsonObject) -> None:
        self.left += 1

    # The job's service

    def respond(
        self,
        request: ServiceRequest,
        payload: object = None,
        errnum: int = 0,
        text: str | None = None,
    ) -> None:
        """Answer a request to the job's service."""
        self._peer.post(protocol.ServiceAnswer(request.tag, payload, errnum, text))

    def raise_exception(self, kind: str, note: str, severity: int = 0) -> None:
        """Have an exception raised on the job, a fatal one by default."""
        self._peer.post(protocol.RaiseException(kind, severity, note))

    # What comes

    def receive(self, message: ToShell) -> None:
        """Handle a message of the broker."""
        match message:
            case protocol.Kill(signum, final):
                self.on_kill(signum, final)
            case protocol.Expire(expiration):
                for heard in self.on_expire:
                    heard(expiration)
            case protocol.LeaveBarrier(name, data):
                if (callback := self._waiting.pop(name, None)) is not None:
                    callback(data)
            case protocol.Ack(stored):
                self._stored(stored)
            case protocol.Relayed(name, data):
                self.relays.get(name, _drop)(data)
            case protocol.ServiceRequest():
                self._request(message)
            case protocol.ShellEvent(subtopic, payload):
                self._event(subtopic, payload)
            case protocol.ClientGone(sender):
                self._disconnected(sender)
            case protocol.RunJob():
                raise OSError(errno.EPROTO, "a second job for the same shell")
            case _:
                assert_never(message)

    def _event(self, subtopic: str, payload: object) -> None:
        for heard in tuple(self.events.get(subtopic, ())):
            heard(subtopic, payload)

    def _disconnected(self, sender: str) -> None:
        for gone in self.disconnects:
            gone(sender)

    def _stored(self, count: int) -> None:
        self._unacked -= count
        if not self.congested:
            for drained in self.on_drained:
                drained()

    def _request(self, request: ServiceRequest) -> None:
        method = self.methods.get(request.method)
        if method is None:
            self.respond(request, errnum=errno.ENOSYS, text="Unknown service method")
        else:
            method(request)


def _drop(_data: JsonObject) -> None:
    """Pay no attention to a message that nothing here knows."""
