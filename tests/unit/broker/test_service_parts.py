"""A service made of parts: whose handlers and events are found, and which of two wins."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from broker.service import NoReply, Reply, Request, Service, event, events_of, request, routes_of
from broker.testing import ServiceHarness

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broker.context import Context
    from flux.wire import message as wire


class Counting:
    """A part with state of its own."""

    def __init__(self) -> None:
        self.count = 0

    @request("count", allow="guest")
    def add(self, req: Request) -> Reply:
        """Count one more."""
        self.count += req.get("by", int, 1)
        return {"count": self.count}

    @request("name")
    def name_of_part(self, req: Request) -> Reply:
        """Return who answers."""
        return "part"

    @event("parted.reset")
    def reset(self, msg: wire.Message) -> None:
        """Begin again."""
        self.count = 0


class Parted(Service):
    """A service that leaves counting to a part."""

    name = "parted"
    part_types = (Counting,)

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.counting = Counting()

    def parts(self) -> Sequence[object]:
        return (self.counting,)

    @request("name")
    def own_name(self, req: Request) -> str:
        """Return who answers."""
        return "service"

    @request("silent")
    def silent(self, req: Request) -> NoReply:
        """Answer nothing."""
        return NoReply.NO_REPLY


async def test_a_part_answers_and_the_service_wins() -> None:
    h = ServiceHarness(Parted)
    assert await h.request("parted.count", {"by": 2}, userid=5) == {"count": 2}
    assert h.service.counting.count == 2
    assert (await h.request_message("parted.name")).text() == "service"


async def test_a_part_hears_events() -> None:
    h = ServiceHarness(Parted)
    await h.start()
    await h.request("parted.count")
    h.publish("parted.reset")
    assert h.service.counting.count == 0


def test_the_class_tells_the_topics_of_its_parts() -> None:
    found = {topic: handler for topic, _, handler in routes_of(Parted)}
    assert found["parted.count"] is Counting.add
    assert found["parted.name"] is Parted.own_name
    assert ("parted.reset", Counting.reset) in events_of(Parted)


async def test_a_handler_may_be_added_at_any_time() -> None:
    h = ServiceHarness(Parted)
    with pytest.raises(OSError, match="Unknown service method") as caught:
        await h.request("parted.more")
    assert caught.value.errno == errno.ENOSYS
    h.service.add_handler("parted.more", lambda req: {"from": req.userid}, allow="guest")
    assert await h.request("parted.more", userid=5) == {"from": 5}
