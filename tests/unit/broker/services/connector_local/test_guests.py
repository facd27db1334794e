"""What a guest's connection may do: a real socket, a router without a network, and this user being
a guest of another owner.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from broker.attributes import Attributes
from broker.builtin.broker import NameService
from broker.builtin.event import EventService
from broker.endpoint import InProcess, ServiceHost
from broker.log import LogRing
from broker.log_limit import LineLimit
from broker.router import Endpoint, Router
from broker.services.connector_local import client as client_module
from broker.services.connector_local import limits
from broker.services.connector_local.service import ConnectorLocalService
from broker.topology import Topology
from flux.aio import AsyncFlux
from flux.connect import open_stream
from flux.connect.stream import SocketTransport
from flux.wire import framing
from flux.wire.message import (
    NORESPONSE,
    RESPONSE,
    ROLE_OWNER,
    ROLE_USER,
    STREAMING,
    TOPIC,
    Message,
    request,
    response,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

USER = os.getuid()
OWNER = USER + 1


class Guests:
    """A broker's router and socket whose owner is somebody else than this process's user."""

    def __init__(self, folder: Path) -> None:
        self.uri = f"local://{folder}/local"
        self.attrs = Attributes()
        for name, value in {"local-uri": self.uri, "access.allow-guest-user": "true"}.items():
            self.attrs.define(name, value)
        self.router = Router(Topology(0, 1), asyncio.get_running_loop().call_soon)
        self.ring = LogRing(0, self.attrs, None)
        self.host = ServiceHost(self.router, self.attrs, self.ring, OWNER)
        self.services: list[
            tuple[ConnectorLocalService | EventService | NameService, InProcess]
        ] = []
        self.clients: list[AsyncFlux] = []

    async def start(self) -> None:
        for kind in (EventService, NameService, ConnectorLocalService):
            ctx, endpoint = self.host.context(kind.name)
            service = kind(ctx, self.router)
            await self.host.mount(service, endpoint, [])
            self.services.append((service, endpoint))

    async def guest(self) -> AsyncFlux:
        handle = AsyncFlux()
        handle.transport = await open_stream(self.uri, handle)
        self.clients.append(handle)
        return handle

    def inside(self) -> AsyncFlux:
        """Return the handle of a part of the broker."""
        return self.services[0][1].handle

    @property
    def connector(self) -> ConnectorLocalService:
        found = self.services[-1][0]
        assert isinstance(found, ConnectorLocalService)
        return found

    @property
    def logged(self) -> str:
        return "\n".join(entry.line() for entry in self.ring)

    async def stop(self) -> None:
        for handle in self.clients:
            await handle.close()
        for service, endpoint in reversed(self.services):
            await self.host.unmount(service, endpoint)


@pytest.fixture
async def guests(tmp_path: Path) -> AsyncIterator[Guests]:
    world = Guests(tmp_path)
    await world.start()
    yield world
    await world.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


async def test_services_do_not_hear_a_guests_events(guests: Guests) -> None:
    heard: list[Message] = []
    await guests.inside().on_event("thing", heard.append)
    guest = await guests.guest()
    own = await guest.subscribe("thing")
    await guest.publish("thing", {"id": 1})
    await guest.publish_seq("thing", {"id": 2})
    seen = [await anext(own), await anext(own)]
    assert [(msg.json()["id"], msg.userid, msg.rolemask) for msg in seen] == [
        (1, USER, ROLE_USER),
        (2, USER, ROLE_USER),
    ]
    await guests.inside().publish("thing", {"id": 3})
    await until(lambda: bool(heard))
    assert [msg.json()["id"] for msg in heard] == [3]


@pytest.mark.parametrize(
    "topic", ["job-exception", "kvs.setroot-primary", "state-machine.shutdown", "Job-state", ""]
)
async def test_a_guests_event_bears_no_topic_of_the_system(guests: Guests, topic: str) -> None:
    guest = await guests.guest()
    own = await guest.subscribe("")
    await guest.publish(topic, {"id": 1})
    with pytest.raises(OSError) as refused:
        await guest.publish_seq(topic, {"id": 2})
    assert refused.value.errno == (errno.EPERM if topic else errno.EINVAL)
    await guest.publish("thing", {"id": 3})
    assert (await anext(own)).json()["id"] == 3


async def test_a_guest_cannot_name_the_publisher(guests: Guests) -> None:
    guest = await guests.guest()
    own = await guest.subscribe("thing")
    await guest.rpc("event.pub", {"topic": "thing", "flags": 0, "userid": OWNER, "rolemask": 1})
    msg = await anext(own)
    assert (msg.userid, msg.rolemask) == (USER, ROLE_USER)


async def test_a_guest_answers_only_what_it_was_asked(guests: Guests) -> None:
    guest = await guests.guest()
    requests: list[Message] = []
    guest.on_request = requests.append
    await guest.rpc("service.add", {"service": f"{USER}-echo"})
    asking = asyncio.ensure_future(guests.inside().rpc(f"{USER}-echo.thing", {"n": 1}))
    await until(lambda: bool(requests))
    forged = Message(
        RESPONSE, "thing", flags=TOPIC, aux2=requests[0].aux2 + 1, routes=list(requests[0].routes)
    )
    answers: list[Message] = []
    guests.inside()._pending[forged.aux2] = (answers.append, False)
    guest.send_message(forged)
    guest.send_message(response(requests[0], {"n": 2}))
    assert await asking == {"n": 2}
    guest.send_message(response(requests[0], {"n": 3}))
    with pytest.raises(OSError) as failed:
        await guest.rpc(f"{USER}-other.thing")
    assert failed.value.errno == errno.ENOSYS
    assert answers == []


def narrow(guests: Guests, **bounds: int) -> None:
    """Give guests other bounds from now on."""
    guests.connector._limits = (limits.OWNER, replace(limits.GUEST, **bounds))


async def test_a_guest_that_makes_the_broker_remember_too_much_is_closed(guests: Guests) -> None:
    narrow(guests, names=3)
    guest = await guests.guest()
    for number in range(3):
        await guest.subscribe(f"topic{number}")
    assert not guest.closed
    for number in range(5):
        guest.send(f"service{number}.method")
    await until(lambda: guest.closed)
    assert guests.logged.count("uses too many names, connection closed") == 1


async def test_a_guests_messages_are_smaller(guests: Guests) -> None:
    narrow(guests, message=1000)
    guest = await guests.guest()
    guest.send("log.append", "x" * 2000)
    await until(lambda: guest.closed)
    assert "exceeds the limit of 1000" in guests.logged


async def test_a_user_has_so_many_connections(guests: Guests) -> None:
    narrow(guests, connections=2)
    first, second = await guests.guest(), await guests.guest()
    with pytest.raises(OSError) as refused:
        await guests.guest()
    assert refused.value.errno == errno.EAGAIN
    assert f"connection of user {USER} refused: it has too many connections" in guests.logged
    await second.close()
    await until(lambda: guests.connector.share(USER).connections == 1)
    third = await guests.guest()
    assert not first.closed
    assert not third.closed


async def test_refused_connections_do_not_fill_the_log(guests: Guests) -> None:
    narrow(guests, connections=0)
    lines = guests.connector._lines[USER] = LineLimit(
        3, 60.0, lambda: 0.0, guests.connector.ctx.log.err
    )
    for _ in range(10):
        with pytest.raises(OSError):
            await guests.guest()
    assert guests.logged.count("refused") == 3
    lines.flush()
    assert "7 more messages like these were left out" in guests.logged
    guests.connector.refuse(USER + 5, errno.EPERM)
    assert f"connection of user {USER + 5} refused" in guests.logged


async def test_a_guests_requests_wait_up_to_a_bound(guests: Guests) -> None:
    narrow(guests, pending=2)
    guest = await guests.guest()
    server = await guests.guest()
    asked: list[Message] = []
    server.on_request = asked.append
    await server.rpc("service.add", {"service": f"{USER}-slow"})
    waiting = [asyncio.ensure_future(guest.rpc(f"{USER}-slow.thing")) for _ in range(2)]
    await until(lambda: len(asked) == 2)
    for _ in range(3):
        with pytest.raises(OSError) as refused:
            await guest.rpc(f"{USER}-slow.thing")
        assert refused.value.errno == errno.EAGAIN
    server.send_message(response(asked[0]))
    await waiting[0]
    waiting.append(asyncio.ensure_future(guest.rpc(f"{USER}-slow.thing")))
    await until(lambda: len(asked) == 3)
    for message in asked[1:]:
        server.send_message(response(message))
    await asyncio.gather(*waiting)
    assert guests.connector.share(USER).pending == 0


async def test_the_bytes_of_waiting_requests_are_bounded_too(guests: Guests) -> None:
    narrow(guests, user_pending=1000)
    guest = await guests.guest()
    with pytest.raises(OSError) as refused:
        await guest.rpc(f"{USER}-none.thing", {"text": "x" * 2000})
    assert refused.value.errno == errno.EAGAIN
    with pytest.raises(OSError) as unknown:
        await guest.rpc(f"{USER}-none.thing", {"text": "x" * 200})
    assert unknown.value.errno == errno.ENOSYS


async def test_a_stream_that_nobody_could_end_is_not_begun(guests: Guests) -> None:
    guest, server = await guests.guest(), await guests.guest()
    asked: list[Message] = []
    server.on_request = asked.append
    await server.rpc("service.add", {"service": f"{USER}-x"})
    guest.send_message(request(f"{USER}-x.stream", flags=NORESPONSE | STREAMING))
    guest.send(f"{USER}-x.plain")
    await until(lambda: bool(asked))
    assert [msg.topic for msg in asked] == [f"{USER}-x.plain"]


async def test_half_sent_messages_of_a_user_are_bounded_together(guests: Guests) -> None:
    narrow(guests, half=1500)
    first, second = await guests.guest(), await guests.guest()
    half = framing.pack(request("a.b", "x" * 3000))[:1000]
    write(first, half)
    await until(lambda: guests.connector.share(USER).half == 1000)
    write(second, half)
    await until(lambda: second.closed)
    assert "half-sent messages" in guests.logged
    assert not first.closed
    assert guests.connector.share(USER).half == 1000


async def test_a_reader_that_falls_behind_is_cut_and_others_are_not(guests: Guests) -> None:
    narrow(guests, backlog=1 << 16, user_events=1 << 20)
    reader, publisher = await guests.guest(), await guests.guest()
    seen = await reader.subscribe("thing")
    idle = Raw(guests.uri, "thing")
    for number in range(100):
        await publisher.publish_seq("thing", f"{number:04}" + "x" * 20_000)
        assert (await anext(seen)).text().startswith(f"{number:04}")
    assert "does not read its messages" in guests.logged
    assert f"user {USER}" in guests.logged
    assert not reader.closed
    assert not publisher.closed
    idle.sock.close()


async def test_an_answer_of_any_size_reaches_a_client_that_reads(guests: Guests) -> None:
    narrow(guests, backlog=1 << 16)
    guest, server = await guests.guest(), await guests.guest()
    server.on_request = lambda msg: server.send_message(response(msg, "y" * 5_000_000))
    await server.rpc("service.add", {"service": f"{USER}-big"})
    await guest.subscribe("thing")
    waiting = [asyncio.ensure_future(guest.rpc_message(f"{USER}-big.get")) for _ in range(5)]
    await guest.publish("thing", "z" * 50_000)
    assert [len(msg.text()) for msg in await asyncio.gather(*waiting)] == [5_000_000] * 5
    assert guests.connector.cut_count == 0


async def test_a_client_that_does_not_read_its_answers_is_cut(
    guests: Guests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "STALL", 0.0)
    monkeypatch.setattr(limits, "CHECK_PERIOD", 0.01)
    narrow(guests, backlog=1 << 16)
    server = await guests.guest()
    server.on_request = lambda msg: server.send_message(response(msg, "y" * 200_000))
    await server.rpc("service.add", {"service": f"{USER}-big"})
    idle = Raw(guests.uri)
    for tag in range(1, 20):
        idle.ask(f"{USER}-big.get", tag)
    await until(lambda: guests.connector.cut_count == 1)
    assert "has not read its answers" in guests.logged
    assert not server.closed
    idle.sock.close()


async def test_time_in_which_the_broker_did_not_run_is_not_the_clients(
    guests: Guests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "STALL", 0.5)
    monkeypatch.setattr(limits, "CHECK_PERIOD", 0.01)
    narrow(guests, backlog=1 << 16)
    server = await guests.guest()
    server.on_request = lambda msg: server.send_message(response(msg, "y" * 200_000))
    await server.rpc("service.add", {"service": f"{USER}-big"})
    looks: list[bool] = []
    check = client_module.Client.check

    def looked(self: client_module.Client, now: float) -> bool:
        again = check(self, now)
        looks.append("has not read its answers" in guests.logged)
        return again

    monkeypatch.setattr(client_module.Client, "check", looked)
    idle = Raw(guests.uri)
    for tag in range(1, 20):
        idle.ask(f"{USER}-big.get", tag)
    await until(lambda: len(looks) >= 10)  # it takes no more by now
    looks.clear()
    time.sleep(1.0)  # nothing is written to anybody
    await until(lambda: bool(looks))
    assert not looks[0]
    await until(lambda: guests.connector.cut_count == 1)
    idle.sock.close()


class Raw:
    """A client that reads nothing after its first answer."""

    def __init__(self, uri: str, topic: str = "none") -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(uri.partition("://")[2])
        self.ask("local.sub", 0, {"topic": topic})

    def ask(self, topic: str, tag: int, payload: object = None) -> None:
        self.sock.sendall(framing.pack(request(topic, payload, matchtag=tag)))


def write(handle: AsyncFlux, data: bytes) -> None:
    transport = handle.transport
    assert isinstance(transport, SocketTransport)
    assert transport._transport is not None
    transport._transport.write(data)


class Unhurried:
    """A transport that takes everything at the turn's end, and so never says that it was full."""

    def __init__(self) -> None:
        self.taken = 0
        self._held = 0

    def write(self, data: bytes) -> None:
        if not self._held:
            asyncio.get_running_loop().call_soon(self._take)
        self._held += len(data)

    def _take(self) -> None:
        self.taken, self._held = self.taken + self._held, 0

    def get_write_buffer_size(self) -> int:
        return self._held

    def is_closing(self) -> bool:
        return False


async def test_a_transport_that_was_full_for_a_moment_is_given_the_rest(guests: Guests) -> None:
    guest, server = await guests.guest(), await guests.guest()
    server.on_request = lambda msg: server.send_message(response(msg, "y" * 4_000_000))
    await server.rpc("service.add", {"service": f"{USER}-big"})
    assert len((await guest.rpc_message(f"{USER}-big.get")).text()) == 4_000_000
    clients: list[Any] = list(guests.connector.clients)
    (connection,) = (one for one in clients if f"{USER}-big" in {name for name, *_ in one._used})
    transport, unhurried = connection._transport, Unhurried()
    connection._transport = unhurried
    for tag in (901, 902):
        guest.send_message(request(f"{USER}-big.get", matchtag=tag))
    await until(lambda: unhurried.taken > 8_000_000)
    connection._transport = transport


async def test_a_client_that_stops_within_a_large_message_is_cut(
    guests: Guests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "HALF_STALL", 0.0)
    monkeypatch.setattr(limits, "CHECK_PERIOD", 0.01)
    guest = await guests.guest()
    write(guest, framing.pack(request("a.b", "x" * 4_000_000))[:2_000_000])
    await until(lambda: guest.closed)
    assert "has stopped within a message" in guests.logged
    assert guests.connector.facts()["received"] == 0


async def test_a_flood_of_one_client_does_not_delay_another(
    guests: Guests, monkeypatch: pytest.MonkeyPatch
) -> None:
    flooding, other = await guests.guest(), await guests.guest()
    flood = framing.pack(request(f"{USER}-none.x", flags=NORESPONSE)) * 50_000
    routed: list[str] = []
    route = guests.router.route

    def counted(msg: Message, source: Endpoint) -> None:
        routed.append(source.id)
        route(msg, source)

    monkeypatch.setattr(guests.router, "route", counted)
    write(flooding, flood)
    await until(lambda: len(routed) > 1000)
    with pytest.raises(OSError):
        await other.rpc(f"{USER}-none.y")
    assert len(routed) < 30_000
    await until(lambda: len(routed) >= 50_001)
    assert guests.connector.share(USER).half == 0
    assert not flooding.closed


async def test_what_a_client_sent_before_it_left_is_done(guests: Guests) -> None:
    server = await guests.guest()
    asked: list[Message] = []
    server.on_request = asked.append
    await server.rpc("service.add", {"service": f"{USER}-x"})
    raw = socket.socket(socket.AF_UNIX)
    raw.connect(guests.uri.partition("://")[2])
    assert await asyncio.to_thread(raw.recv, 1) == b"\0"
    await asyncio.to_thread(
        raw.sendall, framing.pack(request(f"{USER}-x.n", flags=NORESPONSE)) * 3000
    )
    raw.close()
    await until(lambda: len(asked) == 3001)
    assert [msg.topic for msg in asked[2999:]] == [f"{USER}-x.n", f"{USER}-x.disconnect"]


async def test_requests_of_a_client_that_reads_late_are_all_answered(guests: Guests) -> None:
    narrow(guests, backlog=1 << 16, pending=10_000)
    late, server = await guests.guest(), await guests.guest()
    server.on_request = lambda msg: server.send_message(response(msg, "y" * 1000))
    await server.rpc("service.add", {"service": f"{USER}-x"})
    transport = late.transport
    assert isinstance(transport, SocketTransport)
    assert transport._transport is not None
    transport._transport.pause_reading()
    waiting = [asyncio.ensure_future(late.rpc_message(f"{USER}-x.get")) for _ in range(3000)]
    await until(lambda: any(client.is_behind for client in guests.connector.clients))
    transport._transport.resume_reading()
    assert len(await asyncio.gather(*waiting)) == 3000
    assert guests.connector.cut_count == 0


async def test_credentials_of_a_guests_messages_are_not_believed(guests: Guests) -> None:
    guest, server = await guests.guest(), await guests.guest()
    asked: list[Message] = []
    server.on_request = asked.append
    await server.rpc("service.add", {"service": f"{USER}-thing"})
    claim = request(f"{USER}-thing.ask", flags=NORESPONSE)
    claim.userid, claim.rolemask = OWNER, ROLE_OWNER
    guest.send_message(claim)
    await until(lambda: bool(asked))
    assert (asked[0].userid, asked[0].rolemask) == (USER, ROLE_USER)
