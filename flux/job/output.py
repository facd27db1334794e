"""What the tasks of a job write: read when the job is over, or watched while it runs (RFC 24).

Output comes as events in the order in which it was stored: whole lines as a rule, of one task and
one stream each. Everything here yields it as it comes and keeps none of it, apart from
`job_output`, which returns all of a job's at once. What is redirected to files is not seen.

Text is UTF-8; other bytes become U+FFFD, unless ``raw`` asks for the bytes themselves.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, overload

from flux.constants import FLUX_JOB_EVENT_WATCH_WAITCREATE
from flux.idset import IDset
from flux.job import io
from flux.job.event import EventLogEvent, JobEventWatchFuture, events_of
from flux.job.follow import OUTPUT
from flux.job.JobID import JobID
from flux.wire.text import Text, as_integer, as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flux.core.handle import Flux

STDOUT: Final = "stdout"
STDERR: Final = "stderr"
LOG: Final = "log"
"""The stream of messages of the job shell that are not shown on stderr."""
LONGEST_LINE: Final = 1 << 20
"""Bytes after which a line that does not end is handed on as it is."""
_TRACE: Final = 7


class OutputEvent(EventLogEvent):
    """One event of a job's output: its ``name`` is ``header``, ``data``, ``log`` or ``redirect``.

    Of a ``data`` event ``stream`` is ``stdout`` or ``stderr``, ``rank`` the task ranks that wrote
    it as an idset, ``raw`` the bytes and ``data`` the same as text, and ``eof`` tells the end of
    the stream. Other events have none of these: they are empty.
    """

    @property
    def stream(self) -> str:
        """Name of the stream."""
        return self._chunk.stream

    @property
    def rank(self) -> str:
        """Ranks of the tasks, such as ``0`` or ``0-3``."""
        return self._chunk.rank

    @property
    def raw(self) -> bytes:
        """What was written."""
        return self._chunk.data

    @property
    def data(self) -> str:
        """What was written, as text."""
        return self._chunk.data.decode("utf-8", "replace")

    @property
    def eof(self) -> bool:
        """Whether nothing more comes of the stream."""
        return self._chunk.eof

    @property
    def _chunk(self) -> io.IoChunk:
        return io.decode(self.context) if self.name == "data" else _NO_CHUNK

    def of(self, tasks: IDset | None) -> OutputEvent | None:
        """Return what of it ``tasks`` wrote, None if that is nothing; None stands for all tasks."""
        if tasks is None or self.name != "data":
            return self
        ranks = tasks if self.rank == "all" else tasks.intersect(self.rank)
        if not ranks:
            return None
        return OutputEvent({**self, "context": {**self.context, "rank": ranks.encode()}})

    def pieces(self, labelio: bool, log_stderr_level: int) -> Iterator[tuple[str, bytes]]:
        """Yield streams and bytes as a terminal shows them; none for a header."""
        if self.name == "data":
            data = io.shown(self._chunk, labelio)
            if data:
                yield self.stream, data
        elif self.name == "log":
            level = self.context.get("level", _TRACE)
            shown = isinstance(level, int) and level <= log_stderr_level
            text = io.log_text(self.context).encode("utf-8", "surrogateescape")
            yield (STDERR if shown else LOG), text + b"\n"


_NO_CHUNK: Final = io.IoChunk("", "", b"", False)


class JobOutput(NamedTuple):
    """All that a job's tasks wrote, and the messages of its shell that do not count as stderr."""

    stdout: str
    stderr: str
    log: str


class OutputEventWatchFuture(JobEventWatchFuture):
    """A watch of a job's output; `get_event` returns one event after the other.

    With ``nowait`` FileNotFoundError is raised at once if there is no output yet.
    """

    def __init__(self, flux_handle: Flux, jobid: JobID | int | Text, nowait: bool = False) -> None:
        self.jobid = JobID(jobid)
        if nowait:
            _check_there(flux_handle, self.jobid)
        flags = 0 if nowait else FLUX_JOB_EVENT_WATCH_WAITCREATE
        super().__init__(flux_handle, self.jobid, OUTPUT, flags)

    def get_event(self, autoreset: bool = True) -> OutputEvent | None:
        """Return the next event, waiting for it, or None after the last one.

        Raises FileNotFoundError if there is no such job, PermissionError for somebody else's.
        """
        try:
            event = super().get_event(autoreset)
        except FileNotFoundError:
            raise _not_there(self.jobid) from None
        return None if event is None else OutputEvent(event)


class OutputWatchFuture(OutputEventWatchFuture):
    """A watch of a job's output as a terminal shows it."""

    def __init__(
        self,
        flux_handle: Flux,
        jobid: JobID | int | Text,
        labelio: bool = False,
        log_stderr_level: int = _TRACE,
        nowait: bool = False,
    ) -> None:
        self._labelio = labelio
        self._level = as_integer(log_stderr_level, "log_stderr_level")
        super().__init__(flux_handle, jobid, nowait)

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
    flux_handle: Flux, jobid: JobID | int | Text, nowait: bool = False
) -> OutputEventWatchFuture:
    """Watch a job's output; returns a future to call ``get_event`` of, from its ``then`` callback
    for instance.

    Unless ``nowait`` is set the output may yet have to begin.
    """
    return OutputEventWatchFuture(flux_handle, jobid, nowait)


def output_event_watch(
    flux_handle: Flux, jobid: JobID | int | Text, nowait: bool = False
) -> Iterator[OutputEvent]:
    """Yield the events of a job's output as they come, until it ends.

    The watch is cancelled when the iteration is left early. Raises FileNotFoundError if there is no
    such job, or, with ``nowait``, no output yet, and PermissionError for somebody else's job.
    """
    # Wrong arguments are told now, not when the first event is asked for.
    number = JobID(jobid)
    return events_of(lambda: OutputEventWatchFuture(flux_handle, number, nowait))


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
    log_stderr_level: int = _TRACE,
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
    log_stderr_level: int = _TRACE,
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
    events = output_event_watch(flux_handle, jobid, nowait)
    pieces = _pieces(events, wanted, labelio, level)
    return pieces if raw else ((stream, _text(data)) for stream, data in pieces)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _tasks(tasks: Text) -> IDset | None:
    text = as_text(tasks, "tasks")
    if text in ("*", "all"):
        return None
    try:
        return IDset(text)
    except ValueError:
        raise ValueError(f"tasks must be an idset of task ranks, not {text!r}") from None


def _pieces(
    events: Iterable[OutputEvent], tasks: IDset | None, labelio: bool, level: int
) -> Iterator[tuple[str, bytes]]:
    for event in events:
        mine = event.of(tasks)
        if mine is not None:
            yield from mine.pieces(labelio, level)


def output_watch_lines(
    flux_handle: Flux,
    jobid: JobID | int | Text,
    labelio: bool = False,
    log_stderr_level: int = _TRACE,
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
    events = output_event_watch(flux_handle, jobid, nowait)
    return _lines(events, wanted, labelio, level, keepends)


def _lines(
    events: Iterable[OutputEvent], tasks: IDset | None, labelio: bool, level: int, keepends: bool
) -> Iterator[tuple[str, str]]:
    begun: dict[tuple[str, str], bytes] = {}

    def shown(stream: str, rank: str, line: bytes) -> tuple[str, str]:
        line = line if keepends else line.removesuffix(b"\n")
        return stream, _text(io.labelled(rank, line) if labelio and rank else line)

    for every in events:
        event = every.of(tasks)
        if event is None or event.name != "data":
            for stream, data in every.pieces(labelio, level) if event is not None else ():
                yield shown(stream, "", data)
            continue
        for rank in map(str, IDset(event.rank)) if event.rank != "all" else ("all",):
            key = event.stream, rank
            *lines, rest = (begun.pop(key, b"") + event.raw).split(b"\n")
            for line in lines:
                yield shown(event.stream, rank, line + b"\n")
            if rest and (event.eof or len(rest) >= LONGEST_LINE):
                yield shown(event.stream, rank, rest)
            elif rest:
                begun[key] = rest
    for (stream, rank), line in begun.items():
        yield shown(stream, rank, line)


def job_output(
    flux_handle: Flux,
    jobid: JobID | int | Text,
    tasks: Text = "*",
    labelio: bool = False,
    nowait: bool = False,
    log_stderr_level: int = _TRACE,
) -> JobOutput:
    """Wait for the end of a job's output and return all of it: ``stdout``, ``stderr`` and ``log``.

    ``tasks`` and the other arguments, and the errors, are those of `output_watch`.
    """
    found: dict[str, list[bytes]] = {STDOUT: [], STDERR: [], LOG: []}
    for stream, data in output_watch(
        flux_handle, jobid, labelio, log_stderr_level, nowait, tasks=tasks, raw=True
    ):
        found.setdefault(stream, []).append(data)
    return JobOutput(*(_text(b"".join(found[stream])) for stream in (STDOUT, STDERR, LOG)))
