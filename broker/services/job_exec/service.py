"""Service ``job-exec`` (rank 0): runs the jobs the job manager gives it.

A ``job-exec.start`` request streams {id, type, data}: ``start``, ``exception``, ``finish`` {status}, ``release``. The shells are
streaming requests to ``shell-host.start`` on each rank, so a lost rank is the error of its stream.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from asyncio import TimerHandle
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from broker.context import Context
from broker.service import NO_REPLY, Request, Service, event, request
from broker.services.job_exec.guest import GuestLog
from broker.services.job_exec.simulated import Simulation, simulation_of
from broker.services.job_exec.state import KILL_TIMEOUT, JobState, ranks_of, time_limit
from flux.eventlog import encode, entry
from flux.wire.json import dumps
from flux.wire.message import STREAMING, Message
from flux.wire.message import request as new_request

QUICK, BUSY = 0.003, 0.05
BUSY_JOBS, BUSY_SECONDS = 20, 0.5
STOP_TIMEOUT = 2.0


class Job:
    """A job being run: its state, its event logs, its timers."""

    def __init__(self, req: Request, state: JobState, ctx: Context, delay: float) -> None:
        self.id = req.get("id", int)
        self.request = req
        self.state = state
        self.guest = GuestLog(ctx, self.id, req.get("userid", int), delay, self._visible)
        self.started_at: float | None = None
        self._is_visible = False
        self._is_finished = False
        self.simulation: Simulation | None = None
        self.timers: list[TimerHandle] = []

    def respond(self, kind: str, data: dict[str, Any]) -> None:
        """Send the job manager one response of the stream."""
        self.request.respond({"id": self.id, "type": kind, "data": data})

    def started(self, now: float) -> None:
        """Tell the job manager that the job runs, as soon as its event logs can be watched."""
        self.started_at = now
        self._announce()

    def _visible(self) -> None:
        self._is_visible = True
        self._announce()

    def _announce(self) -> None:
        if self._is_visible and self.started_at is not None:
            self.respond("start", {"timestamp": self.started_at})
            self.started_at = None
        if self._is_visible and self.state.finished and not self._is_finished:
            self._is_finished = True
            self.respond("finish", {"status": self.state.status})

    def finished(self, done: Callable[[], None]) -> None:
        """Tell the job manager of the end, once the start has been told; `done` is called when the event logs are safe."""
        self.guest.close(done)
        self._announce()

    def event(
        self, name: str, context: dict[str, Any] | None = None, now: float | None = None
    ) -> None:
        """Append to the exec event log."""
        self.guest.append("exec", encode(entry(name, context, now)))


class JobExecService(Service):
    """Starts, follows, kills and ends jobs."""

    name = "job-exec"

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.jobs: dict[int, Job] = {}
        self.kill_timeout = KILL_TIMEOUT
        self.started = 0
        self._recent: deque[float] = deque(maxlen=BUSY_JOBS)
        self._stopping = False

    async def start(self, args: list[str]) -> None:
        """Offer the service to the job manager; argument ``kill-timeout=SECONDS``."""
        for argument in args:
            key, _, value = argument.partition("=")
            if key != "kill-timeout":
                raise OSError(errno.EINVAL, f"unknown argument {argument}")
            self.kill_timeout = float(value)
        await self.ctx.handle.rpc("job-manager.exec-hello", {"service": self.name})

    @request("hello-again")
    async def hello_again(self, req: Request) -> None:
        """A new job manager wants to know the service."""
        await self.ctx.handle.rpc("job-manager.exec-hello", {"service": self.name})

    async def stop(self) -> None:
        """Kill what runs, and see it to its end as far as that is quick."""
        for job in list(self.jobs.values()):
            if job.state.finished:
                continue
            job.respond(
                "exception", {"type": "exec", "severity": 0, "note": "job-exec was unloaded"}
            )
            job.state.killed = signal.SIGKILL
            if job.simulation is not None:
                job.state.status = int(signal.SIGKILL)
                self._end(job)
            else:
                self._kill_shells(job)
        deadline = self.ctx.loop_time() + STOP_TIMEOUT
        while self.jobs and self.ctx.loop_time() < deadline:
            await asyncio.sleep(0.005)
        self._stopping = True
        for job in self.jobs.values():
            self._cancel_timers(job)
            job.guest.stop()

    def stats(self) -> dict[str, Any]:
        return {"jobs": len(self.jobs), "started": self.started}

    @request("start", streaming=True)
    def start_job(self, req: Request) -> object:
        """Run a job: {id, userid, jobspec, R}.

        Shells run as the instance owner, so a job of another user is refused (EPERM) unless it is simulated.
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
        if simulation is None and userid != self.ctx.owner:
            raise OSError(
                errno.EPERM,
                f"jobs of user {userid} cannot be run by an instance of user {self.ctx.owner}",
            )
        job = Job(req, JobState(ranks), self.ctx, self._delay())
        job.simulation = simulation
        self.jobs[jobid] = job
        self.started += 1
        job.event("init", now=self.ctx.now())
        if simulation is not None:
            self._simulate(job, simulation)
            return NO_REPLY
        job.event("starting", now=self.ctx.now())
        self._start_shells(job, userid, jobspec, resources)
        job.started(self.ctx.now())
        limit = time_limit(jobspec, resources, self.ctx.now())
        if limit is not None:
            job.timers.append(self.ctx.call_later(limit, self._expired, job))
        return NO_REPLY

    def _delay(self) -> float:
        """Return how long a job's event logs may wait to be written: longer when many jobs start, most of them short."""
        recent, now = self._recent, self.ctx.loop_time()
        recent.append(now)
        return BUSY if len(recent) == BUSY_JOBS and now - recent[0] < BUSY_SECONDS else QUICK

    def _start_shells(
        self, job: Job, userid: int, jobspec: dict[str, Any], resources: dict[str, Any]
    ) -> None:
        body = {
            "id": job.id,
            "userid": userid,
            "leader": job.state.leader,
            "jobspec": jobspec,
            "R": resources,
        }
        payload = dumps(body) + b"\0"
        for rank in job.state.ranks:
            message = new_request("shell-host.start", payload, nodeid=rank, flags=STREAMING)
            self.ctx.handle.start_stream(message, partial(self._shell_said, job, rank))

    # What shells say

    def _shell_said(self, job: Job, rank: int, msg: Message) -> None:
        if self._stopping:
            return
        if msg.errnum:
            if msg.errnum != errno.ENODATA or rank in job.state.running:
                self._shell_lost(job, rank, msg.text() or os.strerror(msg.errnum), signal.SIGKILL)
            return
        message = msg.json()
        kind = message["t"]
        if kind == "ev":
            self._events(job, rank, message)
        elif kind == "exit":
            if message.get("lost"):
                self._shell_lost(job, rank, "", int(message["status"]))
            else:
                self._shell_exited(job, rank, int(message["status"]))
        elif kind == "barrier":
            data = job.state.enter(rank, message["name"], message["data"])
            if data is not None:
                self._tell(
                    job, job.state.ranks, {"t": "barrier", "name": message["name"], "data": data}
                )
        elif kind == "relay":
            self._tell(job, job.state.targets(message["to"]), {"t": "relay", "msg": message["msg"]})
        elif kind == "exception":
            self._raise(job, message)

    def _events(self, job: Job, rank: int, message: dict[str, Any]) -> None:
        ack = message.get("ack")
        for key in ("exec", "output", "input"):
            if key in message:
                job.guest.append(key, message[key])
        if ack:
            job.guest.append(
                "output", "", lambda: self._tell(job, [rank], {"t": "ack", "bytes": ack})
            )

    def _tell(self, job: Job, ranks: list[int], message: dict[str, Any]) -> None:
        for rank in ranks:
            self.ctx.handle.send("shell-host.tell", {"id": job.id, "msg": message}, nodeid=rank)

    def _raise(self, job: Job, message: dict[str, Any]) -> None:
        payload = {key: message[key] for key in ("type", "severity", "note")}

        def done(msg: Message) -> None:
            if msg.errnum:
                self.ctx.log.err(f"job {job.id}: raise: {msg.text() or os.strerror(msg.errnum)}")

        self.ctx.handle.post("job-manager.raise", {"id": job.id, **payload}, done)

    def _shell_lost(self, job: Job, rank: int, text: str, status: int) -> None:
        """A shell went away without saying how it ended."""
        if rank not in job.state.running:
            return
        if not job.state.killed:
            index = job.state.ranks.index(rank)
            note = f"shell rank {index} (on rank {rank}) was lost" + (f": {text}" if text else "")
            job.respond("exception", {"type": "exec", "severity": 0, "note": note})
            self._kill(job, signal.SIGTERM)
        self._shell_exited(job, rank, status)
        if rank != job.state.leader and job.state.leader in job.state.running:
            self._tell(job, [job.state.leader], {"t": "relay", "msg": {"kind": "left"}})

    def _shell_exited(self, job: Job, rank: int, status: int) -> None:
        if job.state.exited(rank, status):
            self._end(job)
        elif rank == job.state.leader and not job.state.killed:
            self._kill(job, signal.SIGTERM)

    # The end of a job

    def _end(self, job: Job) -> None:
        state = job.state
        if state.finished:
            return
        state.finished = True
        self._cancel_timers(job)
        now = self.ctx.now()
        job.event("complete", {"status": state.status}, now)
        job.event("done", now=now)
        job.finished(lambda: self._released(job))

    def _released(self, job: Job) -> None:
        self.jobs.pop(job.id, None)
        job.respond("release", {"ranks": "all", "final": True})

    def _cancel_timers(self, job: Job) -> None:
        for timer in job.timers:
            timer.cancel()
        job.timers.clear()

    # Killing

    @event("job-exception")
    def on_exception(self, msg: Message) -> None:
        """A fatal exception of a running job: end its tasks."""
        payload = msg.json() or {}
        job = self.jobs.get(payload.get("id", -1))
        if job is not None and payload.get("severity") == 0:
            self._kill(job, signal.SIGTERM)

    @request("abort")
    def abort(self, req: Request) -> None:
        """End the tasks of a job {id} at once, when its exception cannot be stored and so not be published."""
        job = self.jobs.get(req.get("id", int))
        if job is not None:
            self._kill(job, signal.SIGTERM)

    def _expired(self, job: Job) -> None:
        job.respond(
            "exception", {"type": "timeout", "severity": 0, "note": "resource allocation expired"}
        )
        self._kill(job, signal.SIGALRM)

    def _kill(self, job: Job, number: int) -> None:
        """End a job with `number`, then with SIGKILL after the kill timeout, then without its shells' help."""
        if job.state.killed or job.state.finished:
            return
        job.state.killed = number
        if job.simulation is not None:
            job.state.status = number
            self._end(job)
            return
        self._tell(job, list(job.state.running), {"t": "kill", "signum": number, "final": True})
        job.timers.append(self.ctx.call_later(self.kill_timeout, self._kill_hard, job))

    def _kill_hard(self, job: Job) -> None:
        self._tell(
            job,
            list(job.state.running),
            {"t": "kill", "signum": int(signal.SIGKILL), "final": True},
        )
        job.timers.append(self.ctx.call_later(1.0, self._kill_shells, job))

    def _kill_shells(self, job: Job) -> None:
        for rank in job.state.running:
            self.ctx.handle.send("shell-host.kill", {"id": job.id}, nodeid=rank)

    # Simulated jobs

    def _simulate(self, job: Job, simulation: Simulation) -> None:
        if simulation.mock_exception in ("init", "starting"):
            self._fail(job, simulation.mock_exception)
            return
        job.event("starting", now=self.ctx.now())
        if not simulation.override:
            self._simulated_start(job, simulation)

    def _simulated_start(self, job: Job, simulation: Simulation) -> None:
        job.started(self.ctx.now())
        if simulation.mock_exception == "run":
            self._fail(job, "run")
            return
        if simulation.override and not simulation.run_duration:
            return
        job.timers.append(
            self.ctx.call_later(simulation.run_duration, self._simulated_end, job, None)
        )

    def _fail(self, job: Job, phase: str) -> None:
        note = f"mock {phase} exception generated"
        job.respond("exception", {"type": "exec", "severity": 0, "note": note})
        job.state.status = 1 << 8
        self._end(job)

    def _simulated_end(self, job: Job, status: int | None) -> None:
        assert job.simulation is not None
        job.state.status = job.simulation.wait_status if status is None else status
        self._end(job)

    @request("override")
    def override(self, req: Request) -> None:
        """Move a simulated job on: {jobid, event: "start" | "finish", status?}."""
        job = self.jobs.get(req.get("jobid", int))
        if job is None or job.simulation is None or not job.simulation.override:
            raise OSError(errno.ENOENT, "no such simulated job with override")
        name = req.get("event", str)
        if name == "start":
            self._simulated_start(job, job.simulation)
        elif name == "finish":
            self._simulated_end(job, req.get("status", int, 0))
        else:
            raise OSError(errno.EPROTO, f"unknown event {name}")
