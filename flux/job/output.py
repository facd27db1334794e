"""What the tasks of a job write: read when the job is over, or watched while it runs (RFC 24).

Output comes as events in the order in which it was stored: whole lines as a rule, of one task and
one stream each. Everything here yields it as it comes and keeps none of it, apart from
`job_output`, which returns all of a job's at once. What is redirected to files is not seen.

Text is UTF-8; other bytes become U+FFFD, unless ``raw`` asks for the bytes themselves.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Literal, NamedTuple, overload

from flux.constants import FLUX_JOB_EVENT_WATCH_WAITCREATE
from flux.idset import IDset
from flux.job.event import JobEventWatchFuture, events_of
from flux.job.follow import OUTPUT
from flux.job.JobID import JobID
from flux.job.output_events import (
    LOG,
    LOG_DEBUG,
    LOG_ERROR,
    LOG_FATAL,
    LOG_NOTICE,
    LOG_QUIET,
    LOG_TRACE,
    LOG_WARN,
    STDERR,
    STDOUT,
    IoEvent,
    JobExceptionEvent,
    LogEvent,
    OutputEvent,
    OutputHeaderEvent,
    RedirectEvent,
    Taskset,
    io_event,
)
from flux.job.output_exceptions import raise_if_fatal, with_exceptions
from flux.job.output_lines import WholeLines, output_text
from flux.wire.text import Text, as_integer, as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flux.core.handle import Flux

__all__ = [
    "LOG",
    "LOG_DEBUG",
    "LOG_ERROR",
    "LOG_FATAL",
    "LOG_NOTICE",
    "LOG_QUIET",
    "LOG_TRACE",
    "LOG_WARN",
    "STDERR",
    "STDOUT",
    "IoEvent",
    "JobExceptionEvent",
    "JobOutput",
    "JobOutputEventWatch",
    "JobOutputWatch",
    "JobOutputWatchLines",
    "LogEvent",
    "OutputEvent",
    "OutputEventWatchFuture",
    "OutputHeaderEvent",
    "OutputLinesFuture",
    "OutputWatchFuture",
    "RedirectEvent",
    "Taskset",
    "job_output",
    "output_event_watch",
    "output_event_watch_async",
    "output_watch",
    "output_watch_async",
    "output_watch_lines",
    "output_watch_lines_async",
]


class JobOutput(NamedTuple):
    """All that a job's tasks wrote, and the messages of its shell that do not count as stderr."""

    stdout: str
    stderr: str
    log: str


class OutputEventWatchFuture(JobEventWatchFuture):
    """A watch of a job's output; `get_event` returns one event after the other.

    With ``nowait`` FileNotFoundError is raised at once if there is no output yet; with ``labelio``
    the text of an event has the task ranks before its lines.
    """

    def __init__(
        self,
        flux_handle: Flux,
        jobid: JobID | int | Text,
        labelio: bool = False,
        nowait: bool = False,
    ) -> None:
        self.jobid = JobID(jobid)
        self._labelio = labelio
        if nowait:
            _check_there(flux_handle, self.jobid)
        flags = 0 if nowait else FLUX_JOB_EVENT_WATCH_WAITCREATE
        super().__init__(flux_handle, self.jobid, OUTPUT, flags)

    def get_event(self, autoreset: bool = True) -> IoEvent | None:
        """Return the next event, waiting for it, or None after the last one.

        Raises FileNotFoundError if there is no such job, PermissionError for somebody else's.
        """
        try:
            event = super().get_event(autoreset)
        except FileNotFoundError:
            raise _not_there(self.jobid) from None
        return None if event is None else io_event(event, self._labelio)


class OutputWatchFuture(OutputEventWatchFuture):
    """A watch of a job's output as a terminal shows it."""

    def __init__(
        self,
        flux_handle: Flux,
        jobid: JobID | int | Text,
        labelio: bool = False,
        log_stderr_level: int = LOG_TRACE,
        nowait: bool = False,
    ) -> None:
        self._level = as_integer(log_stderr_level, "log_stderr_level")
        super().__init__(flux_handle, jobid, labelio, nowait)

    def get_pieces(self) -> list[tuple[str, bytes]] | None:
        """Return what the next event shows, (stream, bytes), which may be nothing, or None after
        the last one; errors are those of ``get_event``.
        """
        event = self.get_event()
        return None if event is None else list(event.pieces(self._labelio, self._level))

    def get_output(self) -> tuple[str, str] | tuple[None, None]:
        """Wait for output and return (stream, text), (None, None) after the last."""
        while (pieces := self.get_pieces()) is not None:
            for stream, data in pieces:
                return stream, data.decode("utf-8", "replace")
        return None, None


def output_event_watch_async(
    flux_handle: Flux, jobid: JobID | int | Text, labelio: bool = False, nowait: bool = False
) -> OutputEventWatchFuture:
    """Watch a job's output; returns a future to call ``get_event`` of, from its ``then`` callback
    for instance.

    Unless ``nowait`` is set the output may yet have to begin.
    """
    return OutputEventWatchFuture(flux_handle, jobid, labelio, nowait)


def output_event_watch(
    flux_handle: Flux, jobid: JobID | int | Text, labelio: bool = False, nowait: bool = False
) -> Iterator[IoEvent]:
    """Yield the events of a job's output as they come, until it ends.

    Exceptions of the job are among them, before the output as far as they came before it, else
    behind it. The watch is cancelled when the iteration is left early. Raises FileNotFoundError if
    there is no such job, or, with ``nowait``, no output yet, PermissionError for somebody else's
    job, and OSError(EIO) if it ended without having run.
    """
    # Wrong arguments are told now, not when the first event is asked for.
    number = JobID(jobid)
    return with_exceptions(
        flux_handle, number, _output_events(flux_handle, number, labelio, nowait)
    )


def _output_events(
    flux_handle: Flux, jobid: JobID, labelio: bool = False, nowait: bool = False
) -> Iterator[IoEvent]:
    """Yield the events of a job's output only."""
    return events_of(lambda: OutputEventWatchFuture(flux_handle, jobid, labelio, nowait))


def _check_there(flux_handle: Flux, jobid: JobID) -> None:
    """Raise FileNotFoundError unless there is output: a watch would wait for it."""
    payload = {"id": int(jobid), "keys": [OUTPUT], "flags": 0}
    try:
        flux_handle.rpc("job-info.lookup", payload).get()
    except FileNotFoundError:
        raise _not_there(jobid) from None


def _not_there(jobid: JobID) -> FileNotFoundError:
    text = f"job {jobid.f58} does not exist or output not ready"
    return FileNotFoundError(errno.ENOENT, text)


def output_watch_async(
    flux_handle: Flux,
    jobid: JobID | int | Text,
    labelio: bool = False,
    log_stderr_level: int = LOG_TRACE,
    nowait: bool = False,
) -> OutputWatchFuture:
    """Watch a job's output as a terminal shows it; returns a future to call ``get_output`` of.

    Arguments are those of `output_watch`.
    """
    return OutputWatchFuture(flux_handle, jobid, labelio, log_stderr_level, nowait)


@overload
def output_watch(
    flux_handle: Flux,
    jobid: JobID | int | Text,
    labelio: bool = ...,
    log_stderr_level: int = ...,
    nowait: bool = ...,
    *,
    tasks: Text = ...,
    raw: Literal[False] = ...,
) -> Iterator[tuple[str, str]]: ...
@overload
def output_watch(
    flux_handle: Flux,
    jobid: JobID | int | Text,
    labelio: bool = ...,
    log_stderr_level: int = ...,
    nowait: bool = ...,
    *,
    tasks: Text = ...,
    raw: Literal[True],
) -> Iterator[tuple[str, bytes]]: ...
def output_watch(
    flux_handle: Flux,
    jobid: JobID | int | Text,
    labelio: bool = False,
    log_stderr_level: int = LOG_TRACE,
    nowait: bool = False,
    *,
    tasks: Text = "*",
    raw: bool = False,
) -> Iterator[tuple[str, str]] | Iterator[tuple[str, bytes]]:
    """Yield (stream, text) of what a job writes, as it comes.

    ``labelio`` puts the task rank before each line. ``tasks`` is an idset of task ranks, ``*`` for
    all. Messages of the job shell count as ``stderr`` up to the level ``log_stderr_level``, others
    are of the stream ``log``. With ``raw`` it is bytes that come. ``nowait`` and errors are those
    of `output_event_watch`; ValueError for ``tasks`` that are no idset.
    """
    wanted = _tasks(tasks)
    level = as_integer(log_stderr_level, "log_stderr_level")
    events = output_event_watch(flux_handle, jobid, nowait=nowait)
    pieces = _pieces(events, wanted, labelio, level)
    return pieces if raw else ((stream, output_text(data)) for stream, data in pieces)


def _tasks(tasks: Text) -> IDset | None:
    text = as_text(tasks, "tasks")
    if text in ("*", "all"):
        return None
    try:
        return IDset(text)
    except ValueError:
        raise ValueError(f"tasks must be an idset of task ranks, not {text!r}") from None


def _pieces(
    events: Iterable[IoEvent], tasks: IDset | None, labelio: bool, level: int
) -> Iterator[tuple[str, bytes]]:
    for event in events:
        mine = event.of(tasks)
        if mine is not None:
            yield from mine.pieces(labelio, level)


def output_watch_lines(
    flux_handle: Flux,
    jobid: JobID | int | Text,
    labelio: bool = False,
    log_stderr_level: int = LOG_TRACE,
    nowait: bool = False,
    keepends: bool = False,
    *,
    tasks: Text = "*",
) -> Iterator[tuple[str, str]]:
    """Yield (stream, line) of what a job writes: whole lines, also of tasks that write pieces of
    them; with ``keepends`` the newline is part of it.

    Without an end a line is handed on after a mebibyte, or when its stream ends. Other arguments
    and errors are those of `output_watch`.
    """
    wanted = _tasks(tasks)
    level = as_integer(log_stderr_level, "log_stderr_level")
    events = output_event_watch(flux_handle, jobid, nowait=nowait)
    return _lines(events, wanted, labelio, level, keepends)


def _lines(
    events: Iterable[IoEvent], tasks: IDset | None, labelio: bool, level: int, keepends: bool
) -> Iterator[tuple[str, str]]:
    lines = WholeLines(labelio, level, keepends)
    for every in events:
        event = every.of(tasks)
        if event is not None:
            yield from lines.take(event)
    yield from lines.rest()


class OutputLinesFuture(OutputEventWatchFuture):
    """A watch of a job's output line by line."""

    def __init__(
        self,
        flux_handle: Flux,
        jobid: JobID | int | Text,
        labelio: bool = False,
        log_stderr_level: int = LOG_TRACE,
        nowait: bool = False,
        keepends: bool = False,
    ) -> None:
        level = as_integer(log_stderr_level, "log_stderr_level")
        self._buffer = WholeLines(labelio, level, keepends)
        self._lines: deque[tuple[str, str]] = deque()
        self._over = False
        super().__init__(flux_handle, jobid, labelio, nowait)

    def getline(self) -> tuple[str, str] | tuple[None, None]:
        """Wait for a line and return (stream, line), (None, None) after the last; errors are those
        of ``get_event``. A ``then`` callback is called for each event, which may have several
        lines, or none yet: `lines` returns what is there.
        """
        while not self._lines and not self._over:
            self._take()
        return self._lines.popleft() if self._lines else (None, None)

    def lines(self) -> list[tuple[str, str]]:
        """Return the lines of the event that is there, in a ``then`` callback for instance."""
        if not self._over:
            self._take()
        found = list(self._lines)
        self._lines.clear()
        return found

    def _take(self) -> None:
        event = self.get_event()
        self._over = event is None
        self._lines += self._buffer.rest() if event is None else self._buffer.take(event)


def output_watch_lines_async(
    flux_handle: Flux,
    jobid: JobID | int | Text,
    labelio: bool = False,
    log_stderr_level: int = LOG_TRACE,
    nowait: bool = False,
    keepends: bool = False,
) -> OutputLinesFuture:
    """Watch a job's output line by line; returns a future to call ``getline`` of.

    Arguments are those of `output_watch_lines`.
    """
    return OutputLinesFuture(flux_handle, jobid, labelio, log_stderr_level, nowait, keepends)


JobOutputEventWatch = OutputEventWatchFuture
JobOutputWatch = OutputWatchFuture
JobOutputWatchLines = OutputLinesFuture


def job_output(
    flux_handle: Flux,
    jobid: JobID | int | Text,
    tasks: Text = "*",
    labelio: bool = False,
    nowait: bool = False,
    log_stderr_level: int = LOG_TRACE,
) -> JobOutput:
    """Wait for the end of a job's output and return all of it: ``stdout``, ``stderr`` and ``log``.

    ``tasks`` and the other arguments, and the errors, are those of `output_watch`, but for a job
    that ended without having run: its exception is raised as `JobException`.
    """
    number, level = JobID(jobid), as_integer(log_stderr_level, "log_stderr_level")
    wanted, begun = _tasks(tasks), False
    found: dict[str, list[bytes]] = {STDOUT: [], STDERR: [], LOG: []}
    for event in _output_events(flux_handle, number, labelio, nowait):
        begun = True
        mine = event.of(wanted) if event.name in ("data", "log") else None
        for stream, data in mine.pieces(labelio, level) if mine is not None else ():
            found.setdefault(stream, []).append(data)
    if not begun:
        raise_if_fatal(flux_handle, number)
    return JobOutput(*(output_text(b"".join(found[stream])) for stream in (STDOUT, STDERR, LOG)))
