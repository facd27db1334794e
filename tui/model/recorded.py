"""What is where in a recording: its lines by time, how things stood every so often, when jobs
failed, and the lines that tell of one job or answer one question.

Read once from its beginning, line by line, also while it still grows. To show any moment it takes
one of the states kept and the lines after it, never all that went before.
"""

from __future__ import annotations

import errno
import pickle
import zlib
from array import array
from bisect import bisect_right
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from flux.wire import json
from tui.model.chronicle import Chronicle
from tui.model.dashboard import Dashboard
from tui.model.notes import NoteKind
from tui.model.states import Status
from tui.model.tape import check_header, play, size_of
from tui.model.trends import Trends
from tui.model.unexpected import UNEXPECTED

if TYPE_CHECKING:
    from flux.wire.json import JsonMapping, JsonObject
    from tui.model.estimate import RunTimes
    from tui.model.facts import Connection, InstanceInfo, StateCounts
    from tui.model.stats import Throughput, Utilisation
    from tui.model.table import JobTable

SPACING: Final = 16_000
"""Events from one kept state to the next: played again in a fraction of a tenth of a second."""
STATES: Final = 64
"""States kept; with more, every second one goes and the next are further apart."""
SILENT: Final = 30.0
"""Seconds without a line after which the recorder was not there: it writes the time every ten."""
_FAILED: Final = (Status.FAILED, Status.TIMEOUT)


class NotARecording(OSError):
    """What is read is no recording that can be played."""


@dataclass(slots=True)
class DashboardState:
    """All that is played into a dashboard, at one moment."""

    table: JobTable
    utilisation: Utilisation
    throughput: Throughput
    run_times: RunTimes
    instance: InstanceInfo
    link: Connection
    notices: tuple[str, ...]
    loading: StateCounts | None
    heard: float
    asked: float

    @classmethod
    def of(cls, dashboard: Dashboard) -> DashboardState:
        """Return how things stand in a dashboard: its own objects."""
        return cls(*(getattr(dashboard, field.name) for field in fields(cls)))

    def restore(self, dashboard: Dashboard) -> None:
        """Make a dashboard show this; what its user chose stays."""
        dashboard.reset(self.table)
        for field in fields(self):
            setattr(dashboard, field.name, getattr(self, field.name))
        self.table.changed = {0} if len(self.table) else set()
        dashboard.revision += 1


class KeptState:
    """How things stood before line ``line``, compressed."""

    def __init__(self, line: int, time: float, dashboard: Dashboard) -> None:
        self.line, self.time = line, time
        self._data = zlib.compress(pickle.dumps(DashboardState.of(dashboard), 5), 1)

    def state(self) -> DashboardState:
        """Return it as it was."""
        found: DashboardState = pickle.loads(zlib.decompress(self._data))
        return found


def question(topic: str, payload: JsonMapping, rank: int) -> bytes:
    """Return what tells one request from others."""
    return json.dumps([topic, sorted(payload.items()), rank])


class RecordingIndex:
    """The index. ``seconds`` is about how long the recording is."""

    def __init__(self, seconds: float = 86_400) -> None:
        self.times = array("d")
        self.offsets = array("Q")
        """Where each line begins, the header first."""
        self.started = self.now = 0.0
        self.unreadable = 0
        """Lines that are damaged, or that make no sense; they are left out."""
        self.ended = False
        """Whether the recording was ended in an orderly way."""
        self.failures = array("d")
        self.jobs: dict[int, int] = {}
        """The first line that tells of a job's events."""
        self.opened: dict[int, list[int]] = {}
        """The lines of the eventlogs that were read of a job."""
        self.answers: dict[bytes, list[int]] = {}
        self.streamed: dict[bytes, list[int]] = {}
        self.logs: list[int] = []
        self.events: list[int] = []
        self.states: list[KeptState] = []
        self._scout = Dashboard(lambda: self.now)
        self._scout.trends = self.trends = Trends(seconds)
        self._scout.chronicle = self._chronicle = Chronicle(self.trends)
        self._spacing = SPACING
        self._work = 0
        self._failed: set[int] = set()
        self._counted = 0
        """How many of the jobs that ended have been looked at."""

    def __len__(self) -> int:
        return len(self.times)

    @property
    def end(self) -> float:
        """The time of the last line."""
        return self.now

    def take(self, offset: int, line: bytes) -> None:
        """Take in the next line, which begins at ``offset`` of the file. Raises NotARecording if
        the first one does not say that it is one.
        """
        note = self._note(line)
        if not self.times:
            wrong = check_header(note or {})
            if wrong:
                raise NotARecording(errno.EINVAL, wrong)
            self.started = self.now = float((note or {})["t"])
            self._keep(1)
        elif note is None:
            self.unreadable += 1
        else:
            self._pass(float(note["t"]))
            self._play(len(self.times), note)
        self.times.append(self.now)
        self.offsets.append(offset)

    def _note(self, line: bytes) -> JsonObject | None:
        try:
            note = json.loads(line)
        except ValueError:
            return None
        sound = (
            isinstance(note, dict)
            and isinstance(note.get("t"), int | float)
            and isinstance(note.get("k"), str)
        )
        return note if sound else None

    def _pass(self, time: float) -> None:
        """Let the time pass until then, second by second."""
        scout = self._scout
        first = int(self.now) + 1
        if time > self.now:
            if time - self.now <= SILENT:
                for second in range(first, int(time) + 1):
                    self.now = float(second)
                    self._account()
            self.now = time
        if int(time) >= first or scout.table.finished:
            self._account()
        scout.table.changed.clear()

    def _account(self) -> None:
        self._scout.account(self.now)
        self._counted = 0
        self._chronicle.complete()

    def _count_failures(self) -> None:
        """Keep when jobs failed, of those that ended since the last time."""
        table = self._scout.table
        if self._counted > len(table.finished):  # jobs were purged
            self._counted = 0
        ended = table.finished[self._counted :]
        self._counted = len(table.finished)
        for row in ended:
            time, jobid = table.t_inactive[row], table.ids[row]
            # Jobs that are read anew after a lost connection have ended once.
            if table.status[row] in _FAILED and time >= self.started and jobid not in self._failed:
                self._failed.add(jobid)
                self.failures.append(self.now)  # when it was told, and can be seen

    def _play(self, line: int, note: JsonObject) -> None:
        try:
            play(self._scout, note)
            self._count_failures()
            self._find(line, note)
        except UNEXPECTED:
            self.unreadable += 1
            return
        self._work += size_of(note)
        if self._work >= self._spacing:
            self._keep(line + 1)

    def _keep(self, line: int) -> None:
        self._work = 0
        self.states.append(KeptState(line, self.now, self._scout))
        if len(self.states) > STATES:
            del self.states[1::2]
            self._spacing *= 2

    def _find(self, line: int, note: JsonMapping) -> None:
        """Write down what a line tells of."""
        kind = note["k"]
        if kind == NoteKind.EVENTS:
            for event in note["events"]:
                self.jobs.setdefault(event["id"], line)
        elif kind in (NoteKind.OPEN, NoteKind.ENTRIES):
            self.opened.setdefault(note["id"], []).append(line)
        elif kind in (NoteKind.ANSWER, NoteKind.STREAMED):
            lines = self.answers if kind == NoteKind.ANSWER else self.streamed
            asked = question(note["topic"], note["payload"], note["rank"])
            lines.setdefault(asked, []).append(line)
        elif kind == NoteKind.LOG:
            self.logs.append(line)
        elif kind == NoteKind.EVENT:
            self.events.append(line)
        self.ended = kind == NoteKind.END

    def line_at(self, time: float) -> int:
        """Return the first line that is later than ``time``."""
        return bisect_right(self.times, time)

    def line_of(self, offset: int) -> int:
        """Return the first line that begins after an offset of the file."""
        return bisect_right(self.offsets, offset)

    def state_before(self, line: int) -> KeptState:
        """Return the last state that is kept from before a line."""
        return self.states[bisect_right(self.states, line, key=lambda state: state.line) - 1]

    def failure_after(self, time: float, step: int) -> float | None:
        """Return when the next job failed, or, for -1, the one before; None if none did."""
        times = sorted(self.failures)
        place = bisect_right(times, time)
        if step > 0:
            return times[place] if place < len(times) else None
        earlier = [moment for moment in times[:place] if moment < time - 0.001]
        return earlier[-1] if earlier else None
