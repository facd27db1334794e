"""The socket transport: the broker's verdict, and subscribing to brokers of either version."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from flux.connect.stream import SocketTransport
from flux.wire.message import RESPONSE, Message

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeReceiver:
    """Answers requests of a transport at once, by the error numbers of a table; what is not in it
    is unknown.
    """

    def __init__(self, **known: int) -> None:
        self.known = {name.replace("_", "."): errnum for name, errnum in known.items()}
        self.asked: list[tuple[str, object]] = []
        self.lost = False

    def post(self, topic: str, payload: object, callback: Callable[[Message], None]) -> int:
        self.asked.append((topic, payload))
        callback(Message(RESPONSE, aux1=self.known.get(topic, errno.ENOSYS)))
        return len(self.asked)

    def dispatch(self, msg: Message) -> None:
        raise NotImplementedError

    def disconnected(self) -> None:
        self.lost = True


async def test_an_older_broker_is_asked_once() -> None:
    handle = FakeReceiver(local_sub=0, local_unsub=0)
    transport = SocketTransport(handle)
    await transport.subscribe("hb")
    transport.unsubscribe("hb")
    assert handle.asked == [("local.sub", {"topic": "hb"}), ("local.unsub", {"topic": "hb"})]


async def test_a_later_broker_knows_other_names_for_both() -> None:
    handle = FakeReceiver(event_subscribe=0, event_unsubscribe=0)
    transport = SocketTransport(handle)
    await transport.subscribe("hb")
    transport.unsubscribe("hb")
    assert [topic for topic, _ in handle.asked] == [
        "local.sub",
        "event.subscribe",
        "local.unsub",
        "event.unsubscribe",
    ]


@pytest.mark.parametrize(
    ("known", "number"), [({"local_sub": errno.EPERM}, errno.EPERM), ({}, errno.ENOSYS)]
)
async def test_a_refusal_is_raised(known: dict[str, int], number: int) -> None:
    with pytest.raises(OSError) as failure:
        await SocketTransport(FakeReceiver(**known)).subscribe("hb")
    assert failure.value.errno == number


async def test_the_verdict_of_the_broker() -> None:
    refused = SocketTransport(FakeReceiver())
    refused.data_received(bytes([errno.EPERM]))
    with pytest.raises(OSError, match="Operation not permitted"):
        await refused.accepted()
    accepted = SocketTransport(FakeReceiver())
    accepted.data_received(b"\0")
    await accepted.accepted()


async def test_a_broker_that_hangs_up_before_its_verdict() -> None:
    handle = FakeReceiver()
    transport = SocketTransport(handle)
    transport.connection_lost(None)
    with pytest.raises(OSError) as failure:
        await transport.accepted()
    assert failure.value.errno == errno.ECONNRESET
    assert handle.lost
