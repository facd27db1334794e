"""A shell process that jobs share, for those that bring no code of their own into it.

Each job has its own `Shell`, tasks, process groups and event logs. What they share is a process,
its loop and its socket to the broker, on which every line begins with the id of the job it is about
and goes on as in `broker.shell.protocol`. A job ends as if it were alone: what a callback for it
raises is thrown into its own course. If the process dies, its jobs end with it and no others.
"""

from __future__ import annotations

import gc
import os
import signal
import traceback
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from broker.shell import protocol
from broker.shell.context import ShellContext
from broker.shell.directories import SpareDirectories
from broker.shell.job_loop import JobLoop
from broker.shell.jobinfo import parse_job
from broker.shell.linesocket import LineSocket
from broker.shell.loop import Loop, SignalPipe
from broker.shell.shared_protocol import NO_JOB, joined, split
from broker.shell.shared_remains import SharedRemains
from broker.shell.shell import Shell
from broker.shell.startup import load
from broker.subprocess.descendants import become_subreaper, end_descendants
from flux.waitstatus import status_of_code

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from broker.shell.protocol import FromShell, ToShell
    from flux.wire.json import JsonObject

_SIGNALS: Final = (signal.SIGCHLD,)
END_PATIENCE: Final = 1.0
"""Seconds that everything gets to disappear when the broker is gone."""


class JobPeer:
    """The broker, as one job speaks to it."""

    def __init__(self, jobid: int, lines: LineSocket) -> None:
        self._jobid = jobid
        self._lines = lines

    def post(self, message: FromShell) -> None:
        """Send a message; it leaves before the loop waits."""
        self._lines.queue(joined(self._jobid, protocol.encode(message)))


class SharedJob:
    """A job in a shared shell: how far its course has come, and what it waits for."""

    def __init__(self, jobid: int, shell: Shell, loop: JobLoop) -> None:
        self.id = jobid
        self.shell = shell
        self.loop = loop
        self._course: Generator[Callable[[], bool], None, int] = shell.course(load)
        self._condition: Callable[[], bool] = lambda: True
        self._ready = True

    def _look(self) -> None:
        self._ready = False
        self._ready = self._condition()

    def go_on(self) -> int | None:
        """Take the course as far as it goes; returns the exit code at its end, with the last
        entries of its event logs still to be sent.
        """
        try:
            self._step_as_far_as_it_goes()
        except StopIteration as end:
            return int(end.value)
        except Exception:
            self._flush()
            raise
        self._flush()
        return None

    def _step_as_far_as_it_goes(self) -> None:
        while True:
            self.loop.attempt(self._look)
            if (error := self.loop.take_error()) is not None:
                self._condition = self._course.throw(error)
            elif self._ready:
                self._condition = next(self._course)
            else:
                return

    def _flush(self) -> None:
        for callback in self.loop.before_wait:
            callback()


class SharedShell:
    """Runs jobs beside each other until the broker is gone; ``fd`` is the socket to it."""

    def __init__(self, fd: int) -> None:
        self._loop = Loop()
        self._lines = LineSocket(fd)
        self._jobs: dict[int, SharedJob] = {}
        self._touched: dict[int, None] = {}
        self._new: dict[int, list[ToShell]] = {}
        self._remains = SharedRemains()
        self._directories = SpareDirectories()
        self._directory = ""
        self._cpus = os.sched_getaffinity(0)

    def serve(self) -> None:
        """Run jobs; does not return."""
        gc.enable()  # the host does without: its other children end with their job
        become_subreaper()
        SignalPipe(self._loop, _SIGNALS, lambda _: self._children_ended())
        self._lines.on_line = self._said
        self._lines.on_close = self._lost
        self._lines.attach(self._loop)
        while True:
            self._advance()
            self._lines.write()
            self._loop.turn()

    def _lost(self) -> None:
        """The broker is gone: nothing may stay behind."""
        end_descendants(patience=END_PATIENCE)
        self._directories.close()
        os._exit(0)

    # What the broker says

    def _said(self, line: bytes) -> None:
        jobid, rest = split(line)
        if jobid == NO_JOB:
            self._lines.queue(joined(NO_JOB, b""))
            return
        try:
            message = protocol.decode_to_shell(rest)
        except OSError as error:
            self._refuse(jobid, str(error.strerror))
            return
        if isinstance(message, protocol.RunJob):
            self._new[jobid] = [message]
            self._peer(jobid).post(protocol.Hello(os.getpid()))
        elif jobid in self._new:
            self._new[jobid].append(message)
        elif (job := self._jobs.get(jobid)) is not None:
            job.loop.guard(partial(job.shell.context.peers.receive, message))

    def _peer(self, jobid: int) -> JobPeer:
        return JobPeer(jobid, self._lines)

    # The jobs' courses

    def _advance(self) -> None:
        """Take up new jobs, and take each job that something happened to as far as it goes."""
        new, self._new = self._new, {}
        if new:
            self._lines.write()  # the hellos: what has begun is not given to another shell
        for first, *others in new.values():
            if isinstance(first, protocol.RunJob):
                try:
                    self._begin(first.head, first.job, others)
                except Exception as error:  # its own fault: the others go on
                    text = error.strerror if isinstance(error, OSError) else repr(error)
                    self._refuse(first.job["id"], str(text))
        while self._touched:
            touched, self._touched = self._touched, {}
            for jobid in touched:
                if (job := self._jobs.get(jobid)) is not None:
                    self._go_on(job)

    def _begin(self, head: JsonObject, job: JsonObject, others: list[ToShell]) -> None:
        """Take up a job; ``others`` has come for it meanwhile."""
        jobid: int = job["id"]
        info = parse_job(jobid, job["userid"], job["jobspec"], job["R"])
        loop = JobLoop(self._loop, lambda: self._touch(jobid))
        rank = next(one.rank for one in info.ranks if one.broker_rank == head["broker_rank"])
        context = ShellContext(
            info,
            rank,
            self._peer(jobid),
            environ=head["env"],
            rundir=head["rundir"],
            instance_level=head["instance_level"],
            loop=loop,
        )
        context.directories = self._directories
        shell = Shell(context, self._remains.begin(jobid, loop))
        begun = self._jobs[jobid] = SharedJob(jobid, shell, loop)
        self._go_on(begun)
        for message in others:
            loop.guard(partial(context.peers.receive, message))

    def _refuse(self, jobid: int, note: str) -> None:
        """End a job that cannot be taken up, or that something incomprehensible was said about."""
        peer = self._peer(jobid)
        peer.post(protocol.RaiseException("exec", 0, note))
        if jobid not in self._jobs:
            peer.post(protocol.Exit(status_of_code(1)))

    def _touch(self, jobid: int) -> None:
        self._touched[jobid] = None

    def _go_on(self, job: SharedJob) -> None:
        self._enter(job)
        try:
            code = job.go_on()
        except Exception:
            traceback.print_exc()
            code = 1
        self._directory = job.shell.context.directory
        if os.sched_getaffinity(0) != self._cpus:  # bound for a task that could not be started
            os.sched_setaffinity(0, self._cpus)
        for pid in job.shell.pids:
            self._remains.tasks[pid] = job.id
        if code is not None:
            texts = job.shell.context.peers.take_entries()
            self._peer(job.id).post(protocol.Exit(status_of_code(code), False, False, **texts))
            self._remains.end(job.id)
            job.loop.close()
            del self._jobs[job.id]

    def _enter(self, job: SharedJob) -> None:
        """Be in the job's directory, which may be gone, while it goes on."""
        wanted = job.shell.context.directory
        if wanted != self._directory:
            with suppress(OSError):
                os.chdir(wanted or "/")
                self._directory = wanted

    # Children

    def _children_ended(self) -> None:
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                jobid = self._remains.tasks.pop(pid, None)
                job = None if jobid is None else self._jobs.get(jobid)
                if job is None:
                    self._remains.stray_ended()
                else:
                    job.loop.guard(partial(job.shell.child_ended, pid, status))


def run_shared(fd: int) -> int:
    """Run jobs that come on the socket ``fd`` until it is closed; does not return."""
    SharedShell(fd).serve()
    return 0
