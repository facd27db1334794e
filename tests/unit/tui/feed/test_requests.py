"""What the dashboard asks an instance of its jobs as a whole."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, cast

from tui.feed.requests import counts
from tui.model.facts import StateCounts

if TYPE_CHECKING:
    from flux.aio import AsyncFlux
    from flux.wire.json import JsonObject

STATES = {"depend": 1, "priority": 0, "sched": 2, "run": 3, "cleanup": 1, "inactive": 30}


class Answering:
    """A handle that answers every request alike, or refuses it."""

    def __init__(self, answer: JsonObject | None) -> None:
        self.answer = answer

    async def rpc(self, topic: str) -> JsonObject:
        if self.answer is None:
            raise OSError(errno.ENOSYS, topic)
        return self.answer


async def asked(answer: JsonObject | None) -> StateCounts:
    return await counts(cast("AsyncFlux", Answering(answer)))


async def test_canceled_and_timed_out_jobs_are_among_those_that_the_list_calls_failed() -> None:
    found = await asked({"job_states": STATES, "failed": 9, "canceled": 5, "timeout": 1})
    assert found == StateCounts(4, 3, 21, 3, 5, 1)
    assert (found.over, found.unsuccessful) == (30, 4)


async def test_an_instance_that_does_not_count() -> None:
    assert await asked(None) == StateCounts()
