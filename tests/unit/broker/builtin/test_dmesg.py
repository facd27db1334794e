"""Who follows the log, with what was logged before or without."""

from __future__ import annotations

from typing import Any

import pytest

from broker.attributes import Attributes
from broker.builtin.log import LogService
from broker.log import LogRing
from broker.testing import ServiceHarness
from flux.logline import Entry, parse


def line(text: str) -> Entry:
    return Entry(6, "2026-11-26T00:00:00.000000Z", 0, "test", "-", text)


class Logging(LogService):
    def __init__(self, ctx: Any) -> None:
        super().__init__(ctx, LogRing(0, Attributes()))
        self.ring.append(line("before"))


@pytest.mark.parametrize(
    ("payload", "texts"),
    [
        ({"follow": True}, ["before", "after"]),
        ({"follow": True, "nobacklog": True}, ["after"]),
        ({}, ["before"]),
    ],
)
async def test_backlog(payload: dict[str, bool], texts: list[str]) -> None:
    harness = ServiceHarness(Logging)
    await harness.start()
    replies = harness.stream("log.dmesg", payload)
    # What is followed by nobody yet has been sent, or will not be.
    await harness.request("log.stats-get")
    harness.service.ring.append(line("after"))
    await harness.stop()
    await harness.until(lambda: bool(replies) and replies[-1].errnum != 0)
    entries = [parse((reply.payload or b"").decode().rstrip("\0")) for reply in replies[:-1]]
    assert [entry.text for entry in entries if entry is not None] == texts
