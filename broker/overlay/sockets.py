"""ZeroMQ sockets on an asyncio loop: each socket's descriptor is watched, and all its messages are
taken whenever it wakes.

ZeroMQ's descriptor tells of new events only once, so after every send the socket is looked at
again.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import zmq
from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from broker.configuration.tables import TbonConfig
    from broker.overlay.keys import KeyPair

RECONNECT = 20
RECONNECT_MAX = 1000
"""Milliseconds between the first two attempts to reach the parent, and between the later ones."""


class Tuning(Struct, frozen=True):
    """What is set on the sockets of both directions: numbers by ZeroMQ's option."""

    options: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, table: TbonConfig, *, ipv6: bool = False, patient: bool = False) -> Tuning:
        """Return the tuning that ``[tbon]`` asks for (flux-config-bootstrap(5), zmq_setsockopt(3));
        seconds become the milliseconds that ZeroMQ takes.

        ``patient`` brokers try to reach a parent that is not there less and less often: its host
        may be down for days.
        """
        asked = {
            zmq.IPV6: 1 if ipv6 else None,
            zmq.RECONNECT_IVL_MAX: RECONNECT_MAX if patient else None,
            zmq.CONNECT_TIMEOUT: _milliseconds(table.connect_timeout),
            zmq.TCP_MAXRT: _milliseconds(table.tcp_user_timeout),
            zmq.TCP_KEEPALIVE_CNT: table.keepalive_count,
            zmq.TCP_KEEPALIVE_IDLE: table.keepalive_idle,
            zmq.TCP_KEEPALIVE_INTVL: table.keepalive_interval,
        }
        options = {int(option): value for option, value in asked.items() if value is not None}
        if any(table_key is not None for table_key in _keepalives(table)):
            options[zmq.TCP_KEEPALIVE] = 1
        return cls(options)

    def apply(self, socket: zmq.Socket[bytes]) -> None:
        """Set the options on a socket that is not bound or connected yet."""
        for option, value in self.options.items():
            socket.setsockopt(option, value)


def _keepalives(table: TbonConfig) -> tuple[int | None, ...]:
    return table.keepalive_count, table.keepalive_idle, table.keepalive_interval


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else min(round(seconds * 1000), (1 << 31) - 1)


class WatchedSocket:
    """A ZeroMQ socket whose messages are given to a function as lists of frames."""

    def __init__(self, socket: zmq.Socket[bytes], receive: Callable[[list[bytes]], None]) -> None:
        self.socket = socket
        self._receive = receive
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pending = False

    def watch(self) -> None:
        """Begin to receive on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.socket.fileno(), self._drain)
        self._again()

    def take(self) -> None:
        """Take what has arrived, now."""
        self._drain()

    def _again(self) -> None:
        if not self._pending and self._loop is not None:
            self._pending = True
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        self._pending = False
        for _ in range(1000):
            if self.socket.closed:
                return
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            except zmq.ZMQError as exc:
                if exc.errno == zmq.ETERM:
                    return
                raise
            try:
                self._receive(frames)
            except Exception as exc:
                _report(exc)
        self._again()

    def send(self, frames: list[bytes]) -> None:
        """Send a message without blocking; raises zmq.ZMQError."""
        self.socket.send_multipart(frames, zmq.NOBLOCK)
        self._again()

    def close(self, linger: int) -> None:
        """Close the socket, giving queued messages ``linger`` milliseconds."""
        if self.socket.closed:
            return
        if self._loop is not None:
            self._loop.remove_reader(self.socket.fileno())
        self.socket.close(linger)


def _report(exc: Exception) -> None:
    """Report what a message raised; the messages after it are taken all the same."""
    context = {"message": "overlay: a message could not be taken", "exception": exc}
    asyncio.get_running_loop().call_exception_handler(context)


HANDSHAKE_FAILED = (
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)


def monitor(
    socket: zmq.Socket[bytes],
    on_disconnect: Callable[[], None],
    on_refused: Callable[[int], None],
    trace: Callable[[str], None] | None = None,
) -> WatchedSocket:
    """Return a watcher that calls ``on_disconnect`` whenever a connection of ``socket`` ends.

    ``on_refused`` gets the event (one of `HANDSHAKE_FAILED`) of a connection that did not come
    about; ``trace`` a line about every event.
    """
    wanted = zmq.EVENT_ALL if trace is not None else zmq.EVENT_DISCONNECTED | HANDSHAKE_FAILED
    pair = socket.get_monitor_socket(wanted)

    def happened(frames: list[bytes]) -> None:
        event = int.from_bytes(frames[0][:2], sys.byteorder)
        if trace is not None:
            trace(event_line(event, frames[1]))
        if event == zmq.EVENT_DISCONNECTED:
            on_disconnect()
        elif event & HANDSHAKE_FAILED:
            on_refused(event)

    return WatchedSocket(pair, happened)


def event_line(event: int, endpoint: bytes) -> str:
    """Return what happened where: ``sockevent ipc:///run/tbon-0 handshake succeeded``."""
    try:
        name = zmq.Event(event).name or str(event)
    except ValueError:
        name = f"event {event:#x}"
    return f"sockevent {endpoint.decode(errors='replace')} {name.lower().replace('_', ' ')}"


def children_socket(
    context: zmq.Context[zmq.Socket[bytes]], keys: KeyPair, tuning: Tuning
) -> zmq.Socket[bytes]:
    """Return the socket that the children connect to; ZAP decides who may."""
    socket = context.socket(zmq.ROUTER)
    socket.curve_server = True
    socket.curve_secretkey = keys.secret.encode()
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)  # sending to a child that has gone is an error
    tuning.apply(socket)
    return _unbounded(socket)


def parent_socket(
    context: zmq.Context[zmq.Socket[bytes]],
    keys: KeyPair,
    identity: str,
    parent_key: str,
    tuning: Tuning,
) -> zmq.Socket[bytes]:
    """Return the socket that connects to a parent who holds the public key ``parent_key``."""
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.ROUTING_ID, identity.encode())
    socket.curve_serverkey = parent_key.encode()
    socket.curve_publickey = keys.public.encode()
    socket.curve_secretkey = keys.secret.encode()
    socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT)
    tuning.apply(socket)
    return _unbounded(socket)


def _unbounded(socket: zmq.Socket[bytes]) -> zmq.Socket[bytes]:
    """ZeroMQ would drop or block at its own bounds; ours are in `broker.overlay.arrears`."""
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.setsockopt(zmq.RCVHWM, 0)
    return socket
