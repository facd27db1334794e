"""The feed of a recording: plays it into a dashboard at any speed, from any moment.

Its clock is the recording's. What was asked while it was recorded is answered as it was then; what
was not asked is not known, and nothing can be changed.
"""

from __future__ import annotations

import asyncio
import errno
import time
from typing import TYPE_CHECKING, Final, NoReturn

from flux.job.event import EventLogEvent
from flux.job.follow import EXEC, MAIN, OUTPUT, Entries, Failed
from flux.wire import json
from flux.wire.message import NODEID_ANY
from tui.feed.base import ANSWER_SECONDS, Playback
from tui.feed.recorded_lines import RecordedLines
from tui.feed.recording import LOOKUP
from tui.model.event_ring import EventRing
from tui.model.notes import NoteKind
from tui.model.recorded import RecordingIndex, question
from tui.model.tape import play
from tui.model.unexpected import UNEXPECTED

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Sequence

    from flux.wire.json import JsonMapping, JsonObject
    from tui.feed.base import JobItem
    from tui.model.dashboard import Dashboard
    from tui.model.instances import InstanceLook

SPEEDS: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
TURN: Final = 0.05
"""Seconds between two steps of the play."""
READING: Final = 0.03
"""Seconds that the index is built in one go."""
BLOCK: Final = 1 << 21
"""Bytes looked through for a job's events in one go."""


class ReplayFeed(Playback):
    """Plays the recording in the file ``path``, or what the descriptor ``pipe`` gives. Raises
    OSError if it cannot be read, or is none. ``timer`` tells how long the play takes.
    """

    def __init__(
        self,
        path: str,
        pipe: int | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timer = timer
        self.lines = RecordedLines(path, pipe)
        length = self.lines.length()
        # What still grows may go on for half a day.
        self.index = RecordingIndex(86_400 if length is None else length + 43_200)
        self.position = 0.0
        self.speed = 1.0
        self.paused = False
        self.reading = True
        """Whether the index is still being built."""
        self.turned_back = 0
        self._line = 1
        self._wanted: float | None = None
        self._read()
        self.position = self.index.started

    def clock(self) -> float:
        """Return the time of the recording."""
        return self.position

    @property
    def started(self) -> float:
        """When it begins."""
        return self.index.started

    @property
    def end(self) -> float:
        """When it ends, as far as it has been read."""
        return self.index.end

    @property
    def failures(self) -> Sequence[float]:
        """When jobs failed."""
        return self.index.failures

    @property
    def at_end(self) -> bool:
        """Whether all there is has been played."""
        return self.position >= self.index.end

    @property
    def remark(self) -> str:
        """What there is to say of the recording: that it is read, damaged, cut off."""
        if self.reading and self.lines.progress is not None:
            return f"reading {self.lines.progress * 100:.0f}%"
        words = []
        bad = self.index.unreadable
        if bad:
            words.append(f"{bad:,} damaged line{'' if bad == 1 else 's'} left out")
        if self.lines.broken:
            words.append(self.lines.broken)
        elif self.at_end and not self.index.ended:
            words.append("cut off here" if self.lines.cut else "not ended: may still grow")
        elif self.at_end:
            words.append("end")
        return ", ".join(words)

    # what the keys do

    def seek(self, moment: float) -> None:
        """Go to a moment of the recording, the nearest if it does not have it."""
        self._wanted = min(self.index.end, max(self.index.started, moment))

    def skip(self, seconds: float) -> None:
        """Go so many seconds on, or back."""
        self.seek((self.position if self._wanted is None else self._wanted) + seconds)

    def faster(self, step: int) -> None:
        """Play at the next higher or lower of `SPEEDS`."""
        place = SPEEDS.index(self.speed) + step
        self.speed = SPEEDS[min(len(SPEEDS) - 1, max(0, place))]

    def next_failure(self, step: int) -> bool:
        """Go to just after the next job failed, or the one before; tells whether there is one."""
        found = self.index.failure_after(self.position, step)
        if found is not None:
            self.seek(found)
        return found is not None

    # playing

    async def run(self, dashboard: Dashboard) -> None:
        """Play, until cancelled."""
        dashboard.read_only = True
        dashboard.chronicle = None
        dashboard.trends = self.index.trends
        last = self._timer()
        while True:
            busy = self._read()
            now = self._timer()
            self._advance(dashboard, now - last)
            last = now
            await asyncio.sleep(0 if busy else TURN)

    def _read(self) -> bool:
        """Build some of the index; tells whether there may be more to read at once."""
        until = time.monotonic() + READING
        while time.monotonic() < until:
            found = self.lines.more()
            if not found:
                self.reading = False
                return False
            for offset, line in found:
                self.index.take(offset, line)
        return True

    def _advance(self, dashboard: Dashboard, elapsed: float) -> None:
        if not len(self.index):
            return
        if not self.position:
            self.position = self.index.started
        if self._wanted is not None:
            moment, self._wanted = self._wanted, None
            self._go(dashboard, moment)
        elif not self.paused and not self.at_end:
            self._play_to(dashboard, min(self.index.end, self.position + elapsed * self.speed))

    def _go(self, dashboard: Dashboard, moment: float) -> None:
        line = self.index.line_at(moment)
        state = self.index.state_before(line)
        if line < self._line or state.line > self._line:
            if moment < self.position:
                self._forget_the_future(dashboard)
            self.position = state.time
            state.state().restore(dashboard)
            self._line = state.line
        self._play_to(dashboard, moment)

    def _forget_the_future(self, dashboard: Dashboard) -> None:
        self.turned_back += 1
        # Whoever lists them goes on from the number that was reached.
        events = EventRing()
        events.total = dashboard.recent.total
        dashboard.recent = events

    def _play_to(self, dashboard: Dashboard, moment: float) -> None:
        line = self.index.line_at(moment)
        for number, note in self._notes(self._line, line):
            self.position = self.index.times[number]
            try:
                play(dashboard, note)
            except ValueError:
                continue  # the index has counted it
        self._line = max(self._line, line)
        if int(moment) != int(self.position):
            dashboard.revision += 1
        self.position = moment

    def _notes(self, first: int, last: int) -> Iterator[tuple[int, JsonObject]]:
        """Give the notes of some lines with their numbers."""
        for number, line in enumerate(self._text(first, last), first):
            if number >= last:
                return
            try:
                note = json.loads(line)
            except ValueError:
                continue
            if isinstance(note, dict) and isinstance(note.get("k"), str):
                yield number, note

    def _text(self, first: int, last: int) -> Sequence[bytes]:
        if first >= last:
            return ()
        offsets = self.index.offsets
        end = offsets[last] if last < len(offsets) else self.lines.whole
        return self.lines.read(offsets[first], end).split(b"\n")

    # what was read beside the jobs

    async def job_entries(self, jobid: int) -> AsyncGenerator[JobItem]:
        """Give a job's own events, which all are in the recording, and what was read of its output
        while somebody looked at it.
        """
        given: dict[str, int] = {}
        failed: set[str] = set()
        turned, reached, over = self.turned_back, 0, False
        while turned == self.turned_back:
            line = self._line
            first = max(reached, self.index.jobs.get(jobid, line))
            events = await self._events_of(jobid, first, line)
            reached = line
            over = over or any(event.name == "clean" for event in events)
            if events:
                yield Entries(MAIN, events)
            recorded = self._opened(jobid, line)
            for path, entries in recorded.items():
                fresh = entries[given.get(path, 0) :]
                given[path] = max(given.get(path, 0), len(entries))
                # Those that were told as they happened are there without anyone looking.
                if fresh and (path != MAIN or jobid not in self.index.jobs):
                    yield Entries(path, fresh)
            for path in {EXEC, OUTPUT} - recorded.keys() - failed:
                failed.add(path)
                yield Failed(path, OSError(errno.ENODATA, "not recorded: nobody looked at it"))
            if over and line > max(self.index.opened.get(jobid, (0,))):
                return
            while self._line == line and turned == self.turned_back:
                await asyncio.sleep(2 * TURN)
        raise OSError(errno.ESTALE, "the recording was wound back")

    async def _events_of(self, jobid: int, first: int, last: int) -> list[EventLogEvent]:
        """Return the events of a job in some lines, found without reading the others."""
        found: list[EventLogEvent] = []
        needle = b'"id":%d,' % jobid
        offsets = self.index.offsets
        while first < last:
            after = self.index.line_of(offsets[first] + BLOCK)
            after = min(last, max(first + 1, after))
            for line in self._text(first, after):
                if needle in line:
                    found += _events(line, jobid)
            first = after
            await asyncio.sleep(0)
        return found

    def _opened(self, jobid: int, last: int) -> dict[str, list[EventLogEvent]]:
        """Return what was read of a job's eventlogs before a line: the longest of each, where they
        were read several times.
        """
        best: dict[str, list[EventLogEvent]] = {}
        now: dict[str, list[EventLogEvent]] = {}
        for number in self.index.opened.get(jobid, ()):
            if number >= last:
                break
            for _, note in self._notes(number, number + 1):
                if note["k"] == NoteKind.OPEN:
                    now = {}
                elif isinstance(note.get("entries"), list):
                    log = now.setdefault(str(note["path"]), [])
                    log += map(EventLogEvent, note["entries"])
                    if len(log) >= len(best.get(str(note["path"]), ())):
                        best[str(note["path"])] = log
        return best

    async def log(self) -> AsyncGenerator[list[str]]:
        """Give the broker's log as far as it was read."""
        async for note in self._follow(lambda: self.index.logs):
            yield [str(line) for line in note["lines"]]

    async def lookup(self, jobid: int) -> JsonObject:
        """Return what was looked up of a job."""
        return await self.ask(LOOKUP, {"id": jobid})

    async def cancel(self, jobid: int) -> None:
        """Refuse."""
        _refuse()

    async def kill(self, jobid: int, signum: int) -> None:
        """Refuse."""
        _refuse()

    async def ask(
        self,
        topic: str,
        payload: JsonMapping | None = None,
        rank: int = NODEID_ANY,
        timeout: float = ANSWER_SECONDS,
    ) -> JsonObject:
        """Return the last answer to the same question."""
        lines = self.index.answers.get(question(topic, payload or {}, rank), [])
        asked = [number for number in lines if number < self._line]
        for _, note in self._notes(asked[-1], asked[-1] + 1) if asked else ():
            if "answer" in note:
                answer: JsonObject = note["answer"]
                return answer
            raise OSError(note.get("errno") or errno.EIO, str(note.get("error")))
        raise OSError(errno.ENODATA, f"not recorded: nobody had asked {topic} by then")

    async def listen(
        self,
        topic: str,
        payload: JsonMapping | None = None,
        rank: int = NODEID_ANY,
        cancel: str | None = "",
    ) -> AsyncGenerator[JsonObject]:
        """Give what was answered to the same request."""
        asked = question(topic, payload or {}, rank)
        async for note in self._follow(lambda: self.index.streamed.get(asked, [])):
            yield note["answer"]

    async def events(self, prefix: str) -> AsyncGenerator[tuple[str, JsonObject]]:
        """Give the event messages that were followed."""
        async for note in self._follow(lambda: self.index.events):
            if str(note["topic"]).startswith(prefix):
                yield note["topic"], note["payload"]

    async def look(self, uri: str = "") -> InstanceLook:
        """Refuse: nobody looked into other instances."""
        raise OSError(errno.ENODATA, "not recorded: other instances")

    async def _follow(self, lines: Callable[[], list[int]]) -> AsyncGenerator[JsonObject]:
        """Give the notes of lines that have been played, and as they are played."""
        place, turned = 0, self.turned_back
        while turned == self.turned_back:
            found = lines()
            if place < len(found) and found[place] < self._line:
                for _, note in self._notes(found[place], found[place] + 1):
                    yield note
                place += 1
            else:
                await asyncio.sleep(2 * TURN)
        raise OSError(errno.ESTALE, "the recording was wound back")

    async def close(self) -> None:
        """Close the file."""
        self.lines.close()


def _events(line: bytes, jobid: int) -> list[EventLogEvent]:
    """Return the entries of a job's eventlog that a line tells of."""
    try:
        note = json.loads(line)
        told = [one["entry"] for one in note["events"] if one["id"] == jobid]
        return [EventLogEvent(entry) for entry in told if isinstance(entry, dict)]
    except UNEXPECTED:
        return []


def _refuse() -> NoReturn:
    raise OSError(errno.EROFS, "a recording cannot be changed")
