"""Watching jobs together: their output and events on two streams, and a bar for how far they are
(``--watch`` and ``--progress`` of flux-submit(1)).
"""

from __future__ import annotations

import sys
from typing import IO, TYPE_CHECKING, Final

from flux.job import follow
from flux.job.follow_blocking import EventlogWatcher
from flux.job.info import JobInfo
from flux.job.job_progress import JobProgressBar, JobStatus
from flux.job.JobID import JobID
from flux.wire.text import as_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.core.handle import Flux
    from flux.job.event import EventLogEvent
    from flux.wire.text import Text

__all__ = ["JobProgressBar", "JobStatus", "JobWatcher"]

LAST: Final = "clean"
PREFIXES: Final = {follow.EXEC: "exec."}


class JobWatcher:
    """Watches jobs while the reactor of the handle runs, until each has come to its event ``wait``,
    or to its end.

    Output goes to ``stdout`` and ``stderr`` if ``watch`` is set, with the job's id and the task
    rank before each line if ``labelio`` is, or to ``output_callback(jobid, stream, text)``, which
    is called with None twice when there is no more. ``log_events`` writes every event to
    ``stderr``, ``log_status`` those jobs that fail. ``progress`` shows a bar if ``stdout`` is a
    terminal, with jobs per second if ``jps`` is set; it counts time from ``starttime``, seconds
    since the epoch. ``exitcode`` is the largest of the jobs so far.
    """

    def __init__(
        self,
        flux_handle: Flux,
        jobs: list[JobInfo] | None = None,
        progress: bool = False,
        jps: bool = False,
        wait: str = LAST,
        watch: bool = True,
        log_events: bool = False,
        log_status: bool = False,
        stdout: IO[str] | None = None,
        stderr: IO[str] | None = None,
        labelio: bool = False,
        starttime: float | None = None,
        output_callback: Callable[[JobID, str | None, str | None], object] | None = None,
    ) -> None:
        self.flux_handle = flux_handle
        self.wait = as_text(wait, "the name of an event")
        self.watch = watch
        self.log_events = log_events
        self.log_status = log_status
        self.stdout = sys.stdout if stdout is None else stdout
        self.stderr = sys.stderr if stderr is None else stderr
        self.labelio = labelio
        self.output_callback = output_callback
        self.exitcode = 0
        self.progress = JobProgressBar(flux_handle, starttime, jps)
        self.show_progress = progress and self.stdout.isatty()
        self.t0 = starttime
        self.add_jobs(*(jobs or ()))

    def add_jobs(
        self,
        *jobs: JobInfo,
        stdout: IO[str] | None = None,
        stderr: IO[str] | None = None,
        wait: str | None = None,
    ) -> None:
        """Watch jobs, too; their streams are those of the watcher unless others are given, stderr
        that of stdout then, and ``wait`` its event. Jobs that are over have their output shown.
        """
        for job in jobs:
            if not isinstance(job, JobInfo):
                raise TypeError("add_jobs takes jobs as a JobList returns them; see add_jobid")
            self._add(JobStatus(job), stdout, stderr, wait)

    def add_jobid(
        self,
        jobid: JobID | int | Text,
        stdout: IO[str] | None = None,
        stderr: IO[str] | None = None,
        wait: str | None = None,
    ) -> None:
        """Watch the job of an id, too; see `add_jobs`."""
        self._add(JobStatus(JobInfo({"id": int(JobID(jobid))})), stdout, stderr, wait)

    def start(self) -> JobWatcher:
        """Show the bar, if there is to be one, and return self."""
        if self.show_progress:
            self.progress.start()
        return self

    def stop(self) -> JobWatcher:
        """Take the bar away, and return self."""
        if self.show_progress:
            self.progress.stop()
        return self

    def _add(
        self, status: JobStatus, stdout: IO[str] | None, stderr: IO[str] | None, wait: str | None
    ) -> None:
        self.progress.add_status(status)
        out = self.stdout if stdout is None else stdout
        err = (self.stderr if stdout is None else out) if stderr is None else stderr
        _WatchedJob(self, status, out, err, self.wait if wait is None else wait).begin()


class _WatchedJob:
    """One of the jobs, and where its news go."""

    def __init__(
        self, watcher: JobWatcher, status: JobStatus, out: IO[str], err: IO[str], wait: str
    ) -> None:
        self._watcher = watcher
        self._status = status
        self._out, self._err = out, err
        self._wait = wait
        self._begun: float | None = watcher.t0
        self._silent = False
        announced = follow.ANNOUNCED if watcher.watch or watcher.log_events else {}
        self._logs = EventlogWatcher(
            watcher.flux_handle, status.id, follow.JobFollower(announced), self._take
        )

    def begin(self) -> None:
        """Follow the job's eventlogs."""
        self._logs.start()

    def _take(self, item: follow.Item) -> None:
        match item:
            case follow.Entries(follow.OUTPUT, entries):
                for event in entries if self._watcher.watch else ():
                    self._output(event)
            case follow.Entries(path, entries):
                for event in entries:
                    self._event(path, event)
            case follow.Failed(follow.MAIN, error):
                raise error
            case follow.Failed(path, error):
                self._err.write(f"{self._status.id}: {path}: {error.strerror}\n")
            case follow.Ended():
                self._ended()

    def _event(self, path: str, event: EventLogEvent) -> None:
        watcher, status = self._watcher, self._status
        if watcher.t0 is None:
            watcher.t0 = event.timestamp
        if watcher.log_events:
            name = f"{PREFIXES.get(path, '')}{event.name}"
            passed = event.timestamp - watcher.t0
            self._err.write(f"{status.id}: {passed:.3f}s: {name} {event.context_string}".rstrip())
            self._err.write("\n")
        if path != follow.MAIN:
            return
        if event.name == "exception":
            severity, note = event.context.get("severity"), event.context.get("note", "")
            kind = event.context.get("type", "")
            self._err.write(f"{status.id}: exception: type={kind} severity={severity} {note}\n")
        watcher.progress.process_event(status.id, event)
        watcher.exitcode = max(watcher.exitcode, status.exitcode)
        over = event.name == "finish" or (event.name == LAST and not status.has_event("finish"))
        if watcher.log_status and over and status.status == "failed":
            self._err.write(f"{status.id}: failed: exit code {status.exitcode}\n")
        if event.name == self._wait != LAST and not watcher.watch:
            self._logs.stop()

    def _output(self, event: EventLogEvent) -> None:
        from flux.job.output_events import LOG_TRACE, STDERR, io_event

        label = self._watcher.labelio
        for stream, data in io_event(event).pieces(label, LOG_TRACE):
            if label:
                lines = data.splitlines(keepends=True)
                data = b"".join(f"{self._status.id}: ".encode() + line for line in lines)
            text = data.decode("utf-8", "replace")
            if self._watcher.output_callback is not None:
                self._watcher.output_callback(self._status.id, stream, text)
            else:
                (self._err if stream == STDERR else self._out).write(text)

    def _ended(self) -> None:
        for file in (self._out, self._err):
            file.flush()
        if self._watcher.output_callback is not None and self._watcher.watch:
            self._watcher.output_callback(self._status.id, None, None)
