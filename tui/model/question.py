"""What is asked before jobs are canceled or signaled: how many, which, and what to know of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tui.model import format as fmt
from tui.model.intent import SHOWN, many
from tui.model.jobid import f58
from tui.model.states import PENDING, RUNNING, STATUS
from tui.model.users import user_name

if TYPE_CHECKING:
    from tui.model.selection import Targets
    from tui.model.states import Status


SMALLEST: Final = (34, 10)
"""Cells across and down that a question needs to show all of its answers."""


class Question(NamedTuple):
    """Whether to do ``verb`` (``Cancel``, ``Send SIGTERM to``) to those of ``selection`` that are
    in one of ``statuses``; ``asked`` were when the question was put, and some may leave meanwhile.
    """

    verb: str
    selection: Targets
    statuses: frozenset[Status]
    asked: int

    def jobids(self) -> list[int]:
        """Return the jobs it would be done to now."""
        return self.selection.able(self.statuses)

    def title(self) -> str:
        """Return the question."""
        number = len(self.jobids())
        if number:
            return f"{self.verb} {jobs(number)}?"
        known = len(self.selection.known())
        if not known:
            why = "it is gone from the list" if self.asked == 1 else "all are gone from the list"
        elif self.statuses == PENDING:
            why = "it waits no more" if self.asked == 1 else "none waits any more"
        elif self.statuses == RUNNING:
            why = "it runs no more" if self.asked == 1 else "none runs any more"
        else:
            why = "it is over" if self.asked == 1 else "all are over"
        return f"Nothing is left to do: {why}"

    def notes(self) -> list[str]:
        """Return what to know before answering, a line each."""
        notes = []
        if len(self.selection.jobids) > 1:
            left = self.selection.unable(self.statuses)
            if left:
                kind = "marked" if self.selection.marked else "in the set"
                notes.append(f"of {fmt.count(len(self.selection.jobids))} {kind}, {left}")
        sight = self.selection.out_of_sight()
        if sight:
            notes.append(sight)
        return notes

    def listing(self, plain: bool) -> list[str]:
        """Return the first jobs: id, user, state, time run, name; ``plain`` is ASCII."""
        dashboard = self.selection.dashboard
        table, jobids = dashboard.table, self.jobids()
        lines = []
        for jobid in jobids[:SHOWN]:
            row = table.row_of[jobid]
            ran = fmt.duration(table.runtime(row, dashboard.moment))
            state = STATUS[table.status[row]].code
            user = user_name(table.userid[row])
            name = fmt.printable(table.name[row])
            lines.append(f"{f58(jobid, plain):<13} {user:<8} {state:<2} {ran:>7}  {name}")
        if len(jobids) > SHOWN:
            lines.append(f"and {fmt.count(len(jobids) - SHOWN)} more")
        return lines

    def typed_right(self, text: str) -> bool:
        """Tell whether a typed number is that of the question, as it was put or as it is by now."""
        return text in (str(self.asked), str(len(self.jobids())))


def jobs(number: int) -> str:
    """Return ``1 job``, ``1,204 jobs``."""
    return many(number, "job")
