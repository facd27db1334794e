"""The socket of ``flux proxy`` and what runs while it is there.

The owner of an instance reaches it over one connection for all clients. A broker takes the route
stacks of others' messages away, so a guest's clients get a connection each.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import shutil
import signal
import sys
import tempfile
from typing import TYPE_CHECKING, NamedTuple, cast

from flux.aio import AsyncFlux
from flux.child_signal import signal_child
from flux.connect import open_socket
from flux.waitstatus import SIGNALED, code_of_failure
from flux.wire import framing
from flux.wire.codec import DecodeError
from flux.wire.message import RESPONSE, ROLE_OWNER
from fluxctl.errors import CommandError
from fluxctl.proxy.switch import ProxyClient, Switch

if TYPE_CHECKING:
    from flux.wire.message import Message

BACKLOG = 64 << 20
"""Bytes that may wait for a client; one that has more is cut."""
CHUNK = 1 << 16
RETRY = 0.5
RETRY_MAX = 5.0
"""Seconds between attempts to reach a broker that was lost, at first and in the end."""
ANSWER = 30.0
"""Seconds in which a broker that is reached has to answer."""


class LossRules(NamedTuple):
    """What to do when the broker is lost: ``hangup`` sends the command SIGHUP, ``reconnect`` tries
    to reach it again until the command ends.
    """

    hangup: bool = True
    reconnect: bool = False


class Uplink(AsyncFlux):
    """The connection to the broker: what is for clients goes to the switch."""

    switch: Switch | None = None

    def dispatch(self, msg: Message) -> None:
        """Take a message from the broker."""
        if self.switch is None or (msg.type == RESPONSE and not msg.routes):
            super().dispatch(msg)
        else:
            self.switch.from_broker(msg)


class ProxyConnection(asyncio.Protocol):
    """A client of the proxy, all of whom share the uplink."""

    def __init__(self, switch: Switch, others: set[ProxyConnection]) -> None:
        self._switch = switch
        self._others = others
        self._unpacker = framing.Unpacker()
        self._client: ProxyClient
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._others.add(self)
        self._transport.write(b"\0")
        self._client = self._switch.attach(secrets.token_hex(4), self._send)

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._unpacker.feed(data)
        except DecodeError as exc:
            sys.stderr.write(f"flux-proxy: a client was cut: {exc}\n")
            self._transport.abort()
            return
        for msg in messages:
            with contextlib.suppress(OSError):  # the uplink is lost: so are the clients
                self._switch.from_client(self._client, msg)

    def cut(self) -> None:
        """End the connection."""
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._others.discard(self)
        with contextlib.suppress(OSError):
            self._switch.detach(self._client)

    def _send(self, msg: Message) -> None:
        if self._transport.get_write_buffer_size() > BACKLOG:
            self._transport.abort()
        else:
            self._transport.write(framing.pack(msg))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _pass_bytes(uri: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Give a client a connection of its own."""
    loop = asyncio.get_running_loop()
    try:
        sock = await loop.run_in_executor(None, open_socket, uri)
    except OSError as exc:
        writer.write(bytes((min(exc.errno or 1, 255),)))
        writer.close()
        return
    sock.setblocking(False)
    other_reader, other_writer = await asyncio.open_unix_connection(sock=sock)
    writer.write(b"\0")
    await asyncio.gather(_copy(reader, other_writer), _copy(other_reader, writer))


class Proxy:
    """The socket for clients, and the connection to the broker, made anew where it was lost if the
    rules say so.
    """

    def __init__(self, uri: str, uplink: Uplink, shared: bool, rules: LossRules) -> None:
        self._uri = uri
        self._uplink = uplink
        self._shared = shared
        self._rules = rules
        self._switch = Switch(self._send, recovers=rules.reconnect)
        self._connections: set[ProxyConnection] = set()
        self._folder = ""
        self._server: asyncio.Server | None = None
        self._lost = asyncio.Event()
        self._adopt(uplink)

    def _send(self, msg: Message) -> None:
        self._uplink.send_message(msg)

    def _adopt(self, uplink: Uplink) -> None:
        self._uplink = uplink
        self._lost.clear()
        uplink.on_close = self._lost.set
        if self._shared:
            uplink.switch = self._switch
        if uplink.closed:
            self._lost.set()

    async def open(self) -> str:
        """Listen; returns the URI for clients."""
        self._folder = tempfile.mkdtemp(prefix="flux-proxy-")
        path = f"{self._folder}/local"
        if self._shared:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_unix_server(
                lambda: ProxyConnection(self._switch, self._connections), path
            )
        else:
            self._server = await asyncio.start_unix_server(
                lambda reader, writer: _pass_bytes(self._uri, reader, writer), path
            )
        return f"local://{path}"

    def _shut(self) -> None:
        """Stop listening and cut clients."""
        if self._server is not None:
            self._server.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        for connection in tuple(self._connections):
            connection.cut()

    async def close(self) -> None:
        """End it all."""
        self._uplink.on_close = None
        self._shut()
        await self._uplink.close()

    async def run(self, command: list[str], uri: str) -> int:
        """Run the command to its end; returns its exit code."""
        loop = asyncio.get_running_loop()
        signals: asyncio.Queue[int] = asyncio.Queue()
        loop.add_signal_handler(signal.SIGINT, lambda: None)  # it is for the command alone
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, signals.put_nowait, number)
        environ = {**os.environ, "FLUX_URI": uri}
        try:
            process = await asyncio.create_subprocess_exec(*command, env=environ)
        except OSError as exc:
            raise CommandError(f"{command[0]}: {exc.strerror}", code_of_failure(exc)) from None
        beside = [
            asyncio.ensure_future(_pass_signals(process, signals)),
            asyncio.ensure_future(self._watch(process)),
        ]
        status = await process.wait()
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        return SIGNALED - status if status < 0 else status

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Do what the rules say when the broker is lost."""
        while True:
            await self._lost.wait()
            if not self._rules.reconnect:
                break
            _say(f"broker: {os.strerror(errno.ECONNRESET)}")
            _say("reconnecting")
            self._switch.lost()
            await self._reconnect()
            _say("reconnected")
        _say("Lost connection to Flux")
        self._shut()
        if self._rules.hangup:
            _say("Sending SIGHUP to child processes")
            signal_child(process, signal.SIGHUP)
            signal_child(process, signal.SIGCONT)

    async def _reconnect(self) -> None:
        """Reach the broker again, whenever that will be."""
        await self._uplink.close()
        pause = RETRY
        while True:
            try:
                async with asyncio.timeout(ANSWER):
                    uplink = await Uplink.connect(self._uri)
            except OSError:  # a timeout is one, too
                await asyncio.sleep(pause)
                pause = min(2 * pause, RETRY_MAX)
            else:
                break
        self._adopt(uplink)
        with contextlib.suppress(OSError):  # lost once more: so it is said
            self._switch.found()


def _say(text: str) -> None:
    sys.stderr.write(f"flux-proxy: {text}\n")


async def _pass_signals(process: asyncio.subprocess.Process, signals: asyncio.Queue[int]) -> None:
    """Send the command what signals come."""
    while True:
        signal_child(process, await signals.get())


async def serve(uri: str, command: list[str], version: str, force: bool, rules: LossRules) -> int:
    """Connect to the broker at ``uri``, run ``command`` with a socket that leads there, and return
    its exit code. ``rules`` say what happens when the broker is lost.

    Raises CommandError if the broker is of another version than ``version``, unless ``force``;
    OSError if it cannot be reached.
    """
    async with await Uplink.connect(uri) as uplink:
        shared = await _checked(uplink, version, force)
        proxy = Proxy(uri, uplink, shared, rules)
        try:
            return await proxy.run(command, await proxy.open())
        finally:
            await proxy.close()


async def _checked(uplink: Uplink, version: str, force: bool) -> bool:
    """Return whether the broker takes us for the owner of the instance; see ``serve``."""
    theirs = await uplink.attr_get("version")
    if theirs != version:
        if not force:
            text = f"the broker runs version {theirs}, this is {version}: use --force"
            raise CommandError(f"fatal: {text}")
        _say(f"warning: the broker runs version {theirs}")
    ping = {"seq": 0, "time.tv_sec": 0, "time.tv_nsec": 0, "pad": ""}
    answer = await uplink.rpc("broker.ping", ping)
    return bool(int(answer.get("rolemask", 0)) & ROLE_OWNER)
