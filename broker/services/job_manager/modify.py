"""The one place that changes of jobs go through, for who hosts rules about them: job-submit plugins
of Slurm have a function for it.

Changes of one job are made one after the other, since the rules may take their time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from broker.services.job_manager.states import Job
    from flux.wire.json import JsonObject


class JobChanges(Struct, frozen=True):
    """What is asked for: another ``urgency``, None for the one there is, and members of the jobspec
    by their whole keys (``attributes.system.duration``; flux-update(1)). ``lines`` are what rules
    tell who asks.
    """

    urgency: int | None = None
    updates: JsonObject = {}
    lines: tuple[str, ...] = ()


Rules = Callable[["Job", JobChanges, int], Awaitable[JobChanges]]
Extends = Callable[[str], bool]


class Modifications:
    """Has changes of active jobs looked at before they are made.

    ``rules``, if somebody has set them, gets a job, the changes and the user id of who asks for
    them, and returns the changes that are to be made, others perhaps; it raises OSError to refuse
    them. They are checked and made as if the user had asked for them. ``extends`` tells of a key
    whether these rules know about it, so that it may be updated beside those that everybody may
    (`broker.services.job_manager.update_rules`).
    """

    def __init__(self) -> None:
        self.rules: Rules | None = None
        self.extends: Extends | None = None
        self._turns: dict[int, tuple[asyncio.Lock, int]] = {}

    async def modify(self, job: Job, changes: JobChanges, userid: int) -> JobChanges:
        """Return the changes that are to be made when ``userid`` asks for ``changes``; raises
        OSError if none are.
        """
        return changes if self.rules is None else await self.rules(job, changes, userid)

    def knows(self, key: str) -> bool:
        """Whether the rules allow a key that is not known here to be updated."""
        return self.extends is not None and self.extends(key)

    @asynccontextmanager
    async def turn(self, id: int) -> AsyncIterator[None]:
        """Inside the block, no other change of the job is made; who comes first goes first."""
        lock, waiting = self._turns.get(id) or (asyncio.Lock(), 0)
        self._turns[id] = lock, waiting + 1
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._turns[id]
            if waiting > 1:
                self._turns[id] = lock, waiting - 1
            else:
                del self._turns[id]
