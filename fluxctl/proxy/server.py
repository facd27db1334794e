"""The socket of ``flux proxy`` and what runs while it is there.

The owner of an instance reaches it over one connection for all clients. A broker takes the route
stacks of others' messages away, so a guest's clients get a connection each.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import sys
import tempfile
from typing import TYPE_CHECKING, cast

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
    from collections.abc import AsyncIterator

    from flux.wire.message import Message

BACKLOG = 64 << 20
"""Bytes that may wait for a client; one that has more is cut."""
CHUNK = 1 << 16


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

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._unpacker = framing.Unpacker()
        self._client: ProxyClient
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
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

    def connection_lost(self, exc: Exception | None) -> None:
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


@contextlib.asynccontextmanager
async def _socket(uri: str, uplink: Uplink, shared: bool) -> AsyncIterator[str]:
    """Listen on a socket of our own while the block runs; gives its URI."""
    folder = tempfile.mkdtemp(prefix="flux-proxy-")
    path = f"{folder}/local"
    loop = asyncio.get_running_loop()
    try:
        if shared:
            switch = uplink.switch = Switch(uplink.send_message)
            server = await loop.create_unix_server(lambda: ProxyConnection(switch), path)
        else:
            server = await asyncio.start_unix_server(
                lambda reader, writer: _pass_bytes(uri, reader, writer), path
            )
        try:
            yield f"local://{path}"
        finally:
            server.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _run(command: list[str], uri: str, lost: asyncio.Event) -> int:
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
    passing = asyncio.ensure_future(_pass_signals(process, signals))
    watch = asyncio.ensure_future(lost.wait())
    watch.add_done_callback(lambda done: None if done.cancelled() else _hang_up(process))
    status = await process.wait()
    watch.cancel()
    passing.cancel()
    return SIGNALED - status if status < 0 else status


async def _pass_signals(process: asyncio.subprocess.Process, signals: asyncio.Queue[int]) -> None:
    """Send the command what signals come."""
    while True:
        signal_child(process, await signals.get())


def _hang_up(process: asyncio.subprocess.Process) -> None:
    sys.stderr.write("flux-proxy: lost the connection to the broker\n")
    signal_child(process, signal.SIGHUP)
    signal_child(process, signal.SIGCONT)


async def serve(uri: str, command: list[str], version: str, force: bool) -> int:
    """Connect to the broker at ``uri``, run ``command`` with a socket that leads there, and return
    its exit code.

    Raises CommandError if the broker is of another version than ``version``, unless ``force``;
    OSError if it cannot be reached.
    """
    async with await Uplink.connect(uri) as uplink:
        theirs = await uplink.attr_get("version")
        if theirs != version:
            if not force:
                text = f"the broker runs version {theirs}, this is {version}: use --force"
                raise CommandError(f"fatal: {text}")
            sys.stderr.write(f"flux-proxy: warning: the broker runs version {theirs}\n")
        ping = {"seq": 0, "time.tv_sec": 0, "time.tv_nsec": 0, "pad": ""}
        answer = await uplink.rpc("broker.ping", ping)
        shared = bool(int(answer.get("rolemask", 0)) & ROLE_OWNER)
        lost = asyncio.Event()
        uplink.on_close = lost.set
        async with _socket(uri, uplink, shared) as ours:
            code = await _run(command, ours, lost)
        uplink.on_close = None
        return code
