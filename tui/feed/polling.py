"""What no event of an instance tells and has to be asked for: resources, queues, why jobs wait, and
whether the job list agrees with what was told.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

from flux.idset import IDset
from flux.job.reasons import reason_text
from flux.wire.errors import may_be_unknown
from tui.feed.job_list import job_list
from tui.model.nodestrip import node_uses
from tui.model.notices import queue_notices
from tui.model.purging import purged
from tui.model.reasons import scheduled
from tui.model.resources import node_and_core_count
from tui.model.stats import ResourceCounts

if TYPE_CHECKING:
    from flux.aio import AsyncFlux
    from flux.wire.json import JsonMapping, JsonObject
    from tui.model.dashboard import Dashboard

POLL_SECONDS: Final = 2.0
"""How often is asked for what no event tells."""
SOON_SECONDS: Final = 0.3
"""How soon the resources are asked for after jobs got or gave back some."""
SHARE: Final = 0.05
"""How much of the time the instance may be busy with answering that."""
REASONS_AT_ONCE: Final = 500
RECONCILE_AFTER: Final = 4


class PollingFeed:
    """The part of a feed that asks."""

    _attributes: tuple[str, ...]
    _tells_reasons: bool
    _moved: asyncio.Event

    def _connected(self) -> AsyncFlux:
        """Return the connection; raises OSError if there is none."""
        raise NotImplementedError

    async def _poll(self, dashboard: Dashboard) -> None:
        """Ask for what no event tells: resources, and whether the job list agrees with our
        counts.
        """
        differing = 0
        again = 0.0
        await self._wait_reasons(dashboard)
        while True:
            await asyncio.sleep(POLL_SECONDS)
            dashboard.ask()
            # All at once: what costs most is to wake up for an answer.
            total, *_ = await asyncio.gather(
                self._total(),
                self._resources(dashboard),
                self._notices(dashboard),
                self._wait_reasons(dashboard),
            )
            differing = 0 if total in (None, len(dashboard.table)) else differing + 1
            dashboard.hear()
            asked = time.monotonic()
            if differing >= RECONCILE_AFTER and asked >= again:
                differing = 0
                await self._reconcile(dashboard)
                # A list of 100,000 takes its time: the less often it is asked for.
                again = time.monotonic() + (time.monotonic() - asked) / SHARE

    async def _total(self) -> int | None:
        """Return how many jobs the list has, None if it does not tell."""
        with contextlib.suppress(OSError):
            stats = await self._connected().rpc("job-list.job-stats")
            return (stats.get("job_states") or {}).get("total")
        return None

    async def _reconcile(self, dashboard: Dashboard) -> None:
        """Bring the table in line with the job list: jobs may have been purged, and some may never
        have been told of.
        """
        handle, version = self._connected(), dashboard.instance.version
        now = dashboard.clock()
        listed = {job["id"] for job in await job_list(handle, 0, version, ())}
        gone = purged(dashboard.table, listed, now)
        if gone:
            dashboard.forget(gone)
        if not listed <= dashboard.table.row_of.keys():
            dashboard.load(await job_list(handle, 0, version, self._attributes))

    async def _follow_resources(self, dashboard: Dashboard) -> None:
        """Ask for the resources soon after jobs got or gave back some, less often the longer it
        takes to answer.
        """
        while True:
            await self._moved.wait()
            await asyncio.sleep(SOON_SECONDS)
            self._moved.clear()
            asked = time.monotonic()
            await self._resources(dashboard)
            await asyncio.sleep((time.monotonic() - asked) / SHARE)

    async def _resources(self, dashboard: Dashboard) -> None:
        with contextlib.suppress(OSError):
            answer, drained = await asyncio.gather(self._resource_status(), self._drained())
            nodes, cores = node_and_core_count(answer.get("all"))
            _, allocated = node_and_core_count(answer.get("allocated"))
            nodes_down, down = node_and_core_count(answer.get("down"))
            uses = node_uses(answer, drained)
            dashboard.set_resources(
                ResourceCounts(cores, allocated, down, nodes, nodes_down, len(drained), uses)
            )

    async def _drained(self) -> set[int]:
        """Return the ranks that are drained; those are among the nodes that the scheduler counts as
        down.
        """
        try:
            answer = await self._connected().rpc("resource.status", nodeid=0)
            return {rank for ranks in answer.get("drain") or {} for rank in IDset(ranks)}
        except (OSError, ValueError):
            return set()

    async def _notices(self, dashboard: Dashboard) -> None:
        """Ask which queues take no jobs or start none."""
        handle = self._connected()
        try:
            names = (await handle.rpc("job-manager.queue-list")).get("queues") or [""]
            asked = [
                handle.rpc("job-manager.queue-status", {"name": name} if name else {})
                for name in names
            ]
            states = await asyncio.gather(*asked)
        except OSError:
            return  # an older broker, or one that is closing: nothing is known
        dashboard.set_notices(queue_notices(zip(names, states, strict=True)))

    async def _wait_reasons(self, dashboard: Dashboard) -> None:
        """Ask why the first of the jobs wait that do; older brokers do not tell."""
        ids = scheduled(dashboard.table, REASONS_AT_ONCE) if self._tells_reasons else []
        entries: list[JsonMapping] = []
        if ids:
            try:
                answer = await self._connected().rpc("job-manager.pending-reasons", {"ids": ids})
                entries = answer["reasons"]
            except OSError as error:
                self._tells_reasons = not may_be_unknown(error.errno)
        now = dashboard.clock()
        waits = {entry["id"]: reason_text(entry, now) for entry in entries}
        dashboard.set_waits(waits)

    async def _resource_status(self) -> JsonObject:
        """Ask the scheduler, or the resource module, which answers for it in later flux-core."""
        try:
            return await self._connected().rpc("sched.resource-status")
        except OSError as error:
            if not may_be_unknown(error.errno):
                raise
            return await self._connected().rpc("resource.sched-status", nodeid=0)
