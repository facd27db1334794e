"""What happens, as it happens: the events of all jobs, and the event messages of a topic."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType

from tui.model import format as fmt
from tui.model.events import (
    BAD,
    GOOD,
    LISTED,
    MESSAGE,
    NOTICE,
    PLAIN,
    WARNING,
    Event,
    event_listing,
    job_event,
    job_test,
    message_event,
    notice,
    split_filter,
    when_noted,
)
from tui.model.intent import Intent, many
from tui.model.jobid import f58
from tui.model.query import QueryError
from tui.model.rates import Rates
from tui.model.refusals import NO_EVENTS
from tui.screens.listing import ListingScreen, Part
from tui.widgets import palette
from tui.widgets.listing import Painter, Piece

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.model.dashboard import Dashboard
    from tui.model.listing import Listing
    from tui.widgets.palette import Glyphs

COLOURS: Final = {
    BAD: palette.RED,
    WARNING: palette.AMBER,
    GOOD: palette.GREEN,
    PLAIN: palette.TEXT,
    MESSAGE: palette.ACCENT,
    NOTICE: palette.AMBER,
}
ALL: Final = "*"
"""What is typed for the messages of every topic."""


class EventPainter(Painter[Event]):
    """Events in the list."""

    def __init__(self, dashboard: Dashboard, glyphs: Glyphs) -> None:
        self.dashboard = dashboard
        self.glyphs = glyphs

    def pieces(self, row: Event, column: str, width: int) -> Sequence[Piece] | None:
        """Draw the id of the job in letters that the terminal has."""
        if column != "job" or not row.jobid:
            return None
        return [(f58(row.jobid, self.glyphs is palette.ASCII), palette.SOFT)]

    def colour(self, row: Event, column: str) -> str:
        """Return the colour of a cell's text."""
        if column == "event":
            return COLOURS[row.kind]
        if column == "detail":
            return COLOURS[row.kind] if row.kind in (BAD, WARNING, NOTICE) else palette.SOFT
        return palette.DIM if column == "time" else palette.SOFT


class EventsScreen(ListingScreen[Event]):
    """Events from the moment on that the dashboard follows the instance."""

    title_text = "Events"
    noun = "event"
    follows = True
    sortable = False

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "back", "Back", tooltip="Back", id="events.back"),
        Binding(
            "enter",
            "open",
            "Job",
            tooltip="Open the job of this line",
            key_display="\u23ce",
            id="events.open",
        ),
        Binding("p", "pause", "Pause", tooltip="Pause, or go on", id="events.pause"),
        Binding("f", "follow", "Follow", tooltip="Follow the end, or stay", id="events.follow"),
        Binding(
            "t",
            "topic",
            "Topic",
            tooltip="Event messages of a topic, beside the events of jobs",
            id="events.topic",
        ),
        Binding("c", "clear", "Empty the list", show=False, id="events.clear"),
        *ListingScreen.LIST_BINDINGS,
    ]

    def __init__(self) -> None:
        super().__init__()
        self.paused = False
        self.topic = ""
        """The beginning of topics whose messages are listed, empty for none."""
        self._seen = 0
        self._number = 0
        self._messages: deque[tuple[float, str, object]] = deque(maxlen=LISTED)
        self._rates = Rates()
        self._rate: float | None = None
        self._second = -1
        self._lost_at = 0.0

    @property
    def none(self) -> str:
        """What is said before anything has happened."""
        if self.dashboard.guest and not self.topic:
            return NO_EVENTS
        return "nothing has happened yet since the dashboard connected"

    def make_listing(self) -> Listing[Event]:
        """Return the empty list."""
        return event_listing()

    def make_painter(self) -> EventPainter:
        """Return what says how events look."""
        return EventPainter(self.dashboard, self.glyphs)

    def figures(self) -> Sequence[Part]:
        """Return how many there are and how fast they come."""
        number = fmt.count(self.listing.total)
        parts: list[Part] = [(f"{number} listed  ", palette.TEXT)]
        if self._rate is not None:
            parts.append((f"{fmt.rate(self._rate)}/s  ", palette.ACCENT))
        if self.topic:
            parts.append((f"and messages {fmt.printable(self.topic)}  ", palette.ACCENT))
        if self.paused:
            new = self.dashboard.recent.total - self._seen + len(self._messages)
            parts.append((f"paused: {fmt.count(new)} more  ", f"bold {palette.AMBER}"))
        elif not self.view.following:
            parts.append(("not following: G goes to the end", palette.DIM))
        return parts

    # What comes in

    def live_update(self) -> None:
        """Take in what came and repaint."""
        if not self.paused:
            self._take()
        second = int(self.dashboard.clock())
        if second != self._second:
            self._second = second
            total = self.dashboard.recent.total
            self._rate = self._rates.note("events", total, self.dashboard.clock())
        super().live_update()

    def _take(self) -> None:
        recent = self.dashboard.recent
        found: list[Event] = []
        gap = self._gap()
        if gap:
            found.append(gap)
        # What an instance tells of the past it tells job by job.
        fresh = sorted(recent.since(self._seen), key=when_noted)
        missing = recent.total - self._seen - len(fresh)
        if missing > 0:
            text = f"--- {many(missing, 'event')} before were not kept ---"
            found.append(notice(self._next(), self.dashboard.clock(), text))
        found.extend(job_event(self._next(), jobid, entry) for jobid, entry in fresh)
        self._seen = recent.total
        while self._messages:
            when, topic, payload = self._messages.popleft()
            found.append(message_event(self._next(), when, topic, payload))
        if found:
            self.listing.append(found)

    def _gap(self) -> Event | None:
        """Return the line for a time without a connection, once that is over."""
        dashboard = self.dashboard
        if not dashboard.link.up:
            self._lost_at = self._lost_at or dashboard.heard
            return None
        if not self._lost_at or not self.known:
            self._lost_at = 0.0
            return None
        now, since = dashboard.clock(), self._lost_at
        self._lost_at = 0.0
        text = f"--- connection lost {fmt.clock(since, now)} to {fmt.clock(now, now)} ---"
        return notice(self._next(), now, text)

    def _next(self) -> int:
        self._number += 1
        return self._number

    async def _listen(self, prefix: str) -> None:
        """Take in event messages; after a lost connection again."""
        while self.topic:
            try:
                messages = self.feed.events("" if prefix == ALL else prefix)
                async with contextlib.aclosing(messages):
                    async for topic, payload in messages:
                        self._messages.append((self.dashboard.clock(), topic, payload))
                        self.dashboard.revision += 1
            except OSError as error:
                if self.dashboard.link.up:
                    self.warn(f"{prefix}: {error.strerror or error}")
                    self.topic = ""
                    return
            await asyncio.sleep(0.5)

    # Filter: jobs by a query, lines by words

    def filter(self, text: str) -> None:
        """List events of jobs that the query in ``text`` finds, and lines with its words."""
        query, words = split_filter(text)
        try:
            dashboard = self.dashboard
            self.listing.test = job_test(query, dashboard.table, dashboard.clock())
        except QueryError as error:
            self.bar.answer(str(error), bad=True)
            return
        self.listing.set_text(words)
        self.live_update()
        self.bar.answer(self._matches() if text else "")

    @property
    def filter_text(self) -> str:
        """The filter as it is typed, query and words."""
        return self.bar.text

    # Actions

    def action_pause(self) -> None:
        """Take nothing in, or what has come meanwhile."""
        self.paused = not self.paused
        self.live_update()

    def action_follow(self) -> None:
        """Keep the end in sight, or stay."""
        self.view.following = not self.view.following
        if self.view.following:
            self.view.move_to(len(self.listing) - 1)
        self.live_update()

    def action_clear(self) -> None:
        """Empty the list."""
        self.listing.replace([])
        self.live_update()

    def action_topic(self) -> None:
        """Ask which event messages to list."""

        async def work(text: str) -> str:
            self.topic = text.strip()
            self.workers.cancel_group(self, "topic")
            if not self.topic:
                return "no event messages are listed"
            self.start(partial(self._listen, self.topic), "topic", exclusive=True)
            return f"listing event messages {self.topic}"

        prompt = f"Beginning of their topics, {ALL} for all, empty for none"
        given = self.topic
        self.ask(Intent("List", "event messages", ("",), prompt, given, optional=True), work)

    def opened(self, row: Event) -> None:
        """Open the job of a line."""
        from tui.screens.job import JobScreen

        if row.jobid:
            self.app.push_screen(JobScreen(row.jobid).bind(self.session))
        else:
            self.warn("this line is not about a job")

    def name_of(self, row: Event) -> str:
        """Return the line, to copy."""
        return " ".join(part for part in (row.when, row.job, row.name, row.text) if part)
