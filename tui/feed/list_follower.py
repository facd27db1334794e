"""Following jobs by the job list, for those who may not read the job manager's journal: it is for
the owner of an instance alone, and most users of a cluster are its guests.
"""

from __future__ import annotations

import asyncio
import errno
import time
from typing import TYPE_CHECKING, Final

from flux.constants import FLUX_JOB_STATE_ACTIVE
from tui.feed.job_list import ended_jobs, job_list

if TYPE_CHECKING:
    from flux.aio import AsyncFlux
    from flux.wire.json import JsonObject
    from tui.model.dashboard import Dashboard

PACE: Final = 1.0
"""Seconds between two looks at the counts of jobs, which every change of a state changes."""
REFRESH: Final = 10.0
"""After so many seconds active jobs are read although the counts are the same: what is annotated,
urgencies and priorities change without them.
"""
SHARE: Final = 0.05
"""How much of the time the instance may be busy with its list."""
OVERLAP: Final = 5.0
"""Seconds before the last end that is known: ends of other nodes may be told in another order."""
LOOKUPS_AT_ONCE: Final = 64


class ListFollower:
    """Keeps a dashboard up to date by asking for the list of jobs whenever the counts of jobs have
    changed. Only records that differ from those before are taken in.
    """

    def __init__(self, handle: AsyncFlux, dashboard: Dashboard, attrs: tuple[str, ...]) -> None:
        self._handle = handle
        self._dashboard = dashboard
        self._attrs = attrs
        self._stats: JsonObject = {}
        self._read_at = 0.0
        self._known: dict[int, JsonObject] = {}

    async def run(self) -> None:
        """Follow until cancelled; raises OSError."""
        pause = PACE
        while True:
            await asyncio.sleep(pause)
            began = time.monotonic()
            await self.look()
            pause = max(PACE, (time.monotonic() - began) / SHARE)

    async def look(self) -> bool:
        """Bring the dashboard up to date; tells whether the list was read."""
        self._dashboard.ask()
        stats = await self._handle.rpc("job-list.job-stats")
        self._dashboard.hear()
        if stats == self._stats and time.monotonic() < self._read_at + REFRESH:
            return False
        self._stats = stats
        version = self._dashboard.instance.version
        active = await job_list(self._handle, 0, version, self._attrs, FLUX_JOB_STATE_ACTIVE)
        since = max(0.0, max(self._dashboard.table.t_inactive, default=0.0) - OVERLAP)
        ended = await ended_jobs(self._handle, since, version, self._attrs)
        await self._take(active, ended)
        self._read_at = time.monotonic()
        return True

    async def _take(self, active: list[JsonObject], ended: list[JsonObject]) -> None:
        table = self._dashboard.table
        now = {job["id"]: job for job in active}
        over = {job["id"]: job for job in ended}
        known = self._known
        news = [job for jobid, job in now.items() if jobid not in over and known.get(jobid) != job]
        news += [job for jobid, job in over.items() if not table.has_ended(jobid)]
        gone = {table.ids[row] for row in table.active} - now.keys() - over.keys()
        news += await self._looked_up(sorted(gone))
        self._known = now
        if news:
            self._dashboard.load(news)

    async def _looked_up(self, jobids: list[int]) -> list[JsonObject]:
        """Return what has become of jobs that are neither active nor among those that have ended of
        late; those that were purged are forgotten.
        """
        found: list[JsonObject] = []
        purged: set[int] = set()
        for start in range(0, len(jobids), LOOKUPS_AT_ONCE):
            batch = jobids[start : start + LOOKUPS_AT_ONCE]
            answers = await asyncio.gather(
                *(
                    self._handle.rpc("job-list.list-id", {"id": jobid, "attrs": self._attrs})
                    for jobid in batch
                ),
                return_exceptions=True,
            )
            for jobid, answer in zip(batch, answers, strict=True):
                if isinstance(answer, dict):
                    found.append(answer["job"])
                elif isinstance(answer, OSError) and answer.errno == errno.ENOENT:
                    purged.add(jobid)
                else:
                    raise answer
        if purged:
            self._dashboard.forget(purged)
        return found
