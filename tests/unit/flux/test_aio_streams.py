"""Streams and subscriptions, with a handle that only notes what it is asked."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING

import pytest

from flux.aio_streams import Stream, Subscription
from flux.wire.message import NODEID_ANY, Message, event, request, response

if TYPE_CHECKING:
    from flux.aio_streams import MessageCallback


class Owner:
    """A handle whose one stream has match tag 7."""

    def __init__(self) -> None:
        self.closed = False
        self.sent: list[tuple[str, object, int]] = []
        self.forgotten: list[int] = []
        self.left: list[str] = []
        self.deliver: MessageCallback | None = None

    def start_stream(self, msg: Message, callback: MessageCallback) -> int:
        self.deliver = callback
        return 7

    def forget(self, matchtag: int) -> None:
        self.forgotten.append(matchtag)

    def send(self, topic: str, payload: object = None, *, nodeid: int = NODEID_ANY) -> None:
        self.sent.append((topic, payload, nodeid))

    def off_event(self, prefix: str, callback: MessageCallback) -> None:
        self.left.append(prefix)


ASKED = request("count", {"to": 3}, nodeid=2)


def answer(owner: Owner, payload: object = None, errnum: int = 0) -> None:
    assert owner.deliver is not None
    owner.deliver(response(ASKED, payload, errnum=errnum))


async def test_responses_come_in_order_until_enodata() -> None:
    owner = Owner()
    async with Stream(owner, ASKED, "count-cancel") as stream:
        for number in (1, 2, 3):
            answer(owner, {"n": number})
        answer(owner, errnum=errno.ENODATA)
        assert [item["n"] async for item in stream] == [1, 2, 3]
        assert await stream.next_message() is None
    assert owner.sent == []


async def test_who_waits_is_woken_by_a_response() -> None:
    owner = Owner()
    async with Stream(owner, ASKED, None) as stream:
        waiting = asyncio.create_task(stream.next_message())
        await asyncio.sleep(0)
        assert not waiting.done()
        answer(owner, {"n": 1})
        message = await waiting
        assert message is not None
        assert message.json() == {"n": 1}


@pytest.mark.parametrize(("cancel", "sent"), [("count-cancel", 1), (None, 0)])
async def test_leaving_early_cancels_once(cancel: str | None, sent: int) -> None:
    owner = Owner()
    async with Stream(owner, ASKED, cancel) as stream:
        answer(owner, {"n": 1})
        stream.close()
    assert owner.sent == [("count-cancel", {"matchtag": 7}, 2)] * sent
    assert owner.forgotten == [7]


async def test_nothing_is_sent_on_a_closed_handle() -> None:
    owner = Owner()
    async with Stream(owner, ASKED, "count-cancel"):
        owner.closed = True
    assert owner.sent == []


async def test_errors_and_nonsense_are_raised() -> None:
    owner = Owner()
    async with Stream(owner, ASKED, "count-cancel") as stream:
        answer(owner, "not JSON")
        with pytest.raises(OSError, match="count: a response is no JSON") as nonsense:
            await anext(stream)
        assert nonsense.value.errno == errno.EPROTO
        answer(owner, "it broke", errnum=errno.EIO)
        with pytest.raises(OSError, match="it broke") as broken:
            await anext(stream)
        assert broken.value.errno == errno.EIO
    assert owner.sent == []


async def test_a_subscription_ends_when_it_is_closed() -> None:
    owner = Owner()
    events = Subscription(owner, "job")
    events.push(event("job-state", {}))
    await events.close()
    assert [msg.topic async for msg in events] == ["job-state"]
    assert owner.left == ["job"]
