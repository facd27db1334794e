"""The events of a job's output (RFC 24)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from flux.idset import IDset
from flux.job import io
from flux.job.event import EventLogEvent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flux.idset import IDsetLike

STDOUT: Final = "stdout"
STDERR: Final = "stderr"
LOG: Final = "log"
"""The stream of messages of the job shell that are not shown on stderr."""

LOG_QUIET: Final = -1
LOG_FATAL: Final = 0
LOG_ERROR: Final = 3
LOG_WARN: Final = 4
LOG_NOTICE: Final = 5
LOG_DEBUG: Final = 6
LOG_TRACE: Final = 7
"""Levels of the messages of the job shell; up to which one they count as stderr is a choice."""


class Taskset(str):
    """Some tasks by their ranks, an idset, or ``all``; ``ids`` is the set, None for all."""

    __slots__ = ()

    def __new__(cls, tasks: object) -> Taskset:
        """Raises ValueError for what is neither an idset nor ``all``."""
        text = tasks.encode() if isinstance(tasks, IDset) else str(tasks)
        text = "all" if text in ("*", "all") else text
        if text != "all":
            IDset(text)
        return super().__new__(cls, text)

    @property
    def all(self) -> bool:
        """Whether these are all tasks."""
        return self == "all"

    @property
    def ids(self) -> IDset | None:
        """The ranks, None for all."""
        return None if self.all else IDset(str(self))

    def __bool__(self) -> bool:
        """Whether there is a task."""
        return self != ""

    def intersect(self, tasks: Taskset | IDsetLike) -> Taskset:
        """Return those that are also of other tasks."""
        other = tasks if isinstance(tasks, Taskset) else Taskset(IDset(tasks))
        mine, theirs = self.ids, other.ids
        if mine is None:
            return other
        return self if theirs is None else Taskset(mine.intersect(theirs))


class IoEvent(EventLogEvent):
    """One event of a job's output: its ``name`` is ``header``, ``data``, ``log``, ``redirect`` or
    ``exception``.

    Of a ``data`` event ``stream`` is ``stdout`` or ``stderr``, ``rank`` the task ranks that wrote
    it as an idset, ``raw`` the bytes and ``data`` the same as text, with the ranks before its lines
    if ``labelio`` is set; ``eof`` tells the end of the stream. Other events have none of these:
    they are empty.
    """

    def __init__(self, entry: Mapping[str, object] | str | bytes, labelio: bool = False) -> None:
        super().__init__(entry)
        self.labelio = labelio

    @property
    def dict(self) -> Mapping[str, object]:
        """The entry itself."""
        return self

    @property
    def stream(self) -> str:
        """Name of the stream."""
        return self._chunk.stream

    @property
    def rank(self) -> Taskset:
        """Ranks of the tasks, such as ``0`` or ``0-3``."""
        return Taskset(self._chunk.rank)

    @property
    def raw(self) -> bytes:
        """What was written."""
        return self._chunk.data

    @property
    def data(self) -> str:
        """What was written, as text."""
        data = io.shown(self._chunk, self.labelio) if self.labelio else self._chunk.data
        return data.decode("utf-8", "replace")

    @property
    def eof(self) -> bool:
        """Whether nothing more comes of the stream."""
        return self._chunk.eof

    @property
    def _chunk(self) -> io.IoChunk:
        return io.decode(self.context) if self.name == "data" else _NO_CHUNK

    def of(self, tasks: IDset | None) -> IoEvent | None:
        """Return what of it ``tasks`` wrote, None if that is nothing; None stands for all tasks."""
        if tasks is None or self.name not in ("data", "redirect"):
            return self
        ranks = tasks if self.rank == "all" else tasks.intersect(str(self.rank))
        if not ranks:
            return None
        entry = {**self, "context": {**self.context, "rank": ranks.encode()}}
        return type(self)(entry, self.labelio)

    def pieces(self, labelio: bool, log_stderr_level: int) -> Iterator[tuple[str, bytes]]:
        """Yield streams and bytes as a terminal shows them; none for a header."""
        if self.name == "data":
            data = io.shown(self._chunk, labelio)
            if data:
                yield self.stream, data
        elif self.name == "log":
            level = self.context.get("level", LOG_TRACE)
            shown = isinstance(level, int) and level <= log_stderr_level
            yield (STDERR if shown else LOG), self._line()
        elif self.name in ("exception", "redirect"):
            yield STDERR, self._line()

    def _line(self) -> bytes:
        """Return the event as a line of a terminal."""
        return self.render().encode("utf-8", "surrogateescape") + b"\n"

    def render(self) -> str:
        """Return the event as a terminal shows it, without the final newline of messages."""
        return self.data if self.name == "data" else ""


_NO_CHUNK: Final = io.IoChunk("", "", b"", False)


class OutputEvent(IoEvent):
    """What tasks wrote, see `IoEvent`."""


class LogEvent(IoEvent):
    """A message of the job shell."""

    @property
    def rank(self) -> Taskset:
        """The shell that says it, by its number in the job."""
        return Taskset(self.context.get("rank", "all"))

    @property
    def level(self) -> int:
        """How important it is, ``LOG_FATAL`` to ``LOG_TRACE``."""
        level = self.context.get("level", LOG_TRACE)
        return level if isinstance(level, int) else LOG_TRACE

    log_level_string: ClassVar = [
        io.LOG_PREFIX.get(level, "").removesuffix(": ") for level in range(LOG_TRACE + 1)
    ]
    """The levels as words."""

    @property
    def levelstr(self) -> str:
        """The level as a word."""
        return io.LOG_PREFIX.get(self.level, "").strip(" :")

    @property
    def message(self) -> str:
        """The text."""
        return str(self.context.get("message", ""))

    @property
    def component(self) -> str | None:
        """Which part of the shell says it, if it is told."""
        return self.context.get("component")

    @property
    def file(self) -> str | None:
        """The source file, if it is told."""
        return self.context.get("file")

    @property
    def line(self) -> int | None:
        """The line in the source file, if it is told."""
        return self.context.get("line")

    def render(self, include_file_and_line: bool = False) -> str:
        """Return the message as a terminal shows it, with its place in the source if asked for."""
        where = f"{self.file}:{self.line}: " if include_file_and_line and self.file else ""
        return f"flux-shell[{self.context.get('rank')}]: {where}{io.log_text(self.context)}"


class RedirectEvent(IoEvent):
    """Tells that a stream goes to the file ``path``."""

    @property
    def stream(self) -> str:
        """Name of the stream."""
        return str(self.context.get("stream", ""))

    @property
    def rank(self) -> Taskset:
        """Ranks of the tasks."""
        return Taskset(self.context.get("rank", "all"))

    @property
    def path(self) -> str:
        """The file."""
        return str(self.context.get("path", ""))

    def render(self) -> str:
        """Return the event as a terminal shows it."""
        return f"{self.rank}: {self.stream} redirected to {self.path}"


class OutputHeaderEvent(IoEvent):
    """The first event, which tells how many streams there are and in which encoding."""

    def _of(self, member: str, stream: str) -> object:
        table = self.context.get(member)
        return table.get(stream) if isinstance(table, dict) else None

    @property
    def version(self) -> int:
        """Version of the format."""
        return int(self.context.get("version", 1))

    @property
    def stdout_count(self) -> object:
        """How many tasks write to stdout."""
        return self._of("count", STDOUT)

    @property
    def stderr_count(self) -> object:
        """How many tasks write to stderr."""
        return self._of("count", STDERR)

    @property
    def stdout_encoding(self) -> object:
        """Encoding of stdout."""
        return self._of("encoding", STDOUT)

    @property
    def stderr_encoding(self) -> object:
        """Encoding of stderr."""
        return self._of("encoding", STDERR)


class JobExceptionEvent(IoEvent):
    """An exception of the job."""

    @property
    def severity(self) -> int:
        """0 if it is fatal."""
        return int(self.context.get("severity", 0))

    @property
    def exc_type(self) -> str:
        """Its kind, such as ``cancel``."""
        return str(self.context.get("type", ""))

    @property
    def note(self) -> str:
        """An explanation for people."""
        return str(self.context.get("note", ""))

    def render(self) -> str:
        """Return the exception as a terminal shows it."""
        text = f"job.exception: type={self.exc_type} severity={self.severity} {self.note}"
        return text.rstrip()


_KINDS: Final[Mapping[str, type[IoEvent]]] = {
    "data": OutputEvent,
    "exception": JobExceptionEvent,
    "header": OutputHeaderEvent,
    "log": LogEvent,
    "redirect": RedirectEvent,
}


def io_event(entry: Mapping[str, object] | str | bytes, labelio: bool = False) -> IoEvent:
    """Return an entry of the output's eventlog as the event that its name says; raises ValueError
    as `EventLogEvent` does.
    """
    event = IoEvent(entry, labelio)
    kind = _KINDS.get(event.name)
    return event if kind is None else kind(event, labelio)
