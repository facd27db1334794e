"""A job's life as one bar: how long it was in which phase, and what happened on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from tui.model import format as fmt
from tui.model.states import ACTIVE, Status
from tui.model.story import Story, cell_of, known_story, placed, spread_cells
from tui.widgets.painted import Painted
from tui.widgets.palette import AMBER, DIM, RED, SOFT, TEXT, status_colour

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.model.dashboard import Dashboard
    from tui.model.story import Phase
    from tui.widgets.palette import Glyphs

_SHORT: Final = {"depend": "dep", "priority": "prio", "queued": "wait", "cleanup": "end"}
"""Names of phases where there is little room."""


class LifeBar(Painted):
    """Three lines: names and durations, the bar, the times of day and what happened."""

    def __init__(
        self,
        dashboard: Dashboard,
        glyphs: Glyphs,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(dashboard, glyphs, id, classes)
        self.jobid: int | None = None
        self.story: Story | None = None

    def show(self, jobid: int | None, story: Story | None) -> None:
        """Show a job: by its eventlog as far as that is read, else by what the table knows."""
        self.jobid, self.story = jobid, story
        self.update()

    def lines(self, width: int) -> list[Text]:
        """Return the timeline."""
        table = self.dashboard.table
        row = None if self.jobid is None else table.row_of.get(self.jobid)
        story = self.story if self.story is not None and self.story.entries else None
        if story is None and row is not None:
            story = known_story(table, row)
        if story is None or not story.phases or width < 8:
            return [Text(""), Text(""), Text("")]
        status = Status(table.status[row]) if row is not None else None
        return drawn(story, status, self.dashboard.moment, width, self.glyphs)


def drawn(
    story: Story, status: Status | None, now: float, width: int, glyphs: Glyphs
) -> list[Text]:
    """Return the lines of a timeline in ``width`` cells; ``status`` is that of the job now and
    colours the run of one that has ended.
    """
    phases = story.phases
    cells = spread_cells([phase.seconds(now) for phase in phases], width)
    colours = [_colour(phase, status) for phase in phases]
    bar = Text()
    for place, (count, colour) in enumerate(zip(cells, colours, strict=True)):
        first = glyphs.edge if place and count > 1 else glyphs.bar
        bar.append(first + glyphs.bar * (count - 1), colour)
    return [
        _names(phases, cells, colours, now, width),
        bar,
        _happenings(story, cells, now, width, glyphs),
    ]


def _colour(phase: Phase, status: Status | None) -> str:
    """Return the colour of a phase: the run of a job that has ended is coloured by how."""
    if phase.status == Status.RUN and status is not None and status not in ACTIVE:
        return status_colour(status)
    return status_colour(phase.status)


def _names(
    phases: Sequence[Phase], cells: Sequence[int], colours: Sequence[str], now: float, width: int
) -> Text:
    """Return names and durations, each as near to its part of the bar as there is room."""
    spans = [fmt.duration(phase.seconds(now)) for phase in phases]
    starts = [sum(cells[:place]) for place in range(len(cells))]
    names = [phase.name for phase in phases]
    if sum(map(len, (*names, *spans))) + 3 * len(names) > width:
        names = [_SHORT.get(name, name) for name in names]
    labels = [f"{name} {span}" for name, span in zip(names, spans, strict=True)]
    text = Text()
    for place, label, name, colour in zip(
        placed(list(zip(starts, map(len, labels), strict=True)), width),
        labels,
        names,
        colours,
        strict=True,
    ):
        if place is not None:
            text.append(" " * (place - text.cell_len))
            text.append(name, colour).append(label[len(name) :], TEXT)
    return text


def _happenings(story: Story, cells: Sequence[int], now: float, width: int, glyphs: Glyphs) -> Text:
    """Return when it began and ended, and between them what happened where."""
    begin = fmt.clock(story.submitted, now)
    end = fmt.clock(story.ended, now) if story.ended is not None else "now"
    text = Text(begin, DIM)
    last = width - len(end)
    marks = [(cell_of(story, cells, mark.at, now), mark) for mark in story.marks]
    for number, (cell, mark) in enumerate(marks):
        follows = marks[number + 1][0] if number + 1 < len(marks) else last
        label = f"{glyphs.up} {mark.text}"
        if follows - cell < len(label) + 2 and number + 1 < len(marks):
            label = glyphs.up
        place = max(text.cell_len + 1, min(cell, last - len(label) - 1))
        if place + len(label) >= last:
            continue
        colour = RED if mark.kind == "exception" else AMBER if mark.kind == "urgency" else SOFT
        text.append(" " * (place - text.cell_len)).append(label, colour)
    return text.append(" " * max(1, last - text.cell_len)).append(end, DIM)


LINES: Final = 3
"""Lines of a timeline."""
