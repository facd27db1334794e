"""The owner's messages keep the credentials they carry, so that the owner can act as a guest."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from broker.attributes import Attributes
from broker.builtin.broker import NameService
from broker.builtin.event import EventService
from broker.endpoint import ServiceHost
from broker.log import LogRing
from broker.router import Router
from broker.services.connector_local.service import ConnectorLocalService
from broker.topology import Topology
from flux.aio import AsyncFlux
from flux.connect import open_stream
from flux.connect.credentials import Credentials, from_environment
from flux.wire.message import (
    NODEID_ANY,
    ROLE_NONE,
    ROLE_OWNER,
    ROLE_USER,
    USERID_UNKNOWN,
    event,
    request,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ME = os.getuid()


@pytest.fixture
async def owner(tmp_path: Path) -> AsyncIterator[AsyncFlux]:
    """A connection of the owner to a router with nothing else."""
    attrs = Attributes()
    attrs.define("local-uri", f"local://{tmp_path}/local")
    router = Router(Topology(0, 1), asyncio.get_running_loop().call_soon)
    host = ServiceHost(router, attrs, LogRing(0, attrs, None), ME)
    mounted = []
    for kind in (EventService, NameService, ConnectorLocalService):
        ctx, endpoint = host.context(kind.name)
        service = kind(ctx, router)
        await host.mount(service, endpoint, [])
        mounted.append((service, endpoint))
    handle = AsyncFlux()
    handle.transport = await open_stream(f"local://{tmp_path}/local", handle)
    yield handle
    await handle.close()
    for service, endpoint in reversed(mounted):
        await host.unmount(service, endpoint)


@pytest.mark.parametrize(
    ("carried", "arrives"),
    [
        ((USERID_UNKNOWN, ROLE_NONE), (ME, ROLE_OWNER)),
        ((9999, ROLE_USER), (9999, ROLE_USER)),
        ((9999, ROLE_NONE), (9999, ROLE_OWNER)),
        ((USERID_UNKNOWN, ROLE_USER), (ME, ROLE_USER)),
    ],
)
async def test_what_is_carried_arrives(
    owner: AsyncFlux, carried: tuple[int, int], arrives: tuple[int, int]
) -> None:
    future = asyncio.get_running_loop().create_future()
    msg = request("event.ping", {"seq": 1}, nodeid=NODEID_ANY)
    msg.userid, msg.rolemask = carried
    owner.start_stream(msg, future.set_result)
    answer = (await future).json()
    assert (answer["userid"], answer["rolemask"]) == arrives


async def test_events_of_the_system_are_not_published_as_a_guest(owner: AsyncFlux) -> None:
    seen = await owner.subscribe("")
    for topic, role in (("kvs.x", ROLE_USER), ("kvs.y", ROLE_OWNER), ("mine", ROLE_USER)):
        msg = event(topic)
        msg.rolemask = role
        owner.send_message(msg)
    assert [(await anext(seen)).topic for _ in range(2)] == ["kvs.y", "mine"]


def test_the_environment_says_who_a_handle_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLUX_HANDLE_USERID", raising=False)
    monkeypatch.delenv("FLUX_HANDLE_ROLEMASK", raising=False)
    assert from_environment() is None
    monkeypatch.setenv("FLUX_HANDLE_USERID", "9999")
    found = from_environment()
    assert found is not None
    assert (found.userid, found.rolemask) == (9999, ROLE_NONE)
    monkeypatch.setenv("FLUX_HANDLE_ROLEMASK", "0x2")
    found = from_environment()
    assert found is not None
    assert (found.userid, found.rolemask) == (9999, ROLE_USER)


@pytest.mark.parametrize("text", ["x", "-1", "4294967296", "0x"])
def test_rubbish_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("FLUX_HANDLE_ROLEMASK", text)
    with pytest.raises(OSError, match="FLUX_HANDLE_ROLEMASK"):
        from_environment()


def test_a_message_with_credentials_keeps_them() -> None:
    msg = request("a.b")
    msg.userid, msg.rolemask = 1, ROLE_OWNER
    Credentials(9999, ROLE_USER).stamp(msg)
    assert (msg.userid, msg.rolemask) == (1, ROLE_OWNER)
    Credentials(9999, ROLE_USER).stamp(other := request("a.b"))
    assert (other.userid, other.rolemask) == (9999, ROLE_USER)
