"""What a guest's connection may do: a real socket, a router without a network, this user being a guest of another owner."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from broker.attributes import Attributes
from broker.builtin.broker import NameService
from broker.builtin.event import EventService
from broker.endpoint import InProcess, ServiceHost
from broker.log import LogRing
from broker.router import Router
from broker.services.connector_local import service as connector
from broker.services.connector_local.service import ConnectorLocalService
from broker.topology import Topology
from flux.aio import AsyncFlux
from flux.connect import open_stream
from flux.wire.message import RESPONSE, ROLE_USER, TOPIC, Message, response

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
        self.services: list[tuple[ConnectorLocalService | EventService | NameService, InProcess]] = []
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
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


async def test_services_do_not_hear_a_guests_events(guests: Guests) -> None:
    heard: list[Message] = []
    await guests.inside().on_event("job-exception", heard.append)
    guest = await guests.guest()
    own = await guest.subscribe("job-exception")
    await guest.publish("job-exception", {"id": 1, "type": "cancel", "severity": 0})
    await guest.publish_seq("job-exception", {"id": 2, "type": "cancel", "severity": 0})
    seen = [await anext(own), await anext(own)]
    assert [(msg.json()["id"], msg.userid, msg.rolemask) for msg in seen] == [
        (1, USER, ROLE_USER),
        (2, USER, ROLE_USER),
    ]
    await guests.inside().publish("job-exception", {"id": 3})
    await until(lambda: bool(heard))
    assert [msg.json()["id"] for msg in heard] == [3]


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
    forged = Message(RESPONSE, "thing", flags=TOPIC, aux2=requests[0].aux2 + 1, routes=list(requests[0].routes))
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


async def test_a_guest_that_makes_the_broker_remember_too_much_is_closed(
    guests: Guests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connector, "MAX_GUEST_NAMES", 3)
    guest = await guests.guest()
    for number in range(3):
        await guest.subscribe(f"topic{number}")
    assert not guest.closed
    for number in range(5):
        guest.send(f"service{number}.method")
    await until(lambda: guest.closed)
    assert guests.logged.count("uses too many names, connection closed") == 1


async def test_a_guests_messages_are_smaller(guests: Guests, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector, "MAX_GUEST_MESSAGE", 1000)
    guest = await guests.guest()
    guest.send("log.append", "x" * 2000)
    await until(lambda: guest.closed)
    assert "exceeds the limit of 1000" in guests.logged
