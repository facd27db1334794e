"""The facts of one job in a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from flux.job.describe import system_text
from flux.job.why import ending
from tui.model import format as fmt
from tui.model.job_pages import Stored, command
from tui.model.jobid import f58
from tui.model.states import DONE, STATUS
from tui.model.users import user_name
from tui.widgets import palette
from tui.widgets.painted import Painted
from tui.widgets.palette import BRIGHT, DIM, TEXT, status_colour

if TYPE_CHECKING:
    from tui.model.dashboard import Dashboard
    from tui.widgets.palette import Glyphs

NARROW_CELL: Final = 19
"""Cells that a fact needs."""
_MOST_ACROSS: Final = 4


class JobSummary(Painted):
    """Status and name, the facts in columns on ``rows`` lines, the command."""

    def __init__(
        self,
        dashboard: Dashboard,
        glyphs: Glyphs,
        jobid: int | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(dashboard, glyphs, id, classes)
        self.jobid = jobid
        self.stored = Stored()
        self.rows = 3
        self.with_command = True
        self.note = ""
        """What is told before all else."""
        self._seen: list[Text] = []
        """The lines of the job when the list last had it."""
        self._seen_of: int | None = None

    def lines(self, width: int) -> list[Text]:
        """Return the lines."""
        if self.jobid is None:
            return [Text(" no job", DIM)]
        row = self.dashboard.table.row_of.get(self.jobid)
        if row is None:
            return self._gone(self.jobid)
        lines = [self._heading(row), *self._facts(row, width)]
        if self.note:
            lines.insert(0, Text(self.note, palette.SOFT))
        if self.with_command:
            lines.append(self._command())
        self._seen, self._seen_of = lines, self.jobid
        return lines

    def _gone(self, jobid: int) -> list[Text]:
        """Return what was last seen of a job that the list has no more, or not yet again."""
        seen = self._seen if self._seen_of == jobid else []
        if not self.dashboard.lists_all:
            return seen or [Text(f" reading{self.glyphs.more}", DIM)]
        if not seen:
            text = f" job {f58(jobid)} is not in the list of this instance"
            return [Text(text, palette.RED)]
        heading = seen[0].copy().append("  gone from the list", palette.AMBER)
        return [heading, *seen[1:]]

    def _heading(self, row: int) -> Text:
        table = self.dashboard.table
        status = table.status[row]
        jobid = f58(table.ids[row], self.glyphs is palette.ASCII)
        return Text.assemble(
            (f"{self.glyphs.dot} {STATUS[status].word.upper()}", f"bold {status_colour(status)}"),
            (f"  {table.name[row]}", f"bold {BRIGHT}"),
            (f"  {jobid}", palette.ACCENT),
            (f"  {table.ids[row]}", DIM),
        )

    def _facts(self, row: int, width: int) -> list[Text]:
        """Return the facts that have room, the most telling ones first."""
        across = max(1, min(_MOST_ACROSS, width // NARROW_CELL))
        column = width // across
        facts = [(name, value) for name, value in self._known(row) if value != "-"]
        facts = facts[: across * self.rows]
        lines = []
        for first in range(0, len(facts), across):
            line = Text()
            for name, value in facts[first : first + across]:
                cell = Text.assemble((f"{name} ", DIM), (value, TEXT))
                cell.truncate(column - 1, overflow="ellipsis", pad=True)
                line.append_text(cell).append(" ")
            lines.append(line)
        return lines + [Text("")] * (self.rows - len(lines))

    def _known(self, row: int) -> list[tuple[str, str]]:
        table, now = self.dashboard.table, self.dashboard.moment
        return [
            ("user", user_name(table.userid[row]) or "-"),
            ("waited", fmt.duration(table.waited(row, now))),
            ("ran", fmt.duration(table.runtime(row, now))),
            self._end(table.waitstatus[row]),
            ("left", self._left(row, now)),
            ("tasks", str(table.ntasks[row] or "-")),
            ("nodes", str(table.nnodes[row] or "-")),
            ("on", table.where[row] or table.ranks[row] or "-"),
            ("hosts", table.nodelist[row] or "-"),
            ("urgency", str(table.urgency[row])),
            ("priority", str(table.priority[row]) if table.priority[row] >= 0 else "-"),
            ("submitted", fmt.clock(table.t_submit[row], now)),
        ]

    def _end(self, waitstatus: int) -> tuple[str, str]:
        """Return how the tasks ended, in as few words as there is room for."""
        words = ending(waitstatus) if waitstatus >= 0 else "-"
        code = words.removeprefix("exit code ")
        return ("exit", code) if code != words else ("killed", words) if words != "-" else ("", "-")

    def _left(self, row: int, now: float) -> str:
        """Return how long a job may run on."""
        table = self.dashboard.table
        if table.status[row] in DONE:
            return "-"
        limit = table.expiration[row]
        if not limit:
            return "no limit"
        return fmt.duration(max(0.0, limit - now)) if table.t_run[row] else "-"

    def _command(self) -> Text:
        jobspec = self.stored.jobspec
        cwd = system_text(jobspec, "cwd")
        text = Text.assemble(("$ ", DIM), (fmt.printable(command(jobspec)) or "-", TEXT))
        return text.append(fmt.printable(f"   in {cwd}"), DIM) if cwd else text
