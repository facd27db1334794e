"""Attaching to a job: its output, events and exit code here, stdin and Ctrl+C there.

``flux mini run``, ``flux mini alloc`` and ``flux job attach`` use it. What to do is decided by
fluxctl.attach_view; here is the reading and writing, on the reactor of a blocking handle.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from flux.job import follow
from flux.job.follow_blocking import EventlogWatcher
from flux.job.JobID import JobID
from fluxctl import attach_view as view
from fluxctl.attach_signals import PROGRAM, Interrupts, SignalForwarder, say
from fluxctl.attach_stdin import StdinForwarder
from fluxctl.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flux.core.handle import Flux
    from flux.future import Future
    from flux.job.event import EventLogEvent
    from fluxctl.attach_pty import PtyClient
    from fluxctl.attach_status import StatusLine

_DETACHED = 1
"""Exit code of whoever leaves while the job goes on: it is not known how it ends."""

_OPENING = frozenset((view.WatchOutput, view.CountOutput))
"""Actions after which output comes."""

AttachOptions = view.AttachOptions


def attach(handle: Flux, jobid: int, options: AttachOptions | None = None, name: str = "") -> int:
    """Show a job until it ends and return its exit code, or 1 if the user detached.

    The reactor of ``handle`` is run for that time; ``options`` say what is shown, ``name`` how the
    id was typed. Raises CommandError if there is no such job, or it is somebody else's.
    """
    return Attachment(handle, jobid, options or AttachOptions(), name).run()


def _write(fd: int, data: bytes) -> None:
    stream = sys.stderr if fd == view.STDERR else sys.stdout
    stream.flush()
    buffer = getattr(stream, "buffer", None)
    if buffer is None:
        stream.write(data.decode("utf-8", "replace"))
    else:
        buffer.write(data)
    stream.flush()


class Attachment:
    """One attachment; see attach()."""

    def __init__(self, handle: Flux, jobid: int, options: AttachOptions, name: str = "") -> None:
        self._handle = handle
        self._jobid = JobID(jobid)
        self._name = name or self._jobid.orig
        self._status = self._status_of(options)
        self._view = view.AttachView(options, 0.0 if options.own else time.time(), self._status)
        # Nothing is opened by itself: the view decides, for a pseudo terminal takes the place of
        # the output.
        self._watcher = EventlogWatcher(handle, int(jobid), follow.JobFollower({}), self._take)
        self._forwarder: StdinForwarder | None = None
        self._pty: PtyClient | None = None
        self._error: CommandError | None = None
        self._detached = False
        self._over = False
        self._signals = SignalForwarder(handle, int(jobid))
        self._interrupts = Interrupts(handle, int(jobid), self._detach)
        self._read_only = options.read_only
        self._stdin_tasks = options.stdin_tasks

    def _status_of(self, options: AttachOptions) -> StatusLine | None:
        if options.status_after is None:
            return None
        from fluxctl.attach_status import StatusLine

        columns = 0
        with contextlib.suppress(OSError, ValueError):
            columns = os.get_terminal_size(view.STDERR).columns
        return StatusLine(str(self._jobid.f58), columns or 80, options.status_after)

    def _tick(self, *_args: object) -> None:
        self._perform(self._view.tick(time.time()))

    def run(self) -> int:
        """Attach, wait for the end and return the exit code."""
        self._watcher.start()
        clock = None
        if self._status is not None:
            from fluxctl.attach_status import PERIOD

            first = self._status.after or PERIOD
            clock = self._handle.timer_watcher_create(first, self._tick, PERIOD)
            clock.start()
        if not self._read_only:
            self._interrupts.start()
            self._signals.start()
        try:
            self._handle.reactor_run()
        finally:
            if clock is not None:
                clock.stop()
            self._interrupts.stop()
            self._signals.stop()
            if self._forwarder is not None:
                self._forwarder.stop()
            if self._pty is not None:
                self._pty.close()
        if self._error is not None:
            raise self._error
        if self._detached:
            return _DETACHED
        if self._view.verdict:
            say(self._view.verdict)
        return self._view.exit_code

    def _detach(self) -> None:
        self._detached = True
        self._handle.reactor_stop()

    def _no_such_job(self, error: OSError) -> None:
        if self._view.began:
            self._error = CommandError(
                f"{PROGRAM}: {self._jobid.f58}: {error.strerror}", 1, bare=True
            )
            return
        reason = "No such job" if error.errno == errno.ENOENT else error.strerror
        text = f"Failed to attach to {self._name}: {reason}"
        if error.errno == errno.EPERM:
            text = f"flux_job_event_watch_get: {reason}"
        self._error = CommandError(f"{PROGRAM}: {text}", 1, bare=True)

    def _take(self, item: follow.Item) -> None:
        match item:
            case follow.Entries(path, entries):
                for event in entries:
                    self._perform(self._view.event(path, event))
            case follow.Failed(path, error):
                if path == follow.MAIN:
                    self._no_such_job(error)
            case follow.LogEnded(path):
                self._perform(self._view.ended(path))
                forwarder = None if self._view.came_late else self._forwarder
                if path == follow.OUTPUT and forwarder is not None:
                    forwarder.stop()
                if path == follow.OUTPUT and self._over:
                    self._end()
            case follow.Ended():
                self._over = True
                self._perform(self._view.over())
                if not self._view.counting and (self._pty is None or self._pty.answered):
                    self._end()

    def _end(self) -> None:
        """All is seen. Input for a job that had ended before is refused, though its refusal may be
        on its way still.
        """
        if self._forwarder is None or not self._view.came_late:
            self._handle.reactor_stop()
        else:
            self._forwarder.settle(self._handle.reactor_stop)

    def _terminal_answered(self, attached: bool) -> None:
        state = self._view
        actions = state.terminal_attached() if attached else state.terminal_absent()
        self._perform(actions)
        if self._over and not {type(one) for one in actions} & _OPENING:
            self._end()

    def _count(self) -> None:
        from flux.job.kvslookup import job_info_lookup

        job_info_lookup(self._handle, self._jobid, [follow.OUTPUT]).then(self._counted)

    def _counted(self, future: Future) -> None:
        there: list[EventLogEvent] = []
        # A job that wrote nothing has no output; what else is wrong the watch will tell.
        with contextlib.suppress(OSError):
            there = follow.entries_of(future.get().get(follow.OUTPUT))
        self._perform(self._view.counted(there))

    def _input_refused(self, error: OSError) -> None:
        self._perform(self._view.input_refused(error))

    def _perform(self, actions: Iterable[view.Action]) -> None:
        for action in actions:
            match action:
                case view.Print(fd, data):
                    raw = self._pty is not None and self._pty.raw
                    _write(fd, data.replace(b"\n", b"\r\n") if raw else data)
                case view.WatchExec():
                    self._watcher.open(follow.EXEC)
                case view.WatchOutput():
                    self._watcher.open(follow.OUTPUT)
                case view.CountOutput():
                    self._count()
                case view.ForwardStdin(service, rank):
                    self._forwarder = StdinForwarder(
                        self._handle,
                        f"{service}.stdin",
                        rank,
                        self._input_refused,
                        self._stdin_tasks,
                    )
                    self._forwarder.start()
                case view.Continue():
                    self._signals.send(signal.SIGCONT)
                case view.Leave():
                    self._detach()
                case view.Refuse(text):
                    self._error = CommandError(f"{PROGRAM}: {text}", 1, bare=True)
                    self._handle.reactor_stop()
                case view.AttachPty(topic, rank):
                    from fluxctl.attach_pty import PtyClient

                    self._pty = PtyClient(self._handle, topic, rank, self._terminal_answered)
                    self._pty.start()
