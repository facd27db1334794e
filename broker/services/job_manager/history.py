"""What the job manager did and does: the stream of events for other services, and the start over
the KVS of an earlier one.
"""

from __future__ import annotations

import asyncio
import errno
from typing import Any

from broker.context import Context
from broker.jobtap.plugin import Rejected
from broker.service import NO_REPLY, Request, request
from broker.services.job_manager.active import ACTIVE_KEY
from broker.services.job_manager.events import events_of
from broker.services.job_manager.readers import Reader
from broker.services.job_manager.restart import (
    DETAILS,
    StoredJob,
    listed_jobs,
    load_active,
    load_checkpoint,
    stored_jobs,
)
from broker.services.job_manager.states import Job
from broker.services.job_manager.submission import Submissions
from flux.job.lifecycle import INACTIVE, RUN
from flux.kvs_txn import commit_request, unlink_op

_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError)
LOST_NOTE = "the instance was restarted while the job was running"
RERUN = {"rerun": "the job may have run before the restart"}


class History(Submissions):
    """The journal's readers, the jobs of earlier instances."""

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._walks = 0
        self._purged: set[int] = set()
        self._walk_ended = asyncio.Event()

    # Journal

    @request("events-journal", streaming=True)
    def events_journal(self, req: Request) -> Any:
        """Stream events {allow?, deny?, full?} as {events: [{id, eventlog_seq, entry, jobspec?,
        R?}]}.

        The stream starts with the events of the active jobs, and with ``full`` also with those of
        inactive ones; then ``replayed`` tells that what follows is new.
        """
        reader = self.readers[req.sender, req.matchtag] = Reader(req)
        if req.payload.get("full"):
            self.ctx.spawn(self._stream_all(reader), "job-manager:events-journal")
        else:
            reader.begin(self.journal.published(self.machine.jobs.values()))
        return NO_REPLY

    async def _stream_all(self, reader: Reader) -> None:
        """Send the inactive jobs' events from the KVS, then those of the active jobs and of jobs
        that ended meanwhile; then follow.
        """
        key = (reader.request.sender, reader.request.matchtag)
        try:
            sent = await self._walk(reader)
        except OSError as exc:
            if self.readers.get(key) is reader:
                del self.readers[key]
                reader.request.fail(exc)
            return
        if self.readers.get(key) is not reader:
            return  # the client went away
        ended = [
            job
            for job in (reader.met or {}).values()
            if job.id not in self.machine.jobs and job.id not in sent
        ]
        reader.begin(self.journal.published([*self.machine.jobs.values(), *ended]))

    async def _walk(self, reader: Reader | None) -> dict[int, float]:
        """Read the inactive jobs in the KVS, and send ``reader`` their events; returns when each
        ended.
        """
        found: dict[int, float] = {}
        self._walks += 1
        self._walk_ended.clear()
        try:
            async for stored in stored_jobs(
                self.ctx.handle, DETAILS[:1] if reader is None else DETAILS
            ):
                if stored.id in self.machine.jobs:
                    continue
                try:
                    await self._met(stored, reader, found)
                except _UNREADABLE as exc:
                    self.ctx.log.err(
                        f"events-journal: job {stored.id} cannot be replayed: {_reason(exc)}"
                    )
        finally:
            self._walks -= 1
            if not self._walks:
                self._purged.clear()
                self._walk_ended.set()
        if not self.inactive.complete:
            self.inactive.fill(found)
        return found

    async def _met(self, stored: StoredJob, reader: Reader | None, found: dict[int, float]) -> None:
        job = await stored.replay()
        if job.state != INACTIVE:
            return
        if reader is not None:
            await stored.load_details(job)
        if job.id in self._purged:
            return
        if reader is not None:
            reader.replay(events_of(job))
        found[job.id] = job.t_inactive

    async def know_inactive(self) -> None:
        """Return when all inactive jobs are known; raises OSError if they cannot be read."""
        while not self.inactive.complete:
            if self._walks:
                await self._walk_ended.wait()
            else:
                await self._walk(None)

    @request("events-journal-cancel")
    def events_journal_cancel(self, req: Request) -> Any:
        """End a journal stream {matchtag}."""
        reader = self.readers.pop((req.sender, req.get("matchtag", int)), None)
        if reader is not None:
            reader.request.end()
        return NO_REPLY

    # Restart

    async def restart(self) -> None:
        """Take up the active jobs of an earlier job manager; the inactive ones are read when
        somebody wants to know them.
        """
        log, machine = self.ctx.log, self.machine
        try:
            active = await self._read_active()
            checkpoint = await load_checkpoint(self.ctx.handle)
        except OSError as exc:
            if exc.errno != errno.ENOSYS:
                raise
            active, checkpoint = [], None
        log.info(f"restart: {len(active)} jobs")
        log.info(f"restart: {sum(1 for job in active if job.has_resources)} running jobs")
        if checkpoint is None:
            log.info("restart: no checkpoint object")
        else:
            machine.max_jobid = max(machine.max_jobid, checkpoint)
        log.debug(f"restart: max_jobid={machine.max_jobid}")
        for job in active:
            machine.add(job)
        for job in active:
            self._resume(job)
            self.take_in(job)

    async def _read_active(self) -> list[Job]:
        """Return the active jobs: those of the list kept beside them or, in a store without one,
        those found among all.
        """
        handle, index = self.ctx.handle, self.journal.index
        listed = await load_active(handle)
        if listed is not None:
            index.max_jobid = listed.max_jobid
        candidates = stored_jobs(handle) if listed is None else listed_jobs(handle, listed.ids)
        active: list[Job] = []
        ended: dict[int, float] = {}
        async for stored in candidates:
            index.max_jobid = max(index.max_jobid, stored.id)
            job = await self._restore(stored)
            if job is not None and job.state == INACTIVE:
                ended[job.id] = job.t_inactive
            elif job is not None:
                active.append(job)
                index.add(job.id)
        self.machine.max_jobid = max(self.machine.max_jobid, index.max_jobid)
        if listed is None:
            self.inactive.fill(ended)
        elif (
            not self.journal.durable
        ):  # the list will not be kept up to date, so the next start must not rely on it
            await self._drop_list()
        return active

    async def _drop_list(self) -> None:
        await self.ctx.handle.rpc("kvs.commit", commit_request([unlink_op(ACTIVE_KEY)]))

    async def _restore(self, stored: StoredJob) -> Job | None:
        """Return a stored job, with its details if it is active; a job that cannot be read is
        logged and left alone.
        """
        try:
            job = await stored.replay()
            if job.state != INACTIVE:
                await stored.load_details(job)
        except _UNREADABLE as exc:
            self.ctx.log.err(f"restart: job {stored.id} cannot be replayed: {_reason(exc)}")
            return None
        if job.jobspec is not None:
            job.jobspec = self.environments.share(job.jobspec)
        return job

    def _resume(self, job: Job) -> None:
        """Let a replayed job go on.

        One that was running lost its shells and ends with an exception; one that was about to be
        started may have run, and is started again.
        """
        machine = self.machine
        if job.is_waitable:
            self.waits.add_job(job.id)
        machine.post(job, "flux-restart")
        try:
            dependencies = self.plugins.restore(job)
        except Rejected as exc:
            machine.raise_exception(job, "dependency", 0, str(exc))
            return
        for description in dependencies:
            machine.post(job, "dependency-add", {"description": description})
        if job.state == RUN and job.started:
            job.exec_ended = True
            machine.raise_exception(job, "exec", 0, LOST_NOTE)
            return
        if job.state == RUN:
            machine.post(job, "memo", dict(RERUN))
        machine.advance(job)


def _reason(exc: Exception) -> str:
    """Return what is wrong with a stored job."""
    if isinstance(exc, OSError):
        return exc.strerror or str(exc)
    return f"malformed: {exc}"
