"""The jobs that an action is for, and what is worth knowing of them before it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tui.model import format as fmt
from tui.model.jobid import f58
from tui.model.states import DONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.model.dashboard import Dashboard
    from tui.model.states import Status

_NAME: Final = 32
"""Letters of a name that a question has room for."""


class Targets(NamedTuple):
    """Jobs that were ``marked``, or the one or the set under the cursor; which of them something
    can be done to is looked up anew each time, for they go on.
    """

    dashboard: Dashboard
    jobids: tuple[int, ...]
    marked: bool
    at_cursor: int | None = None

    def known(self) -> list[int]:
        """Return those that the instance still has: others may have been purged."""
        return [jobid for jobid in self.jobids if jobid in self.dashboard.table.row_of]

    def able(self, statuses: frozenset[Status]) -> list[int]:
        """Return those in one of ``statuses``."""
        table = self.dashboard.table
        return [
            jobid
            for jobid, row in ((jobid, table.row_of.get(jobid)) for jobid in self.jobids)
            if row is not None and table.status[row] in statuses
        ]

    def name_of(self, jobids: Sequence[int]) -> str:
        """Return what to call some of them in a question: a job by its id, and its name unless it
        is long, more by their number.
        """
        if len(jobids) != 1:
            return f"{fmt.count(len(jobids))} jobs"
        row = self.dashboard.table.row_of.get(jobids[0])
        name = "" if row is None else fmt.printable(self.dashboard.table.name[row])
        return f"{f58(jobids[0])} {name if len(name) <= _NAME else ''}".strip()

    def over(self) -> int:
        """Return how many have ended."""
        return len(self.able(DONE))

    def unable(self, statuses: frozenset[Status]) -> str:
        """Return how many nothing will be done to, and why; empty if there are none."""
        left = len(self.known()) - len(self.able(statuses))
        over, gone = self.over(), len(self.jobids) - len(self.known())
        parts = [f"{fmt.count(over)} over already"] if over else []
        if gone:
            parts.append(f"{fmt.count(gone)} gone from the list")
        if left > over:
            parts.append(f"{fmt.count(left - over)} not running")
        return ", ".join(parts)

    def out_of_sight(self) -> str:
        """Return what of the marked jobs is not where the cursor is, empty if all is plain."""
        if not self.marked:
            return ""
        hidden = self.dashboard.hidden_marks()
        parts = [f"{fmt.count(hidden)} hidden by the filter"] if hidden else []
        if self.at_cursor is not None and self.at_cursor not in self.jobids:
            parts.append("the job under the cursor is not among them")
        return ", ".join(parts)


def targets(dashboard: Dashboard, cursor_rows: Sequence[int]) -> Targets:
    """Return the jobs an action is for: the marked ones, else those under the cursor."""
    ids = dashboard.table.ids
    if dashboard.marks:
        at_cursor = {ids[row] for row in cursor_rows}
        known = sorted(jobid for jobid in dashboard.marks if jobid in dashboard.table.row_of)
        other = next(iter(at_cursor - dashboard.marks), None)
        return Targets(dashboard, tuple(known), True, other)
    return Targets(dashboard, tuple(ids[row] for row in cursor_rows), False)
