"""How clients of today's flux-core end an instance, and what they see of it."""

from __future__ import annotations

import asyncio
import errno
from typing import Any

from broker.attributes import Attributes
from broker.builtin.shutdown import ShutdownService
from broker.log import LogRing
from broker.testing import ServiceHarness
from flux.logline import Entry


def line(text: str, severity: int) -> Entry:
    return Entry(severity, "2026-11-26T00:00:00.000000Z", 0, "broker", "-", text)


class Ending(ShutdownService):
    def __init__(self, ctx: Any) -> None:
        self.begun = 0
        self.ring = LogRing(0, Attributes())
        super().__init__(ctx, self.ring, self._count)

    def _count(self) -> bool:
        self.begun += 1
        self.ring.append(line("run->cleanup", 6))
        return self.begun == 1


async def test_the_log_is_shown_until_the_end() -> None:
    harness = ServiceHarness(Ending)
    await harness.start()
    replies = harness.stream("shutdown.start", {"loglevel": 6})
    await harness.request("shutdown.stats-get")
    ((following, _),) = harness.service.streams
    sender = following.sender
    harness.service.ring.append(line("of no interest", 7))
    harness.service.ring.append(line("bad", 3))
    ending = asyncio.create_task(harness.service.finish())
    await harness.until(lambda: bool(replies) and replies[-1].errnum != 0)
    assert [reply.json()["log"] for reply in replies[:-1]] == [
        "broker.info[0]: run->cleanup\n",
        "broker.err[0]: bad\n",
    ]
    assert replies[-1].errnum == errno.ENODATA
    assert not ending.done()  # before its client has gone, it would be cut off
    harness.service.on_disconnect(sender)
    await ending
    await harness.stop()


async def test_who_does_not_wait_is_answered_at_once() -> None:
    harness = ServiceHarness(Ending)
    await harness.start()
    for times in (1, 2):
        assert await harness.request("shutdown.start", {"loglevel": 6}) in (None, {})
        assert harness.service.begun == times
    await harness.service.finish()
    await harness.stop()
