"""What the job manager did and does: the stream of all events for other services, and the inactive
jobs, which are read from the KVS when somebody wants to know them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from broker.service import NO_REPLY, request
from broker.services.job_manager.events import events_of
from broker.services.job_manager.readers import reader_of
from broker.services.job_manager.restart import (
    DETAILS,
    UNREADABLE,
    StoredJob,
    reason_of,
    stored_jobs,
)
from flux.job.lifecycle import INACTIVE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broker.service import Reply, Request
    from broker.services.job_manager.core import ManagerCore
    from broker.services.job_manager.readers import Reader


class History:
    """The journal's readers, the jobs of earlier instances."""

    def __init__(self, core: ManagerCore) -> None:
        self._core = core
        self._walks = 0
        self._purged: set[int] = set()
        self._walk_ended = asyncio.Event()

    # Journal

    @request("events-journal", streaming=True)
    def events_journal(self, req: Request) -> Reply:
        """Stream events {allow?, deny?, full?, since?, records?} as {events: [{id, eventlog_seq,
        entry, jobspec?, R?}]}; if asked for nothing but ``full``, as 0.88's clients do, as {id,
        events: [entry], jobspec?, R?}, and {id: -1, events: []} in front of what is new.

        The stream starts with the events of the active jobs, the last of them marked ``active``.
        With ``full`` those of inactive ones follow, and new ones between them; ``replayed`` tells
        that what follows is new. Jobs that ended before ``since``, seconds since the epoch, are
        left out. If ``full`` is not there, as in requests of 0.29, it starts with what inactive
        jobs have of the last events, and has annotations too.
        """
        reader = reader_of(req)
        jobs = self._core.machine.jobs.values()
        full = req.payload.get("full")
        if full is None:
            reader.end(self._core.journal.told_lately(jobs))
        elif full:
            reader.begin(jobs, self._core.journal.published(jobs))
            self._core.ctx.spawn(self._stream_inactive(reader), "job-manager:events-journal")
        else:
            reader.end(self._core.journal.published(jobs))
        self._core.readers[req.sender, req.matchtag] = reader
        return NO_REPLY

    async def _stream_inactive(self, reader: Reader) -> None:
        """Send the inactive jobs' events from the KVS, unless the client goes away."""
        key = (reader.request.sender, reader.request.matchtag)
        try:
            await self._walk(reader)
        except OSError as exc:
            if self._core.readers.get(key) is reader:
                del self._core.readers[key]
                reader.request.fail(exc)
            return
        if self._core.readers.get(key) is reader:
            reader.end()

    async def _walk(self, reader: Reader | None) -> dict[int, float]:
        """Read the inactive jobs in the KVS, and send ``reader`` their events; returns when each
        ended.
        """
        found: dict[int, float] = {}
        self._walks += 1
        self._walk_ended.clear()
        try:
            async for stored in stored_jobs(
                self._core.ctx.handle,
                DETAILS[:1] if reader is None else DETAILS,
                self._ended_since(reader),
            ):
                if stored.id in self._core.machine.jobs:
                    continue
                if reader is not None and stored.id in (reader.told or ()):
                    continue  # it has ended meanwhile
                try:
                    await self._take(stored, reader, found)
                except UNREADABLE as exc:
                    self._core.ctx.log.err(
                        f"events-journal: job {stored.id} cannot be replayed: {reason_of(exc)}"
                    )
        finally:
            self._walks -= 1
            if not self._walks:
                self._purged.clear()
                self._walk_ended.set()
        if not self._core.inactive.complete:
            self._core.inactive.fill(found)
        return found

    def _ended_since(self, reader: Reader | None) -> list[int] | None:
        """Return the jobs that ``reader`` wants, None if all have to be read to know them."""
        inactive = self._core.inactive
        if reader is None or reader.since is None or not inactive.complete:
            return None
        return inactive.ended_since(reader.since)

    async def _take(
        self, stored: StoredJob, reader: Reader | None, found: dict[int, float]
    ) -> None:
        job = await stored.replay()
        if job.state != INACTIVE:
            return
        wanted = reader is not None and job.t_inactive >= (reader.since or 0.0)
        if wanted:
            await stored.load_details(job)
        if job.id in self._purged:
            return
        if reader is not None and wanted:
            reader.replay(events_of(job))
        found[job.id] = job.t_inactive

    async def know_inactive(self) -> None:
        """Return when all inactive jobs are known; raises OSError if they cannot be read."""
        while not self._core.inactive.complete:
            if self._walks:
                await self._walk_ended.wait()
            else:
                await self._walk(None)

    @request("events-journal-cancel")
    def events_journal_cancel(self, req: Request) -> Reply:
        """End a journal stream {matchtag}."""
        reader = self._core.readers.pop((req.sender, req.get("matchtag", int)), None)
        if reader is not None:
            reader.request.end()
        return NO_REPLY

    def forget(self, ids: Iterable[int]) -> None:
        """Jobs were purged: nobody is told of them any more, not by a walk under way either, which
        may have read them already.
        """
        gone = set(ids)
        self._core.journal.forget(gone)
        if self._walks:
            self._purged.update(gone)
