"""Text that grows: a job's eventlog and output, and the broker's log; each line with the kind that
colours it.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from flux.job import io
from flux.job.why import ending
from flux.logline import parse
from flux.time_text import time_text
from tui.model import format as fmt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flux.wire.json import JsonMapping


class Line(NamedTuple):
    """One line: what it is (``stdout``, ``stderr``, ``event``, ``exec``, ``notice`` or a severity),
    a short label, the text, and when it was written in seconds since the epoch, 0 if not known.
    """

    kind: str
    label: str
    text: str
    time: float = 0.0


class Gap(NamedTuple):
    """A time without a connection, in seconds since the epoch."""

    since: float
    until: float

    def line(self) -> Line:
        """Return the line that stands where it was."""
        since, until = (time_text(moment, "%H:%M:%S") for moment in (self.since, self.until))
        return Line("notice", "", f"--- connection lost {since} to {until} ---", self.since)


def event_line(entry: JsonMapping, kind: str = "event", *, raw: bool = False) -> Line:
    """Return an eventlog entry as a line: its name, and its context as ``key=value``; the entry
    itself as JSON if ``raw``.
    """
    name = str(entry.get("name", "?"))
    kind = "exception" if name == "exception" else kind
    stamp = _stamp(entry)
    if raw:
        return Line(kind, "", fmt.printable(fmt.compact_json(dict(entry))), stamp)
    words = " ".join(_words(entry.get("context") or {}))
    shown = f"exec.{name}" if kind == "exec" else name
    return Line(kind, "", fmt.printable(f"{shown:<16} {words}".rstrip()), stamp)


_RESOURCES: Final = "sched.resource_summary"
"""What is told of an allocation by its value alone."""


def _words(context: JsonMapping, prefix: str = "", depth: int = 4) -> Iterator[str]:
    """Return the members of a context: ``key=value``, with dots between the keys of objects."""
    for key, value in context.items():
        name = f"{prefix}{key}" if prefix != "annotations." else str(key)
        if isinstance(value, dict) and value and depth:
            yield from _words(value, f"{name}.", depth - 1)
        elif name == _RESOURCES and isinstance(value, str) and value:
            yield value
        else:
            yield f"{name}={_value(name, value)}"


def _value(key: str, value: object) -> str:
    if key == "status" and isinstance(value, int):
        return f"{value} ({ending(value)})" if value else "0"
    if isinstance(value, str):
        return value if value and " " not in value else f'"{value}"'
    return fmt.compact_json(value)


class OutputLog:
    """Turns the entries of a job's output eventlog (RFC 24) into lines, holding back a line until
    it is complete.

    Every task's streams are kept apart; with more than one task the label is the task's rank.
    """

    def __init__(self) -> None:
        self._partial: dict[tuple[str, str], str] = {}
        self._last = 0.0
        self.many = False

    def feed(self, entry: JsonMapping) -> list[Line]:
        """Return the lines ``entry`` completes."""
        name, context = entry.get("name"), entry.get("context") or {}
        stamp = _stamp(entry)
        if name == "header":
            counts = context.get("count")
            if isinstance(counts, dict):
                self.many = max([1, *(c for c in counts.values() if isinstance(c, int))]) > 1
            return []
        if name == "data":
            return self._data(context, stamp)
        if name == "redirect":
            where = f"{context.get('stream', '')} goes to file {context.get('path', '')}"
            return [Line("notice", "", fmt.printable(where), stamp)]
        if name == "log":
            return [Line("stderr", "shell", fmt.printable(io.log_text(context)), stamp)]
        return []

    def _data(self, context: JsonMapping, stamp: float) -> list[Line]:
        try:
            chunk = io.decode(context)
        except OSError as error:
            return [Line("notice", "", fmt.printable(str(error.strerror)), stamp)]
        stream, rank = chunk.stream, chunk.rank
        text = self._partial.pop((stream, rank), "") + chunk.data.decode("utf-8", "replace")
        lines = text.split("\n")
        rest = lines.pop()
        if rest and chunk.eof:
            lines.append(rest)
        elif rest:
            self._partial[stream, rank] = rest
        label = fmt.printable(self._label(stream, rank))
        self._last = stamp
        return [Line(stream, label, fmt.output_line(_visible(line)), stamp) for line in lines]

    def _label(self, stream: str, rank: str) -> str:
        """Return what stands before a line: the rank if there are several, ``err`` for stderr, told
        apart without colour too.
        """
        words = [rank] if self.many else []
        return " ".join([*words, "err"] if stream == "stderr" else words)

    def flush(self) -> list[Line]:
        """Return the unfinished lines, when the job has ended without a newline."""
        rest, self._partial = self._partial, {}
        return [
            Line(
                stream,
                fmt.printable(self._label(stream, rank)),
                fmt.output_line(_visible(text)),
                self._last,
            )
            for (stream, rank), text in rest.items()
        ]


def _stamp(entry: JsonMapping) -> float:
    stamp = entry.get("timestamp")
    return float(stamp) if isinstance(stamp, int | float) else 0.0


def _visible(line: str) -> str:
    """Return what a terminal would show of a line that carriage returns overwrite, as progress bars
    do.
    """
    return line.rstrip("\r").rpartition("\r")[2]


class LogRecord(NamedTuple):
    """One entry of the broker's log."""

    time: float
    severity: int
    app: str
    rank: str
    text: str


def parse_log(text: str) -> LogRecord | None:
    """Read one line as ``log.dmesg`` sends it, None if it is not one."""
    entry = parse(text)
    if entry is None:
        return None
    try:
        when = datetime.fromisoformat(entry.timestamp).timestamp()
    except ValueError:
        when = 0.0
    return LogRecord(
        when,
        entry.severity,
        fmt.printable(entry.name),
        str(entry.rank),
        fmt.printable(entry.text),
    )
