"""How the lines of the job table look: headings, sets, jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.segment import Segment
from textual.strip import Strip

from tui.model import format as fmt
from tui.model.columns import share_left
from tui.model.jobid import PREFIX
from tui.model.lines import Heading, JobLine, SetLine
from tui.model.sets import ALONE
from tui.model.states import DONE, GROUPS, RUNNING, STATUS, Status
from tui.model.users import user_name
from tui.model.view import HELD
from tui.widgets import palette
from tui.widgets.bars import portions
from tui.widgets.cells import Piece, cell, shortened
from tui.widgets.palette import Glyphs, status_colour, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.model.column import Column
    from tui.model.dashboard import Dashboard
    from tui.model.lines import TableLine
    from tui.model.view import Members

GUTTER: Final = 2
METER: Final = 4
"""Cells of the meter beside the time that is left."""
SCARCE: Final = 0.1
"""The share of its time below which a job is about to reach its limit."""
_ALARMING: Final = frozenset({Status.FAILED, Status.TIMEOUT, Status.DEPEND})
"""Statuses whose reason is shown in colour."""
_TOLD: Final = (
    Status.RUN,
    Status.CLEANUP,
    Status.SCHED,
    Status.PRIORITY,
    Status.DEPEND,
    Status.FAILED,
    Status.TIMEOUT,
    Status.CANCELED,
    Status.COMPLETED,
)
"""The order in which a set says how many of its jobs are in which state."""
_IN_BAR: Final = (
    (frozenset({Status.COMPLETED, Status.CANCELED}), Status.COMPLETED),
    (frozenset({Status.FAILED, Status.TIMEOUT}), Status.FAILED),
    (RUNNING, Status.RUN),
)
"""What a set's bar is made of, from the left, and whose colour it has; what waits is the rest."""
_NARROW_BAR, _WIDE_BAR = 8, 24

_SIGNS: Final = 6
"""Cells that signs before a name may take."""


class LinePainter:
    """Draws lines ``width`` cells wide, with the columns in ``fitted``."""

    def __init__(self, dashboard: Dashboard, glyphs: Glyphs) -> None:
        self.dashboard = dashboard
        self.glyphs = glyphs
        self.fitted: list[tuple[Column, int]] = []
        self.width = 0
        self.marked_in: dict[int, int] = {}
        self.watched_in: set[int] = set()

    def count_marks(self) -> None:
        """Count the marked jobs of each set, and note the sets that have watched ones, for lines
        that are drawn after.
        """
        self.marked_in.clear()
        dashboard = self.dashboard
        watched = dashboard.watching.watched if dashboard.view.members else ()
        rows = dashboard.table.rows(watched)
        self.watched_in = {dashboard.view.set_of(row) for row in rows if row in dashboard.view}
        if dashboard.marks and dashboard.view.members:
            for row in dashboard.table.rows(dashboard.marks):
                if row in dashboard.view:
                    number = dashboard.view.set_of(row)
                    self.marked_in[number] = self.marked_in.get(number, 0) + 1

    def line(self, line: TableLine, at_cursor: bool) -> Strip:
        """Return one line."""
        if isinstance(line, Heading):
            strip = self._heading(line)
        elif isinstance(line, SetLine):
            strip = self._set(line, at_cursor)
        else:
            strip = self._job(line, at_cursor)
        return strip

    def marked(self, line: TableLine) -> int:
        """Return how many of the jobs that a line stands for are marked."""
        if isinstance(line, SetLine):
            return self.marked_in.get(line.number, 0)
        return int(
            isinstance(line, JobLine) and self.dashboard.table.ids[line.row] in self.dashboard.marks
        )

    # headings

    def _heading(self, line: Heading) -> Strip:
        group, dashboard = GROUPS[line.group], self.dashboard
        colour = status_colour(min(group.statuses, key=lambda it: (STATUS[it].rank, it)))
        counts = dashboard.view.counts
        number = sum(counts[status] for status in group.statuses) + (
            counts[HELD] if Status.SCHED in group.statuses else 0
        )
        rest = self.glyphs.rest
        segments = [
            Segment(rest * GUTTER, style(palette.LINE)),
            Segment(f" {group.title} ", style(colour, bold=True)),
            Segment(f"{fmt.count(number)} ", style(palette.SOFT)),
        ]
        used = sum(len(segment.text) for segment in segments)
        segments.append(Segment(rest * max(0, self.width - used - 1), style(palette.LINE)))
        return Strip(segments).adjust_cell_length(self.width, style(palette.TEXT))

    # sets

    def _set(self, line: SetLine, at_cursor: bool) -> Strip:
        dashboard = self.dashboard
        members = dashboard.view.members[line.number]
        ground = palette.CURSOR if at_cursor else palette.BACKGROUND
        marked = self.marked(line)
        mark = " "
        if marked:
            all_of_it = marked == len(members.order)
            mark = self.glyphs.mark if all_of_it else self.glyphs.half_marked
        base = palette.BRIGHT if at_cursor else palette.TEXT
        segments = [*self._gutter(at_cursor, mark, ground)]
        roles = [column.role for column, _ in self.fitted]
        leading = roles.index("name") + 1 if "name" in roles else 0
        gap = Segment(" ", style(base, ground))
        for column, width in self.fitted[:leading]:
            text, colour = self._set_cell(column.role, line.number, members, base)
            text = cell(text, width, column.right, self.glyphs.more)
            bold = column.role != "user"
            segments += (
                self._searched(text, colour, ground, bold)
                if column.role in ("name", "user")
                else [Segment(text, style(colour, ground, bold=bold))]
            )
            segments.append(gap)
        room = self.width - GUTTER - sum(width + 1 for _, width in self.fitted[:leading]) - 1
        if not leading:
            name, _ = self._set_cell("name", line.number, members, base)
            size, _ = self._set_cell("id", line.number, members, base)
            text = cell(f"{size} {name}", min(36, max(8, room // 3)), False, self.glyphs.more)
            segments += [Segment(text, style(base, ground, bold=True)), gap]
            room -= len(text) + 1
        segments += [
            Segment(text, style(colour, ground))
            for text, colour in self._progress(line.number, members, room)
        ]
        return Strip(segments).adjust_cell_length(self.width, style(base, ground))

    def _set_cell(self, name: str, number: int, members: Members, base: str) -> Piece:
        dashboard = self.dashboard
        lead = dashboard.view.row_in(number, 0)
        if name == "id":
            open_ = number in dashboard.lines.unfolded
            sign = self.glyphs.opened if open_ else self.glyphs.closed
            return f"{sign} {self._times()}{fmt.count(len(members.order))}", palette.ACCENT
        if name == "state":
            status = dashboard.table.status[lead]
            return f"{self.glyphs.dot} {STATUS[status].code}", status_colour(status)
        if name == "name":
            sign = f"{self.glyphs.watched} " if number in self.watched_in else ""
            return sign + dashboard.sets.name(number), base
        if name == "user":
            return user_name(dashboard.table.userid[lead]), palette.SOFT
        if name in ("queue", "bank", "project"):
            return {
                "queue": dashboard.table.queue,
                "bank": dashboard.table.bank,
                "project": dashboard.table.project,
            }[name][lead] or "-", palette.SOFT
        return "", base

    def _times(self) -> str:
        return "x" if self.glyphs is palette.ASCII else fmt.TIMES

    def _progress(self, number: int, members: Members, room: int) -> list[Piece]:
        """Return bar, counts, rate and time left of a set, as far as they fit."""
        told = self._counts(number, members)
        more = self._pace(number, members)
        bar = min(_WIDE_BAR, max(_NARROW_BAR, room // 4))
        used = sum(len(text) for text, _ in told) + bar + 2
        while more and used + sum(len(text) for text, _ in more) > room:
            more.pop()
        if used > room:
            return shortened(told, room, self.glyphs.more)
        return [*self._bar(members.counts, bar), ("  ", palette.DIM), *told, *more]

    def _bar(self, counts: Sequence[int], width: int) -> list[Piece]:
        amounts = [sum(counts[status] for status in statuses) for statuses, _ in _IN_BAR]
        amounts.append(sum(counts) - sum(amounts))
        cells = portions(amounts, width)
        pieces = [
            (self.glyphs.progress * cells[place], status_colour(status))
            for place, (_, status) in enumerate(_IN_BAR)
        ]
        return [*pieces, (self.glyphs.rest * cells[-1], palette.LINE)]

    def _counts(self, number: int, members: Members) -> list[Piece]:
        """Return how many jobs of a set are in which state, and of how many those are."""
        pieces: list[Piece] = []
        for status in _TOLD:
            amount = members.counts[status] + (members.counts[HELD] * (status == Status.SCHED))
            if amount:
                gap = " " if pieces else ""
                colour = status_colour(status)
                pieces.append((f"{gap}{fmt.count(amount)} {STATUS[status].code}", colour))
        whole = len(self.dashboard.sets.by_number[number].rows)
        if whole != len(members.order):
            pieces.append((f" of {fmt.count(whole)}", palette.DIM))
        return pieces

    def _pace(self, number: int, members: Members) -> list[Piece]:
        """Return how many jobs of a set end per second and how long it will take."""
        dashboard, counts = self.dashboard, members.counts
        it = dashboard.sets.by_number[number]
        rate = it.rate(dashboard.moment)
        colour = palette.DIM if dashboard.stale else palette.SOFT
        pieces = [(f"  {fmt.rate(rate)}/s", colour)] if rate else []
        running = sum(counts[status] for status in RUNNING)
        waiting = counts[Status.SCHED] + counts[Status.PRIORITY]
        left = it.seconds_left(running, waiting)
        if left is not None and len(members.order) == len(it.rows):
            pieces.append((f"  ~{fmt.duration(left)}", colour))
        return pieces

    # jobs

    def _gutter(self, at_cursor: bool, mark: str, ground: str) -> list[Segment]:
        return [
            Segment(self.glyphs.cursor if at_cursor else " ", style(palette.ACCENT, ground)),
            Segment(mark, style(palette.AMBER, ground, bold=True)),
        ]

    def _job(self, line: JobLine, at_cursor: bool) -> Strip:
        dashboard, row = self.dashboard, line.row
        marked = dashboard.table.ids[row] in dashboard.marks
        ground = palette.CURSOR if at_cursor else palette.BACKGROUND
        status = dashboard.table.status[row]
        base = palette.SOFT if status in DONE else palette.TEXT
        if at_cursor:
            base = palette.BRIGHT
        segments = self._gutter(at_cursor, self.glyphs.mark if marked else " ", ground)
        gap = Segment(" ", style(base, ground))
        for column, width in self.fitted:
            if column.role == "state":
                segments += self._state(column, row, width, ground)
            elif column.name == "left":
                segments += self._left(column, row, width, ground, base)
            elif column.role == "name":
                segments += self._name(column, line, width, ground, base, marked)
            elif column.role == "user":
                text = self._text(column, row, width)
                colour = self._colour(column, status, base)
                segments += self._searched(text, colour, ground, marked)
            else:
                text = self._text(column, row, width)
                colour = self._colour(column, status, base)
                segments.append(Segment(text, style(colour, ground, bold=marked)))
            segments.append(gap)
        rest = self.width - GUTTER - sum(width + 1 for _, width in self.fitted)
        narrow = any(it.role == "name" and width <= _SIGNS for it, width in self.fitted)
        if rest < 0 or narrow:
            return Strip(segments).adjust_cell_length(self.width, style(base, ground))
        # Every cell has the width of its column: nothing is to be measured.
        segments.append(Segment(" " * rest, style(base, ground)))
        return Strip(segments, self.width)

    def _text(self, column: Column, row: int, width: int) -> str:
        text = column.cell(self.dashboard.table, row, self.dashboard.moment)
        if column.indent:
            text = " " + text
        if self.glyphs is palette.ASCII:
            text = text.replace(PREFIX, "f").replace(fmt.TIMES, "x")
        return cell(text, width, column.right, self.glyphs.more)

    def _state(self, column: Column, row: int, width: int, ground: str) -> list[Segment]:
        """Return the state, standing out for a moment when it has just changed."""
        status = self.dashboard.table.status[row]
        colour, step = status_colour(status), self.dashboard.flash_step(row)
        if column.name == "state":
            text = f"{self.glyphs.dot} {STATUS[status].code}"
            text = cell(text, width, False, self.glyphs.more)
        else:
            text = self._text(column, row, width)
        if step == 2:
            return [Segment(text, style(palette.BACKGROUND, colour, bold=True))]
        return [Segment(text, style(colour, palette.FLASH if step else ground, bold=bool(step)))]

    def _left(self, column: Column, row: int, width: int, ground: str, base: str) -> list[Segment]:
        """Return the time that is left, with a meter where there is room for one."""
        status = self.dashboard.table.status[row]
        share = share_left(self.dashboard.table, row, self.dashboard.moment)
        if share is None or width < METER + 2:
            text = self._text(column, row, width)
            return [Segment(text, style(self._colour(column, status, base), ground))]
        colour = palette.AMBER if share < SCARCE else status_colour(status)
        if self.dashboard.stale:
            colour = palette.DIM
        text = self._text(column, row, width - METER - 1)
        full, half = divmod(max(1, round(share * METER * 2)), 2)
        meter = self.glyphs.progress * full + self.glyphs.half * half
        return [
            Segment(meter, style(colour, ground)),
            Segment(self.glyphs.rest * (METER - len(meter)), style(palette.LINE, ground)),
            Segment(" " + text, style(self._colour(column, status, base), ground)),
        ]

    def _name(
        self, column: Column, line: JobLine, width: int, ground: str, base: str, marked: bool
    ) -> list[Segment]:
        """Return the name, after what it is: a job of a set, watched, an instance."""
        table, segments = self.dashboard.table, []
        if line.number != ALONE:
            segments.append(Segment(f"{self.glyphs.guide} ", style(palette.DIM, ground)))
        if table.ids[line.row] in self.dashboard.watching.watched:
            segments.append(Segment(f"{self.glyphs.watched} ", style(palette.AMBER, ground)))
        if table.uri_of(line.row):
            segments.append(Segment(f"{self.glyphs.instance} ", style(palette.ACCENT, ground)))
        width = max(1, width - sum(len(segment.text) for segment in segments))
        text = self._text(column, line.row, width)
        return [*segments, *self._searched(text, base, ground, marked)]

    def _searched(self, text: str, colour: str, ground: str, marked: bool) -> list[Segment]:
        """Return a name, or a user's, with the letters that were searched for in another colour."""
        plain, found = style(colour, ground, bold=marked), style(palette.AMBER, ground, bold=True)
        segments, done = [], 0
        for start, end in self.dashboard.view.query.search.spans(text.rstrip()):
            segments += [Segment(text[done:start], plain), Segment(text[start:end], found)]
            done = end
        return [segment for segment in (*segments, Segment(text[done:], plain)) if segment.text]

    def _colour(self, column: Column, status: int, base: str) -> str:
        name = column.role
        if (column.live or name == "left") and status not in DONE and self.dashboard.stale:
            return palette.DIM  # what it was when the instance was last heard of
        if name == "info":
            return status_colour(status) if status in _ALARMING else palette.DIM
        if name in ("id", "name", "runtime"):
            return base
        return palette.DIM if base == palette.SOFT else palette.SOFT
