"""Services inside the broker: requests that come before one has started."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING

import pytest

from broker.attributes import Attributes
from broker.endpoint import InProcess, ServiceHost
from broker.log import LogRing
from broker.router import Router
from broker.service import Reply, Request, Service, request
from broker.topology import Topology

if TYPE_CHECKING:
    from broker.context import Context


class Slow(Service):
    """Knows its number only once it has started."""

    name = "slow"

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.go = asyncio.Event()
        self.fails = False

    async def start(self, args: list[str]) -> None:
        await self.go.wait()
        if self.fails:
            raise OSError(errno.EIO, "cannot start")
        self.number = 7

    @request("number")
    def get(self, req: Request) -> Reply:
        """Return the number."""
        return {"number": self.number, "asked": req.get("n", int)}


@pytest.fixture
async def host() -> ServiceHost:
    attrs = Attributes()
    router = Router(Topology(0, 1), asyncio.get_running_loop().call_soon)
    return ServiceHost(router, attrs, LogRing(0, attrs), 0)


async def ask_early(host: ServiceHost) -> tuple[Slow, asyncio.Task[None], list[asyncio.Task[int]]]:
    """Return a service that is starting, the task that starts it and two that asked it already."""
    ctx, endpoint = host.context("slow")
    service = Slow(ctx)
    starting = asyncio.create_task(host.mount(service, endpoint, []))
    client = InProcess(host.router, 0).handle

    async def ask(number: int) -> int:
        answer = await client.rpc("slow.number", {"n": number})
        return int(answer["number"]) * 10 + int(answer["asked"])

    asking = [asyncio.create_task(ask(number)) for number in (1, 2)]
    for _ in range(20):  # turns of the loop, many more than a request takes
        await asyncio.sleep(0)
    assert not any(task.done() for task in asking)
    return service, starting, asking


async def test_a_request_waits_until_the_service_has_started(host: ServiceHost) -> None:
    service, starting, asking = await ask_early(host)
    service.go.set()
    await starting
    assert await asyncio.gather(*asking) == [71, 72]


async def test_a_request_to_a_service_that_fails_to_start_is_refused(host: ServiceHost) -> None:
    service, starting, asking = await ask_early(host)
    service.fails = True
    service.go.set()
    with pytest.raises(OSError, match="cannot start"):
        await starting
    for task in asking:
        with pytest.raises(OSError, match="Function not implemented"):
            await task


class Stuck(Slow):
    """Fails to stop."""

    async def stop(self) -> None:
        raise OSError(errno.EIO, "cannot stop")


class Keeper(Service):
    """Remembers who has gone."""

    name = "keeper"

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.gone: list[str] = []

    def on_disconnect(self, sender: str) -> None:
        self.gone.append(sender)


async def test_services_hear_of_one_that_is_unloaded(host: ServiceHost) -> None:
    ctx, endpoint = host.context("keeper")
    keeper = Keeper(ctx)
    await host.mount(keeper, endpoint, [])
    for kind in (Slow, Stuck):
        ctx, other = host.context("slow")
        slow = kind(ctx)
        slow.go.set()
        await host.mount(slow, other, [])
        if kind is Stuck:
            with pytest.raises(OSError, match="cannot stop"):
                await host.unmount(slow, other)
        else:
            await host.unmount(slow, other)
        await asyncio.sleep(0)
        assert keeper.gone.pop() == other.id
    assert keeper.gone == []
    await host.unmount(keeper, endpoint)
    assert keeper.gone == []
