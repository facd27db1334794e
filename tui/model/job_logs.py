"""The lines of one job's eventlogs and output, in order, across lost connections.

After a connection was lost the eventlogs are read again from their start. They only ever grow, so
what was taken before is skipped by its number, and everything that was read stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from flux.job.follow import EXEC, OUTPUT, Entries, Failed
from tui.model import format as fmt
from tui.model.logs import Gap, Line, OutputLog, event_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flux.job.event import EventLogEvent
    from flux.job.follow import Item


class Fresh(NamedTuple):
    """New lines: of the output, of the events, and whether those have to be put in order anew."""

    output: list[Line]
    events: list[Line]
    reordered: bool


class JobLines:
    """Turns what is told of a job into lines."""

    def __init__(self) -> None:
        self.received = False
        self._output = OutputLog()
        self._events: list[tuple[float, Line]] = []
        self._taken: dict[str, int] = {}
        self._skip: dict[str, int] = {}
        self._t0 = 0.0

    @property
    def events(self) -> list[Line]:
        """All lines of events, by time."""
        return [line for _, line in self._events]

    def take(self, items: Iterable[Item | Gap]) -> Fresh:
        """Take in what was told since the last time."""
        fresh = Fresh([], [], False)
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
            self._events.sort(key=lambda pair: pair[0])
        return fresh._replace(reordered=reordered)

    def finish(self) -> list[Line]:
        """Return what is left of the output when all of it has been read."""
        return self._output.flush()

    def _gap(self, gap: Gap, fresh: Fresh) -> bool:
        """Note that the connection was lost, and skip what is known when it comes again."""
        self._skip = dict(self._taken)
        fresh.output.append(gap.line())
        return self._add_event(gap.since, gap.line(), fresh)

    def _entries(self, item: Entries, fresh: Fresh) -> bool:
        known = self._skip.get(item.path, 0)
        entries = item.entries[known:]
        self._skip[item.path] = max(0, known - len(item.entries))
        self._taken[item.path] = self._taken.get(item.path, 0) + len(entries)
        self.received = True
        if item.path == OUTPUT:
            for entry in entries:
                fresh.output.extend(self._output.feed(entry))
            return False
        added = [self._add_event(*self._event(item.path, entry), fresh) for entry in entries]
        return any(added)

    def _event(self, path: str, entry: EventLogEvent) -> tuple[float, Line]:
        """Return when an event came, and its line."""
        stamp = float(entry.get("timestamp", 0.0))
        self._t0 = self._t0 or stamp
        kind = "exec" if path == EXEC else "event"
        name = str(entry.get("name", ""))
        named = {**entry, "name": f"exec.{name}" if kind == "exec" else name}
        return stamp, event_line(named, self._t0, kind)

    def _add_event(self, stamp: float, line: Line, fresh: Fresh) -> bool:
        """Add an event; tells whether it belongs before one that is there: the two eventlogs arrive
        one after the other.
        """
        late = bool(self._events) and stamp < self._events[-1][0]
        self._events.append((stamp, line))
        fresh.events.append(line)
        return late
