"""The query language (`flux.job.query`) over the jobs of the dashboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from operator import or_
from typing import TYPE_CHECKING, Final, NamedTuple

from flux.constants import FLUX_JOB_STATE_INACTIVE
from flux.job.query.match import depends_on_time, letters_search, may_be_id, predicate
from flux.job.query.syntax import Every, QueryError, Term, Word, parse
from flux.waitstatus import return_code_of
from tui.model import reasons
from tui.model.ranking import NameSearch
from tui.model.states import RUNNING, status_of
from tui.model.table import JobTable
from tui.model.users import user_name

if TYPE_CHECKING:
    from flux.job.query.fields import Statuses
    from flux.job.query.syntax import Node

__all__ = ["Query", "QueryError"]

Test = Callable[[int], bool]
UNKNOWN: Final = float("nan")


class Query(NamedTuple):
    """A parsed filter. ``live`` is true if time alone can change what it matches."""

    text: str
    tree: Node
    live: bool
    search: NameSearch

    @staticmethod
    def parse(text: str) -> Query:
        """Read ``text``, a term of which may be unfinished; raises `QueryError`."""
        tree = parse(text)
        predicate(tree, RowReader(JobTable(), 0.0), typing=True)
        return Query(text.strip(), tree, depends_on_time(tree), NameSearch(tree))

    def matching(self, table: JobTable, now: float, rows: Sequence[int]) -> Sequence[int]:
        """Return which of ``rows`` match, in their order."""
        match self.tree:
            case Word(value) | Every((Word(value),)) if value and not may_be_id(value):
                return _having_letters(table, value, rows)
        test = self.compile(table, now)
        return rows if test is None else list(filter(test, rows))

    def narrows(self, other: Query) -> bool:
        """Whether it is sure that all it matches is matched by ``other``: more was typed after
        that.
        """
        if self.live or other.live:
            return False
        mine, others = _parts(self.tree), _parts(other.tree)
        if mine is None or not others or len(mine) < len(others):
            return False
        *same, last = others
        reached = mine[len(same)]
        return mine[: len(same)] == tuple(same) and (reached == last or _extends(reached, last))

    def compile(self, table: JobTable, now: float) -> Test | None:
        """Return the test of one row at time ``now``, or None if everything matches."""
        return predicate(self.tree, RowReader(table, now), typing=True)


def _parts(tree: Node) -> tuple[Node, ...] | None:
    """Return what has to hold together; None if it is not only that."""
    match tree:
        case Every(parts):
            return parts
        case Word() | Term():
            return (tree,)
    return None


def _extends(word: Node, other: Node) -> bool:
    """Whether a word is another with more letters, so that it finds nothing that the other does
    not. An id is found when it is whole.
    """
    return (
        isinstance(word, Word)
        and isinstance(other, Word)
        and word.start == other.start
        and bool(other.value)
        and word.value.startswith(other.value)
        and not may_be_id(word.value)
    )


def _having_letters(table: JobTable, word: str, rows: Sequence[int]) -> list[int]:
    """Return the rows with those letters in the job's name or the user's: many times faster than to
    ask for each.
    """
    search, names, owners = letters_search(word), table.name, table.userid
    found = set(filter(search, set(map(names.__getitem__, rows))))
    by_name = map(found.__contains__, map(names.__getitem__, rows))
    users = {userid for userid in set(owners) if search(user_name(userid))}
    if not users:
        return list(compress(rows, by_name))
    by_user = map(users.__contains__, map(owners.__getitem__, rows))
    return list(compress(rows, map(or_, by_name, by_user)))


def values_of(table: JobTable, field: str) -> set[str]:
    """Return what there is in a text field, nothing for one that the table does not have."""
    if field not in _TEXTS:
        return set()
    return set(map(_TEXTS[field](table), range(len(table))))


class RowReader:
    """Reads the rows of a table at a time."""

    def __init__(self, table: JobTable, now: float) -> None:
        self._table = table
        self._now = now

    def text(self, field: str) -> Callable[[int], str]:
        """Return what reads a text field; raises KeyError for one that the table does not have."""
        return _TEXTS[field](self._table)

    def number(self, field: str) -> Callable[[int], float]:
        """Return what reads a number; raises KeyError for one that the table does not have."""
        read, table, now = _NUMBERS[field], self._table, self._now
        if field == "exit":
            return lambda row: read(table, row, now)

        def known(row: int) -> float:
            number = read(table, row, now)
            return number if number >= 0 else UNKNOWN

        return known

    def statuses(self, wanted: tuple[Statuses, ...]) -> Test:
        """Return the test for jobs in one of some states."""
        meant = frozenset(
            status_of(1 << state, 1 << result if 1 << state == FLUX_JOB_STATE_INACTIVE else 0)
            for it in wanted
            for state in range(it.states.bit_length())
            if it.states >> state & 1
            for result in range(max(it.results.bit_length(), 1))
            if 1 << state != FLUX_JOB_STATE_INACTIVE or it.results >> result & 1
        )
        status = self._table.status
        return lambda row: status[row] in meant

    def jobid(self) -> Callable[[int], int]:
        """Return what reads the id."""
        return self._table.ids.__getitem__


def _left(table: JobTable, row: int, now: float) -> float:
    if table.status[row] not in RUNNING or not table.expiration[row]:
        return UNKNOWN
    return max(table.expiration[row] - now, 0.0)


def _exit(table: JobTable, row: int, _: float) -> float:
    status = table.waitstatus[row]
    return UNKNOWN if status < 0 else return_code_of(status)


_TEXTS: Final[dict[str, Callable[[JobTable], Callable[[int], str]]]] = {
    "name": lambda table: table.name.__getitem__,
    "user": lambda table: lambda row: user_name(table.userid[row]),
    "queue": lambda table: table.queue.__getitem__,
    "bank": lambda table: table.bank.__getitem__,
    "project": lambda table: table.project.__getitem__,
    "ranks": lambda table: table.ranks.__getitem__,
    "node": lambda table: table.nodelist.__getitem__,
    "info": lambda table: lambda row: reasons.info(table, row),
    "exception": lambda table: lambda row: table.exception.get(row, ("", 0, ""))[0],
}
_NUMBERS: Final[dict[str, Callable[[JobTable, int, float], float]]] = {
    "t": lambda table, row, now: table.runtime(row, now),
    "wait": lambda table, row, now: table.waited(row, now),
    "age": lambda table, row, now: now - table.t_submit[row],
    "left": _left,
    "ntasks": lambda table, row, _: table.ntasks[row],
    "nnodes": lambda table, row, _: table.nnodes[row],
    "ncores": lambda table, row, _: table.ncores[row] or UNKNOWN,
    "limit": lambda table, row, _: table.duration[row] or float("inf"),
    "priority": lambda table, row, _: table.priority[row],
    "urgency": lambda table, row, _: table.urgency[row],
    "waitstatus": lambda table, row, _: table.waitstatus[row],
    "exit": _exit,
}
