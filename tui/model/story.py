"""The life of one job: how long it was in which phase, what happened on the way, and what ended it.

It is told by the job's own eventlog (RFC 21). What the job table knows makes a coarser one, for the
time until the eventlog is read.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from flux.job.lifecycle import (
    CLEANUP,
    DEPEND,
    INACTIVE,
    NEW,
    PRIORITY,
    RUN,
    SCHED,
    TRANSITIONS,
    is_worse,
    observed_state,
)
from tui.model.format import printable
from tui.model.states import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from flux.wire.json import JsonMapping
    from tui.model.table import JobTable

MARKS_KEPT: Final = 200
"""Marks on a timeline; a job whose urgency changes all the time has more, and they all are in its
eventlog.
"""
_NAMES: Final = {
    DEPEND: ("depend", Status.DEPEND),
    PRIORITY: ("priority", Status.PRIORITY),
    SCHED: ("queued", Status.SCHED),
    RUN: ("run", Status.RUN),
    CLEANUP: ("cleanup", Status.CLEANUP),
}
_QUIET: Final = frozenset({"validate", "annotations", "memo", "release", "free", "set-flags"})
"""Events that neither move a job nor are worth a mark."""
_MOVES: Final = frozenset(TRANSITIONS) - {
    "urgency",
    "jobspec-update",
    "resource-update",
    "flux-restart",
}


class Phase(NamedTuple):
    """A part of a job's life in seconds since the epoch; ``end`` is None while it goes on."""

    name: str
    status: Status
    start: float
    end: float | None

    def seconds(self, now: float) -> float:
        """Return how long it took, so far."""
        return max(0.0, (now if self.end is None else self.end) - self.start)


class TimeMark(NamedTuple):
    """Something that happened on the way."""

    at: float
    kind: str
    text: str


class Raised(NamedTuple):
    """An exception: when, of which type and severity, the note, and by whom (-1 if not told)."""

    at: float
    kind: str
    severity: int
    note: str
    userid: int


class Story:
    """What the entries of a job's own eventlog, in order, tell of its life."""

    def __init__(self) -> None:
        self.state = NEW
        self.submitted = 0.0
        self.ended: float | None = None
        self.phases: list[Phase] = []
        self.marks: deque[TimeMark] = deque(maxlen=MARKS_KEPT)
        self.raised: Raised | None = None
        self.entries = 0

    def take(self, entries: Iterable[JsonMapping]) -> None:
        """Take in the next entries."""
        for entry in entries:
            self.entries += 1
            name, context = str(entry.get("name", "")), entry.get("context") or {}
            stamp = float(entry.get("timestamp", 0.0))
            self.submitted = self.submitted or stamp
            self._mark(name, context, stamp)
            self._move(observed_state(self.state, name, context), stamp)

    def _move(self, state: int, stamp: float) -> None:
        """Go on to another phase. One whose priority is decided again stays in the queue."""
        if state == self.state or (state == PRIORITY and self.state == SCHED):
            return
        if state == SCHED and self.phases and self.phases[-1].name == "queued":
            self.state = state
            return
        if self.phases and self.phases[-1].end is None:
            self.phases[-1] = self.phases[-1]._replace(end=stamp)
        self.state = state
        if state == INACTIVE:
            self.ended = stamp
        elif state in _NAMES:
            name, status = _NAMES[state]
            self.phases.append(Phase(name, status, stamp, None))

    def _mark(self, name: str, context: JsonMapping, stamp: float) -> None:
        if name == "exception":
            self._exception(context, stamp)
        elif name == "urgency":
            self.marks.append(TimeMark(stamp, name, f"urgency {context.get('urgency', '?')}"))
        elif name not in _MOVES and name not in _QUIET and not name.startswith("debug."):
            self.marks.append(TimeMark(stamp, "event", printable(name)))

    def _exception(self, context: JsonMapping, stamp: float) -> None:
        severity, userid = context.get("severity"), context.get("userid")
        raised = Raised(
            stamp,
            printable(str(context.get("type", ""))),
            severity if isinstance(severity, int) else 1,
            printable(str(context.get("note", ""))),
            userid if isinstance(userid, int) else -1,
        )
        self.marks.append(TimeMark(stamp, "exception", raised.kind))
        if is_worse(raised.severity, self.raised.severity if self.raised else None):
            self.raised = raised


def known_story(table: JobTable, row: int) -> Story:
    """Return what the job table knows of a job's life."""
    story = Story()
    submit, run = table.t_submit[row], table.t_run[row]
    cleanup, inactive = table.t_cleanup[row], table.t_inactive[row]
    story.submitted, story.ended = submit, inactive or None
    status = Status(table.status[row])
    waits = status if status in (Status.DEPEND, Status.PRIORITY) else Status.SCHED
    name = "queued" if waits == Status.SCHED else waits.name.lower()
    parts = [(name, waits, submit), ("run", Status.RUN, run), ("cleanup", Status.CLEANUP, cleanup)]
    reached = [part for part in parts if part[2]]
    for place, (name, status, start) in enumerate(reached):
        end = reached[place + 1][2] if place + 1 < len(reached) else inactive or None
        story.phases.append(Phase(name, status, start, end))
    return story


def spread_cells(seconds: Sequence[float], width: int) -> list[int]:
    """Return how many of ``width`` cells each phase has: at least one, the rest by time."""
    if not seconds:
        return []
    free = max(0, width - len(seconds))
    total = sum(seconds)
    if not total:
        return [1 + free, *[1] * (len(seconds) - 1)]
    shares = [second * free / total for second in seconds]
    cells = [int(share) for share in shares]
    by_rest = sorted(range(len(seconds)), key=lambda place: cells[place] - shares[place])
    for place in by_rest[: free - sum(cells)]:
        cells[place] += 1
    return [cell + 1 for cell in cells]


def cell_of(story: Story, cells: Sequence[int], at: float, now: float) -> int:
    """Return the cell of a time on a timeline whose phases have those cells."""
    first = 0
    for phase, width in zip(story.phases, cells, strict=True):
        end = now if phase.end is None else phase.end
        if at < end or phase is story.phases[-1]:
            share = (at - phase.start) / (end - phase.start) if end > phase.start else 0.0
            return first + min(width - 1, max(0, int(share * width)))
        first += width
    return max(0, first - 1)


def placed(wishes: Sequence[tuple[int, int]], width: int, gap: int = 2) -> list[int | None]:
    """Return where labels of those (cell, length) go so that none covers another: as near to its
    cell as it can; None for one that has no room.
    """
    places: list[int | None] = []
    free = 0
    for number, (cell, length) in enumerate(wishes):
        rest = sum(following + gap for _, following in wishes[number + 1 :])
        latest = width - length - rest
        place = max(free, min(cell, latest))
        if place + length > width:
            places.append(None)
            continue
        places.append(place)
        free = place + length + gap
    return places
