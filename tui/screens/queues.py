"""The queues: their state, load and limits; enabling, disabling, starting and stopping them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from tui.feed.queues import read_queues, set_enabled, set_started
from tui.model.intent import Intent, many
from tui.model.queues import ListedQueue, queue_listing, totals
from tui.model.rates import Rates
from tui.model.states import Status
from tui.screens.asking import each
from tui.screens.listing import ListingScreen, Part
from tui.screens.narrowing import show_jobs
from tui.widgets import palette
from tui.widgets.bars import shares
from tui.widgets.listing import Painter, Piece
from tui.widgets.palette import status_colour

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from tui.feed.base import Feed
    from tui.model.dashboard import Dashboard
    from tui.model.listing import Listing
    from tui.widgets.palette import Glyphs

    Switch = Callable[[Feed, str, bool, str], Awaitable[None]]

PARTS = (
    ("running", Status.RUN),
    ("pending", Status.SCHED),
    ("done", Status.COMPLETED),
    ("failed", Status.FAILED),
)


class QueuePainter(Painter[ListedQueue]):
    """Queues in the list."""

    def __init__(self, dashboard: Dashboard, glyphs: Glyphs) -> None:
        self.dashboard = dashboard
        self.glyphs = glyphs

    def quiet(self, row: ListedQueue) -> bool:
        """What was read before the connection was lost is dim."""
        return self.dashboard.stale

    def colour(self, row: ListedQueue, column: str) -> str:
        """Return the colour of a cell's text."""
        for name, status in PARTS:
            if column == name:
                number = getattr(row.counts, name)
                return status_colour(status) if number else palette.DIM
        if column == "submission":
            return palette.GREEN if row.enabled else palette.RED
        if column == "scheduling":
            return palette.GREEN if row.started else palette.RED
        if column == "why":
            return palette.AMBER
        return palette.BRIGHT if column == "name" else palette.SOFT

    def pieces(self, row: ListedQueue, column: str, width: int) -> Sequence[Piece] | None:
        """Draw what the queue's jobs do as a bar."""
        if column in ("submission", "scheduling"):
            on = row.enabled if column == "submission" else row.started
            words = ("enabled", "disabled") if column == "submission" else ("started", "stopped")
            sign = self.glyphs.dot if on else self.glyphs.lost
            return [(f"{sign} {words[not on]}", self.colour(row, column))]
        if column != "load":
            return None
        parts = [(getattr(row.counts, name), status_colour(status)) for name, status in PARTS]
        bar = shares(parts, width, self.glyphs.progress, self.glyphs.rest)
        found = [(bar.plain[span.start : span.end], str(span.style)) for span in bar.spans]
        return found or [(bar.plain, palette.LINE)]


class QueuesScreen(ListingScreen[ListedQueue]):
    """All queues of the instance, or the one that has no name."""

    title_text = "Queues"
    noun = "queue"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "back", "Back", tooltip="Back", id="queues.back"),
        Binding(
            "enter",
            "open",
            "Jobs",
            tooltip="Show the jobs of this queue",
            key_display="\u23ce",
            id="queues.open",
        ),
        *ListingScreen.MARK_BINDINGS,
        Binding(
            "e",
            "queue_enabled(True)",
            "Enable",
            tooltip="Have the marked queues or this one take jobs",
            id="queues.enable",
        ),
        Binding(
            "d",
            "queue_enabled(False)",
            "Disable",
            tooltip="Have the marked queues or this one refuse jobs, for a reason",
            id="queues.disable",
        ),
        Binding(
            "plus,equals_sign",
            "queue_started(True)",
            "Start",
            key_display="+",
            tooltip="Have the marked queues or this one start jobs",
            id="queues.start",
        ),
        Binding(
            "minus",
            "queue_started(False)",
            "Stop",
            key_display="-",
            tooltip="Have the marked queues or this one start no jobs, for a reason",
            id="queues.stop",
        ),
        *ListingScreen.LIST_BINDINGS,
    ]

    def __init__(self) -> None:
        super().__init__()
        self.rates = Rates()

    def make_listing(self) -> Listing[ListedQueue]:
        """Return the empty list."""
        return queue_listing()

    def make_painter(self) -> QueuePainter:
        """Return what says how queues look."""
        return QueuePainter(self.dashboard, self.glyphs)

    async def read(self) -> None:
        """Read the queues."""
        dashboard = self.dashboard
        found = await read_queues(self.feed, dashboard.table, self.rates, dashboard.clock())
        self.listing.replace(found)

    def figures(self) -> Sequence[Part]:
        """Return how many are in which state."""
        colours = {"open": palette.GREEN, "disabled": palette.RED, "stopped": palette.RED}
        return [
            (f"{self.glyphs.dot} {number} {state}  ", colours[state])
            for state, number in totals(self.listing.rows()).items()
            if number
        ]

    def opened(self, row: ListedQueue) -> None:
        """Show the jobs of a queue."""
        show_jobs(self, f'queue:"{row.name}"' if row.name else "")

    def action_queue_enabled(self, on: bool) -> None:
        """Have queues take jobs, or refuse them, after asking."""
        chosen = [queue for queue in self.targets() if queue.enabled is not on]
        words = ("Enable", "enabled") if on else ("Disable", "disabled")
        self._switch(chosen, on, words, set_enabled)

    def action_queue_started(self, on: bool) -> None:
        """Have queues start jobs, or hold them back, after asking."""
        chosen = [queue for queue in self.targets() if queue.started is not on]
        words = ("Start", "started") if on else ("Stop", "stopped")
        self._switch(chosen, on, words, set_started)

    def _switch(
        self, chosen: list[ListedQueue], on: bool, words: tuple[str, str], act: Switch
    ) -> None:
        verb, done = words
        if not chosen:
            self.warn(f"it is {done} already")
            return
        waiting = sum(queue.counts.pending for queue in chosen)
        notes: tuple[str, ...] = ()
        if act is set_started and not on and waiting:
            notes = (f"{many(waiting, 'job')} will wait",)
        names = tuple(queue.name for queue in chosen)
        noun = "the queue" if names == ("",) else "queue"
        prompt = "" if on else "Reason"
        intent = Intent(verb, noun, names, prompt, optional=True, notes=notes)

        async def work(reason: str) -> str:
            await each(
                chosen,
                lambda queue: act(self.feed, queue.name, on, reason.strip()),
                lambda queue: queue.title,
            )
            return f"{done}: {many(len(chosen), 'queue')}"

        self.ask(intent, work)
