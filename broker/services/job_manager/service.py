"""The job manager module: submissions, restarts, the journal; the other requests are in the classes it is made of."""

from __future__ import annotations

import errno
from typing import Any

from broker.jobtap.plugin import Rejected
from broker.service import NO_REPLY, Request, request
from broker.services.job_manager.admin import QueueAdmin
from broker.services.job_manager.control import JobControl
from broker.services.job_manager.environment import EnvironmentPool
from broker.services.job_manager.execution import ExecutionClient
from broker.services.job_manager.journal import Reader, events_of, put_op
from broker.services.job_manager.restart import CHECKPOINT_KEY, StoredJob, load_checkpoint, stored_jobs
from broker.services.job_manager.states import FLAG_WAITABLE, INACTIVE, RUN, Job
from flux.wire import json

_UNREADABLE = (OSError, ValueError, KeyError, TypeError)
LOST_NOTE = "the instance was restarted while the job was running"


class JobManagerService(ExecutionClient, JobControl, QueueAdmin):
    """``job-manager`` on rank 0.

    ``job-manager.submit`` {jobs: [{id, userid, urgency, flags, t_submit, jobspec}]} is answered with {errors: [[id, errnum, text]]} once
    the accepted jobs are in the KVS. Internal to job-ingest.
    """

    async def start(self, args: list[str]) -> None:
        """Load the plugins and the jobs of an earlier job manager."""
        self._environments = EnvironmentPool()
        self.journal.durable = self._store_survives()
        self.plugins.load_builtins()
        await self._restart()
        self._greet()
        self.kick()

    def _greet(self) -> None:
        """Have a scheduler and an execution service that were there before introduce themselves again."""
        for topic in ("sched.hello-again", "job-exec.hello-again"):
            self.ctx.handle.post(topic, None, lambda msg: None)

    def _store_survives(self) -> bool:
        """Whether the content store is kept beyond the instance, so that an accepted job must be, too."""
        path = self.ctx.attrs.get("content.backing-path")
        return bool(path) and not str(path).startswith(f"{self.ctx.rundir}/")

    async def stop(self) -> None:
        """Write what is pending and leave a checkpoint."""
        self.turn()
        checkpoint = put_op(CHECKPOINT_KEY, json.dumps({"max_jobid": self.machine.max_jobid}))
        try:
            await self.ctx.handle.rpc(
                "kvs.commit", {"namespace": "primary", "flags": 0, "ops": [checkpoint]}, timeout=5.0
            )
        except (OSError, TimeoutError) as exc:
            self.ctx.log.debug(f"checkpoint: {exc}")
        for req in [*self.waits.waiters(), *self.drain_waiters, *self.idle_waiters]:
            req.error(errno.ENOSYS, "job-manager is being unloaded")
        for reader in self.readers.values():
            reader.request.error(errno.ENOSYS, "job-manager is being unloaded")
        self.readers.clear()

    def on_disconnect(self, sender: str) -> None:
        """Forget the streams and waits of a client that went away."""
        for key in [key for key in self.readers if key[0] == sender]:
            del self.readers[key]
        for req in [req for req in self.waits.waiters() if req.sender == sender]:
            self.waits.drop(req)
        self.drain_waiters = [req for req in self.drain_waiters if req.sender != sender]
        self.idle_waiters = [req for req in self.idle_waiters if req.sender != sender]

    def stats(self) -> dict[str, Any]:
        """Return counts of jobs, queue and journal."""
        machine = self.machine
        return {
            "active_jobs": len(machine.jobs),
            "inactive_jobs_waitable": len(self.waits.zombies),
            "max_jobid": machine.max_jobid,
            "queue_length": len(machine.queue),
            "alloc_pending": len(machine.pending),
            "free_pending": machine.free_pending,
            "running": machine.running,
            "journal": {"listeners": len(self.readers), "commits": self.journal.commits, "events": self.journal.posted},
        }

    # Submission

    @request("submit")
    def submit(self, req: Request) -> Any:
        """Take in jobs from job-ingest."""
        errors: list[list[Any]] = []
        for item in req.get("jobs", list):
            try:
                self._submit_one(item)
            except Rejected as exc:
                errors.append([item["id"], errno.EINVAL, str(exc)])
        answer = {"errors": errors}
        self.journal.after_commit(lambda: req.respond(answer))
        self.kick()
        return NO_REPLY

    def _submit_one(self, item: dict[str, Any]) -> None:
        if not self.submit_enabled:
            reason = f": {self.submit_reason}" if self.submit_reason else ""
            raise Rejected(f"job submission is disabled{reason}")
        if item["id"] in self.machine.jobs:
            raise Rejected(f"job {item['id']} exists already")
        job = Job(item["id"], self._environments.share(item["jobspec"]))
        job.userid, job.urgency, job.flags = item["userid"], item["urgency"], item["flags"]
        job.t_submit = item["t_submit"]
        dependencies = self.plugins.admit(job)
        machine = self.machine
        machine.add(job)
        context = {"userid": job.userid, "urgency": job.urgency, "flags": job.flags}
        machine.post(job, "submit", context, job.t_submit)
        if job.flags & FLAG_WAITABLE:
            self.waits.add_job(job.id)
        self.plugins.introduce(job)
        for description in dependencies:
            machine.post(job, "dependency-add", {"description": description})
        machine.advance(job)
        self.take_in(job)

    @request("getinfo", allow="guest")
    def getinfo(self, req: Request) -> dict[str, int]:
        """Return the greatest job id there has been, after which ids must be generated."""
        return {"max_jobid": self.machine.max_jobid}

    # Journal

    @request("events-journal", streaming=True)
    def events_journal(self, req: Request) -> Any:
        """Stream events {allow?, deny?, full?} as {events: [{id, eventlog_seq, entry, jobspec?, R?}]}.

        The stream starts with the events of the active jobs, and with ``full`` also with those of inactive ones; then
        ``replayed`` tells that what follows is new.
        """
        reader = self.readers[req.sender, req.matchtag] = Reader(req)
        if req.payload.get("full"):
            self.ctx.spawn(self._stream_all(reader), "job-manager:events-journal")
        else:
            reader.begin(self.journal.published(self.machine.jobs.values()))
        return NO_REPLY

    async def _stream_all(self, reader: Reader) -> None:
        """Send the inactive jobs' events from the KVS, then those of the active jobs and of jobs that ended meanwhile; then follow."""
        key = (reader.request.sender, reader.request.matchtag)
        try:
            sent = await self._send_stored(reader)
        except OSError as exc:
            if self.readers.get(key) is reader:
                del self.readers[key]
                reader.request.fail(exc)
            return
        if self.readers.get(key) is not reader:
            return  # the client went away
        ended = [job for job in (reader.met or {}).values() if job.id not in self.machine.jobs and job.id not in sent]
        reader.begin(self.journal.published([*self.machine.jobs.values(), *ended]))

    async def _send_stored(self, reader: Reader) -> set[int]:
        """Send the events of inactive jobs in the KVS; returns the jobs."""
        sent: set[int] = set()
        async for stored in stored_jobs(self.ctx.handle):
            if stored.id in self.machine.jobs:
                continue
            try:
                job = stored.replay()
                if job.state == INACTIVE:
                    await stored.load_details(job)
                    reader.replay(events_of(job))
                    sent.add(job.id)
            except _UNREADABLE as exc:
                self.ctx.log.err(f"events-journal: job {stored.id} cannot be replayed: {exc}")
        return sent

    @request("events-journal-cancel")
    def events_journal_cancel(self, req: Request) -> Any:
        """End a journal stream {matchtag}."""
        reader = self.readers.pop((req.sender, req.get("matchtag", int)), None)
        if reader is not None:
            reader.request.end()
        return NO_REPLY

    # Restart

    async def _restart(self) -> None:
        log, handle, machine = self.ctx.log, self.ctx.handle, self.machine
        total, active = 0, []
        try:
            async for stored in stored_jobs(handle):
                total += 1
                machine.max_jobid = max(machine.max_jobid, stored.id)
                job = await self._restore(stored)
                if job is not None:
                    active.append(job)
            checkpoint = await load_checkpoint(handle)
        except OSError as exc:
            if exc.errno != errno.ENOSYS:
                raise
            checkpoint = None
        log.info(f"restart: {total} jobs")
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

    async def _restore(self, stored: StoredJob) -> Job | None:
        """Return the job if it is active; a job that cannot be read is logged and left alone."""
        try:
            job = stored.replay()
            if job.state == INACTIVE:
                return None
            await stored.load_details(job)
        except _UNREADABLE as exc:
            self.ctx.log.err(f"restart: job {stored.id} cannot be replayed: {exc}")
            return None
        if job.jobspec is not None:
            job.jobspec = self._environments.share(job.jobspec)
        return job

    def _resume(self, job: Job) -> None:
        """Let a replayed job go on; one that was running lost its shells and ends with an exception."""
        machine = self.machine
        if job.flags & FLAG_WAITABLE:
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
        else:
            machine.advance(job)
