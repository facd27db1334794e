"""Which topics somebody subscribes to, on any rank."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from broker.builtin.event import EventService
from broker.endpoint import InProcess
from broker.router import Router
from broker.testing import ServiceHarness
from broker.topology import Topology

if TYPE_CHECKING:
    from broker.context import Context


class Events(EventService):
    """The service beside a router that a test subscribes at."""

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx, Router(Topology(ctx.rank, ctx.size), lambda function: None))


async def made(rank: int = 0) -> Any:
    harness = ServiceHarness(Events, rank=rank, size=4)
    await harness.start()
    return harness


def wanted(replies: list[Any]) -> list[bool]:
    return [message.json()["wanted"] for message in replies]


async def test_clients_of_rank_0() -> None:
    harness = await made()
    router = harness.service.router
    one, two = InProcess(router, 0), InProcess(router, 0)
    replies = harness.stream("event.interest", {"topic": "job-state"})
    router.subscribe("job-", one)
    router.subscribe("job-", two)
    router.subscribe("", two)
    router.subscribe("job-state-x", one)
    router.subscribe("kvs", one)
    router.detach(two)
    assert wanted(replies) == [False, True]
    router.unsubscribe("job-", one)
    router.subscribe("job-state", one)
    assert wanted(replies) == [False, True, False, True]
    late = harness.stream("event.interest", {"topic": "job-state"}, sender="late")
    assert wanted(late) == [True]
    harness.disconnect("late")
    router.detach(one)
    assert (wanted(replies)[-1], wanted(late)) == (False, [True])
    await harness.stop()


async def test_clients_of_other_ranks() -> None:
    harness = await made()
    replies = harness.stream("event.interest", {"topic": "job-state"})
    for rank, on in ((1, True), (2, True), (1, False), (1, False), (2, False), (3, True)):
        payload = {"topic": "job-state", "rank": rank, "wanted": on}
        await harness.request("event.interest-of", payload)
    assert wanted(replies) == [False, True, False, True]
    harness.publish("overlay.offline", {"idset": "1,3"})
    assert wanted(replies)[-1] is False
    await harness.stop()


async def test_another_rank_tells_rank_0_of_changes_only() -> None:
    harness = await made(rank=2)
    router = harness.service.router
    one, two = InProcess(router, 0), InProcess(router, 0)
    router.subscribe("", one)
    router.subscribe("job-state", two)
    router.detach(one)
    router.subscribe("hb", one)
    router.detach(two)
    sent = [message for message in harness.sent if message.topic == "event.interest-of"]
    assert [message.json()["wanted"] for message in sent] == [True, False]
    assert {(message.json()["rank"], message.aux1) for message in sent} == {(2, 0)}
    await harness.stop()


@pytest.mark.parametrize(
    ("rank", "topic", "payload", "errnum"),
    [
        (1, "interest", {"topic": "job-state"}, errno.EPROTO),
        (0, "interest", {"topic": "hb"}, errno.EINVAL),
        (0, "interest-of", {"topic": "hb", "rank": 1, "wanted": True}, errno.EINVAL),
        (0, "interest-of", {"topic": "job-state", "rank": 4, "wanted": True}, errno.EINVAL),
        (0, "interest-of", {"topic": "job-state", "rank": 1}, errno.EPROTO),
    ],
)
async def test_what_cannot_be_asked(
    rank: int, topic: str, payload: dict[str, object], errnum: int
) -> None:
    harness = await made(rank)
    with pytest.raises(OSError) as caught:
        await harness.finish(harness.stream(f"event.{topic}", payload))
    assert caught.value.errno == errnum
    await harness.stop()


async def test_guests_do_not_ask() -> None:
    harness = await made()
    with pytest.raises(PermissionError):
        await harness.request("event.interest-of", {"topic": "job-state"}, userid=77)
    await harness.stop()
