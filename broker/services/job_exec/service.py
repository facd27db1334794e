"""Service ``job-exec`` (rank 0): runs the jobs the job manager gives it.

A ``job-exec.start`` request streams {id, type, data}: ``start``, ``exception``, ``finish``
{status}, ``release``. The shells are streaming requests to ``shell-host.start`` on each rank, so a
lost rank is the error of its stream.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, assert_never

from broker.service import NO_REPLY, Request, Service, event, request
from broker.services.job_exec.execution import RunningJob
from broker.services.job_exec.options import ExecOptions, parse_args, with_job_shell
from broker.services.job_exec.simulated import Simulation, mock_exception_of, simulation_of
from broker.services.job_exec.state import KILL_TIMEOUT, Shells, ranks_of, time_limit
from broker.shell import protocol
from flux.waitstatus import status_of_code
from flux.wire.json import dumps
from flux.wire.message import STREAMING, Message
from flux.wire.message import request as new_request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broker.configuration import Config
    from broker.context import Context
    from broker.service import Reply
    from flux.wire.json import JsonObject

QUICK: Final = 0.003
BUSY: Final = 0.05
"""Seconds that event logs wait to be written, and when `BUSY_JOBS` began in `BUSY_SECONDS`."""
BUSY_JOBS: Final = 20
BUSY_SECONDS: Final = 0.5
STOP_TIMEOUT: Final = 2.0
"""Seconds that jobs get to end when the service stops."""
HARD_KILL_DELAY: Final = 1.0
"""Seconds that shells get to kill their tasks before they are killed themselves."""


class JobExecService(Service):
    """Starts, follows, kills and ends jobs."""

    name = "job-exec"

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.jobs: dict[int, RunningJob] = {}
        self._ending: set[RunningJob] = set()
        self.kill_timeout = KILL_TIMEOUT
        self._job_shell: str | None = None
        self._asked = ExecOptions()
        self.started = 0
        self._recent: deque[float] = deque(maxlen=BUSY_JOBS)
        self._stopping = False
        self._idle = asyncio.Event()

    @classmethod
    def check_args(cls, args: list[str]) -> None:
        parse_args(args)

    async def start(self, args: list[str]) -> None:
        """Offer the service to the job manager; arguments ``kill-timeout=FSD``, ``job-shell=PATH``
        and ``imp=PATH``, which count more than the configuration.
        """
        self._asked = parse_args(args)
        self.configure(self.ctx.config)
        await self.ctx.handle.rpc("job-manager.exec-hello", {"service": self.name})

    def configure(self, config: Config) -> None:
        """Take the time that tasks get to end, for jobs that are killed from now on, and the job
        shell of those that start from now on.
        """
        options = self._asked.over(config.exec)
        self.kill_timeout, self._job_shell = options.seconds, options.job_shell
        for text in options.told():
            self.ctx.log.debug(text)
        if options.imp:
            self.ctx.log.warning("exec.imp has nothing to start: jobs of other users are refused")

    @request("hello-again")
    async def hello_again(self, req: Request) -> None:
        """A new job manager wants to know the service."""
        await self.ctx.handle.rpc("job-manager.exec-hello", {"service": self.name})

    async def stop(self) -> None:
        """Kill what runs, and see it to its end as far as that is quick."""
        for job in list(self.jobs.values()):
            if job.shells.finished:
                continue
            job.failed("exec", "job-exec was unloaded")
            job.shells.killed = signal.SIGKILL
            if job.simulation is not None:
                self._simulated_end(job, int(signal.SIGKILL))
            else:
                self._kill_shells(job)
        if self.jobs or self._ending:
            self._idle.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_TIMEOUT):
                    await self._idle.wait()
        self._stopping = True
        for job in (*self.jobs.values(), *self._ending):
            job.cancel_timers()
            job.guest.stop()

    def facts(self) -> JsonObject:
        return {"jobs": len(self.jobs), "started": self.started}

    @request("start", streaming=True)
    def start_job(self, req: Request) -> Reply:
        """Run a job: {id, userid, jobspec, R}.

        Shells run as the instance owner, so a job of another user is refused (EPERM) unless it is
        simulated.
        """
        jobid, userid = req.get("id", int), req.get("userid", int)
        jobspec, resources = req.get("jobspec", dict), req.get("R", dict)
        if jobid in self.jobs:
            raise OSError(errno.EEXIST, f"job {jobid} is already running")
        try:
            ranks = ranks_of(resources)
        except ValueError as error:
            raise OSError(errno.EINVAL, str(error)) from error
        if not ranks:
            raise OSError(errno.EINVAL, "R has no ranks")
        simulation = simulation_of(jobspec)
        mock = mock_exception_of(jobspec)
        if simulation is None and userid != self.ctx.owner:
            text = f"jobs of user {userid} cannot be run by an instance of user {self.ctx.owner}"
            raise OSError(errno.EPERM, text)
        job = RunningJob(req, Shells(ranks), self.ctx, self._delay(), simulation)
        self.jobs[jobid] = job
        self.started += 1
        job.event("init", now=self.ctx.now())
        if simulation is not None:
            self._simulate(job, simulation)
            return NO_REPLY
        if mock == "init":
            self._fail(job, mock)
            return NO_REPLY
        job.event("starting", now=self.ctx.now())
        if mock:
            self._fail(job, mock, int(signal.SIGTERM))
            return NO_REPLY
        self._start_shells(job, userid, jobspec, resources)
        job.started(self.ctx.now())
        self._end_after(job, time_limit(jobspec, resources, self.ctx.now()))
        return NO_REPLY

    def _end_after(self, job: RunningJob, seconds: float | None) -> None:
        """Give a job so much time from now on, None for any."""
        if job.limit is not None:
            job.limit.cancel()
        job.limit = None if seconds is None else self.ctx.call_later(seconds, self._expired, job)

    @request("expiration")
    def expiration(self, req: Request) -> None:
        """The resources of a job {id} expire at another time {expiration}, in seconds since the
        epoch, 0 for never. Simulated jobs have no time limit.
        """
        job, expiration = self.jobs.get(req.get("id", int)), req.get("expiration", (int, float))
        if job is None or job.shells.killed or job.simulation is not None:
            return
        self._end_after(job, max(expiration - self.ctx.now(), 0.0) if expiration else None)
        self._tell(job, job.shells.running, protocol.Expire(float(expiration)))

    def _delay(self) -> float:
        """Return how long a job's event logs may wait to be written: longer when many jobs start,
        most of them short.
        """
        recent, now = self._recent, self.ctx.loop_time()
        recent.append(now)
        return BUSY if len(recent) == BUSY_JOBS and now - recent[0] < BUSY_SECONDS else QUICK

    def _start_shells(
        self, job: RunningJob, userid: int, jobspec: JsonObject, resources: JsonObject
    ) -> None:
        body = {
            "id": job.id,
            "userid": userid,
            "leader": job.shells.leader,
            "jobspec": with_job_shell(jobspec, self._job_shell),
            "R": resources,
        }
        payload = dumps(body) + b"\0"
        for rank in job.shells.ranks:
            message = new_request("shell-host.start", payload, nodeid=rank, flags=STREAMING)
            self.ctx.handle.start_stream(message, partial(self._shell_said, job, rank))

    # What shells say

    def _shell_said(self, job: RunningJob, rank: int, msg: Message) -> None:
        if self._stopping:
            return
        if msg.errnum and msg.errnum != errno.ENODATA:
            self._shell_lost(job, rank, msg.text() or os.strerror(msg.errnum), signal.SIGKILL)
            return
        try:
            message = protocol.decode_from_shell((msg.payload or b"").rstrip(b"\0"))
        except OSError as exc:
            self.ctx.log.err(f"shell of job {job.id}: {exc.strerror}")
            self._shell_lost(job, rank, "", signal.SIGKILL)
            self.ctx.handle.send("shell-host.kill", {"id": job.id}, nodeid=rank)
            return
        match message:
            case protocol.LogEntries():
                self._store(job, rank, message)
            case protocol.Exit():
                self._shell_ended(job, rank, message)
            case protocol.EnterBarrier(name, data):
                merged = job.shells.enter(rank, name, data)
                if merged is not None:
                    self._tell(job, job.shells.ranks, protocol.LeaveBarrier(name, merged))
            case protocol.Relay(to, name, data):
                self._tell(job, job.shells.targets(to), protocol.Relayed(name, data))
            case protocol.RaiseException():
                self._raise(job, message)
            case protocol.Hello() | protocol.ServiceAnswer():
                pass  # are for the shell's own broker
            case _:
                assert_never(message)

    def _shell_ended(self, job: RunningJob, rank: int, end: protocol.Exit) -> None:
        job.guest.extend(end)
        if end.lost:
            self._shell_lost(job, rank, "", end.status, killed=end.killed)
        else:
            self._shell_exited(job, rank, end.status)

    def _store(self, job: RunningJob, rank: int, entries: protocol.LogEntries) -> None:
        job.guest.extend(entries)
        if entries.ack:
            ack = protocol.Ack(entries.ack)
            job.guest.append("output", "", lambda: self._tell(job, [rank], ack))

    def _tell(self, job: RunningJob, ranks: Iterable[int], message: protocol.ToShell) -> None:
        payload = {"id": job.id, "msg": protocol.to_object(message)}
        for rank in tuple(ranks):
            self.ctx.handle.send("shell-host.tell", payload, nodeid=rank)

    def _raise(self, job: RunningJob, raised: protocol.RaiseException) -> None:
        payload = {
            "id": job.id,
            "type": raised.type,
            "severity": raised.severity,
            "note": raised.note,
        }

        def done(msg: Message) -> None:
            if msg.errnum:
                self.ctx.log.err(f"job {job.id}: raise: {msg.text() or os.strerror(msg.errnum)}")

        # A program that cannot be started may say so before anybody has heard of the start.
        job.after_start(partial(self.ctx.handle.post, "job-manager.raise", payload, done))

    def _shell_lost(
        self, job: RunningJob, rank: int, text: str, status: int, *, killed: bool = False
    ) -> None:
        """A shell went away without saying how it ended. If the leader is known to have been
        ``killed`` by a signal, the status of the job says so, and it needs no exception.
        """
        if rank not in job.shells.running:
            return
        if not job.shells.killed and not (killed and rank == job.shells.leader):
            index = job.shells.ranks.index(rank)
            note = f"shell rank {index} (on rank {rank}) was lost" + (f": {text}" if text else "")
            job.failed("exec", note)
            self._kill(job, signal.SIGTERM)
        self._shell_exited(job, rank, status)
        if rank != job.shells.leader and job.shells.leader in job.shells.running:
            self._tell(job, [job.shells.leader], protocol.Relayed("left", {}))

    def _shell_exited(self, job: RunningJob, rank: int, status: int) -> None:
        if job.shells.exited(rank, status):
            self._end(job)
        elif rank == job.shells.leader and not job.shells.killed:
            self._kill(job, signal.SIGTERM)

    # The end of a job

    def _end(self, job: RunningJob) -> None:
        shells = job.shells
        if shells.finished:
            return
        shells.finished = True
        job.cancel_timers()
        now = self.ctx.now()
        job.event("complete", {"status": shells.status}, now)
        job.event("done", now=now)
        others = len(self.jobs) > 1
        self._ending.add(job)
        job.finished(partial(self._released, job), partial(self._ended, job), lazy=others)

    def _released(self, job: RunningJob) -> None:
        """A job's logs are on their way: what the job manager stores of its end comes after
        them.
        """
        self.jobs.pop(job.id, None)
        job.released()

    def _ended(self, job: RunningJob) -> None:
        self._ending.discard(job)
        if not self.jobs and not self._ending:
            self._idle.set()

    # Killing

    @event("job-exception")
    def on_exception(self, msg: Message) -> None:
        """A fatal exception of a running job: end its tasks."""
        payload = msg.json() or {}
        job = self.jobs.get(payload.get("id", -1))
        if job is not None and payload.get("severity") == 0:
            # What this service has raised itself comes back here; a cancel is somebody's wish.
            self._kill(job, signal.SIGTERM, again=payload.get("type") == "cancel")

    @request("abort")
    def abort(self, req: Request) -> None:
        """End the tasks of a job {id} at once, if its exception cannot be stored and so not be
        published.
        """
        job = self.jobs.get(req.get("id", int))
        if job is not None:
            self._kill(job, signal.SIGTERM)

    def _expired(self, job: RunningJob) -> None:
        job.failed("timeout", "resource allocation expired")
        self._kill(job, signal.SIGALRM)

    def _kill(self, job: RunningJob, number: int, again: bool = False) -> None:
        """End a job with a signal, then with SIGKILL after the kill timeout, then without the help
        of its shells. A job that is being ended gets another signal only if it is to end ``again``,
        and no more time.
        """
        if job.shells.finished:
            return
        if job.shells.killed:
            if again and number != job.shells.killed and job.simulation is None:
                job.shells.killed = number
                self._tell(job, job.shells.running, protocol.Kill(int(number), final=True))
            return
        job.shells.killed = number
        if job.simulation is not None:
            self._simulated_end(job, number)
            return
        self._tell(job, job.shells.running, protocol.Kill(int(number), final=True))
        job.timers.append(self.ctx.call_later(self.kill_timeout, self._kill_hard, job))

    def _kill_hard(self, job: RunningJob) -> None:
        self._tell(job, job.shells.running, protocol.Kill(int(signal.SIGKILL), final=True))
        job.timers.append(self.ctx.call_later(HARD_KILL_DELAY, self._kill_shells, job))

    def _kill_shells(self, job: RunningJob) -> None:
        for rank in job.shells.running:
            self.ctx.handle.send("shell-host.kill", {"id": job.id}, nodeid=rank)

    # Simulated jobs

    def _simulate(self, job: RunningJob, simulation: Simulation) -> None:
        if simulation.mock_exception == "starting":
            self._fail(job, "starting")
            return
        job.event("starting", now=self.ctx.now())
        if not simulation.override:
            self._simulated_start(job, simulation)

    def _simulated_start(self, job: RunningJob, simulation: Simulation) -> None:
        job.started(self.ctx.now())
        if simulation.mock_exception == "run":
            self._fail(job, "run", int(signal.SIGTERM))
            return
        if simulation.override and not simulation.run_duration:
            return
        seconds, status = simulation.run_duration, simulation.wait_status
        job.timers.append(self.ctx.call_later(seconds, self._simulated_end, job, status))

    def _fail(self, job: RunningJob, phase: str, status: int = status_of_code(1)) -> None:
        job.failed("exec", f"mock {phase} exception generated")
        self._simulated_end(job, status)

    def _simulated_end(self, job: RunningJob, status: int) -> None:
        job.shells.status = status
        self._end(job)

    @request("override")
    def override(self, req: Request) -> None:
        """Move a simulated job on: {jobid, event: "start" | "finish", status?}."""
        job = self.jobs.get(req.get("jobid", int))
        simulation = job.simulation if job is not None else None
        if job is None or simulation is None or not simulation.override:
            raise OSError(errno.ENOENT, "Job not found")
        name = req.get("event", str)
        if name == "start":
            if job.has_started:
                raise OSError(errno.EEXIST, "Job already running")
            self._simulated_start(job, simulation)
        elif name == "finish":
            if not job.has_started:
                raise OSError(errno.EINVAL, "Job not running")
            self._simulated_end(job, req.get("status", int, 0))
        else:
            raise OSError(errno.EPROTO, f"unknown event {name}")
