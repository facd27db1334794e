"""What is told of one job: its eventlogs and its output as lines, in order, across lost
connections; its story; the last of its error output.

After a connection was lost the eventlogs are read again from their start. They only ever grow, so
what was taken before is skipped by its number, and everything that was read stays.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from flux.job.follow import EXEC, MAIN, OUTPUT, Entries, Failed
from tui.model import format as fmt
from tui.model.logs import Gap, Line, OutputLog, event_line
from tui.model.story import Story

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flux.job.event import EventLogEvent
    from flux.job.follow import Item

LAST_ERRORS: Final = 3
"""Lines of error output that tell why a job failed."""


class Fresh(NamedTuple):
    """New lines: of the output, of the events of both eventlogs, of the execution's alone, and
    whether events have to be put in order anew.
    """

    output: list[Line]
    events: list[Line]
    execution: list[Line]
    reordered: bool


class Told(NamedTuple):
    """An event: when, its entry (None for a gap), and its line if it has no entry."""

    at: float
    path: str
    entry: EventLogEvent | None
    line: Line | None = None


class JobLines:
    """Turns what is told of a job into lines."""

    def __init__(self) -> None:
        self.received = False
        self.raw = False
        self.story = Story()
        self.last_errors: deque[Line] = deque(maxlen=LAST_ERRORS)
        self.files: list[str] = []
        self._output = OutputLog()
        self._events: list[Told] = []
        self._taken: dict[str, int] = {}
        self._skip: dict[str, int] = {}

    @property
    def events(self) -> list[Line]:
        """All lines of events, by time."""
        return [self._line(told) for told in self._events]

    @property
    def execution(self) -> list[Line]:
        """The lines of the execution's own eventlog."""
        return [self._line(told) for told in self._events if told.path == EXEC]

    def take(self, items: Iterable[Item | Gap]) -> Fresh:
        """Take in what was told since the last time."""
        fresh = Fresh([], [], [], False)
        reordered = False
        for item in items:
            if isinstance(item, Gap):
                reordered |= self._gap(item, fresh)
            elif isinstance(item, Failed):
                where = "output" if item.path == OUTPUT else "log of the execution"
                text = f"the {where} cannot be read: {item.error.strerror or item.error}"
                fresh.output.append(Line("notice", "", fmt.printable(text)))
            elif isinstance(item, Entries):
                reordered |= self._entries(item, fresh)
        if reordered:
            self._events.sort(key=lambda told: told.at)
        return fresh._replace(reordered=reordered)

    def finish(self) -> list[Line]:
        """Return what is left of the output when all of it has been read."""
        rest = self._output.flush()
        self._keep_errors(rest)
        return rest

    def _gap(self, gap: Gap, fresh: Fresh) -> bool:
        """Note that the connection was lost, and skip what is known when it comes again."""
        self._skip = dict(self._taken)
        fresh.output.append(gap.line())
        return self._add_event(Told(gap.since, MAIN, None, gap.line()), fresh)

    def _entries(self, item: Entries, fresh: Fresh) -> bool:
        known = self._skip.get(item.path, 0)
        entries = item.entries[known:]
        self._skip[item.path] = max(0, known - len(item.entries))
        self._taken[item.path] = self._taken.get(item.path, 0) + len(entries)
        self.received = True
        if item.path == OUTPUT:
            for entry in entries:
                self._written(entry, fresh)
            return False
        if item.path == MAIN:
            self.story.take(entries)
        told = [Told(float(entry.get("timestamp", 0.0)), item.path, entry) for entry in entries]
        late = [self._add_event(one, fresh) for one in told]
        return any(late)

    def _written(self, entry: EventLogEvent, fresh: Fresh) -> None:
        """Take in an entry of the output."""
        if entry.get("name") == "redirect":
            self.files.append(fmt.printable(str(entry.context.get("path", ""))))
        lines = self._output.feed(entry)
        self._keep_errors(lines)
        fresh.output.extend(lines)

    def _keep_errors(self, lines: list[Line]) -> None:
        for line in lines:
            if line.kind == "stderr" and line.text.strip():
                same = next((one for one in self.last_errors if one.text == line.text), None)
                if same is not None:  # what is told again and again is told once here
                    self.last_errors.remove(same)
                self.last_errors.append(line)

    def _line(self, told: Told) -> Line:
        if told.entry is None:
            return told.line or Line("notice", "", "")
        return event_line(told.entry, "exec" if told.path == EXEC else "event", raw=self.raw)

    def _add_event(self, told: Told, fresh: Fresh) -> bool:
        """Add an event; tells whether it belongs before one that is there: the two eventlogs arrive
        one after the other.
        """
        late = bool(self._events) and told.at < self._events[-1].at
        self._events.append(told)
        line = self._line(told)
        fresh.events.append(line)
        if told.path == EXEC:
            fresh.execution.append(line)
        return late
