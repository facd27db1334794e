"""One sorted, filtered order over the rows of a ``JobTable``, in which each set of like jobs is one
item, kept up to date without sorting again.

At the top are jobs that are in no set, and sets, each where the first of its jobs would be; every
set has its own order of jobs. Orders are ascending; a descending view reads them backwards. Ties go
by job id, so no two places are alike and a row that changes is found by bisection under the key it
was filed with.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from flux.constants import FLUX_JOB_PRIORITY_MIN
from flux.job.states import Urgency
from tui.model.columns import BY_NAME, state_key
from tui.model.order import Order
from tui.model.query import Query
from tui.model.sets import ALONE, JobSets
from tui.model.states import Status
from tui.model.table import JobTable, collector_off

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tui.model.column import Column, SortKey
    from tui.model.order import Place

FEW: Final = 400
"""Up to this many changed rows are moved, however many there are."""
HELD: Final = len(Status)
"""Where counts have jobs that wait for resources but are held; they are not among those that can
run.
"""
_ABSENT: Final = -2
"""The place of a row that does not match."""


class Members:
    """The jobs of one set that match, and how many there are of each status; ``place`` is where the
    set is filed at the top, None while it is not.
    """

    __slots__ = ("counts", "order", "place")

    def __init__(self, order: Order) -> None:
        self.order = order
        self.counts = [0] * (len(Status) + 1)
        self.place: Place | None = None


def item_of(number: int) -> int:
    """Return how a set is written among rows, as a negative number, and the set of such an item."""
    return -1 - number


class JobView:
    """The rows that match ``query``, in the order of column ``sort``; without ``sets`` every job
    stands alone. ``revision`` changes with whatever is shown where, ``counts`` has the matching
    jobs by status.
    """

    def __init__(
        self,
        table: JobTable,
        sort: Column | str = "state",
        reverse: bool = False,
        query: Query | None = None,
        sets: JobSets | None = None,
    ) -> None:
        self.table = table
        self.column: Column = BY_NAME[sort] if isinstance(sort, str) else sort
        self.reverse = reverse
        self.query = query or Query.parse("")
        self.sets = sets
        self.revision = 0
        self.counts = [0] * (len(Status) + 1)
        self.members: dict[int, Members] = {}
        self.top = Order(self._place_at_top)
        self._keys: list[SortKey] = []
        self._home: array[int] = array("l")
        self._counted = bytearray()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __contains__(self, row: object) -> bool:
        """Tell whether a row matches."""
        return isinstance(row, int) and row < len(self._home) and self._home[row] != _ABSENT

    @property
    def ranked(self) -> bool:
        """Whether better matches stand above others: while letters are searched for, and no other
        order is asked for.
        """
        return self.query.search.ranks_names and self.column.role == "state"

    # places

    def _place(self, row: int) -> Place:
        return self._keys[row], self.table.ids[row]

    def _place_at_top(self, item: int) -> Place:
        return (item < 0 and self.members[item_of(item)].place) or self._place(item)

    def _lead(self, members: Members) -> int:
        """Return the first job of a set as it is read."""
        return members.order.items[-1 if self.reverse else 0]

    # reading

    def items(self) -> list[int]:
        """Return what is at the top, as it is read: rows, and sets as `item_of` writes them."""
        return self.top.items[::-1] if self.reverse else self.top.items

    def item_at(self, index: int) -> int:
        """Return the item at ``index`` from the top."""
        return self.top.items[-1 - index if self.reverse else index]

    def index_of_item(self, item: int) -> int:
        """Return where an item at the top is read."""
        index = self.top.index(item)
        return len(self.top) - 1 - index if self.reverse else index

    def set_of(self, row: int) -> int:
        """Return the set that a matching row is shown in, `ALONE` for none."""
        return self._home[row]

    def rows_of(self, number: int) -> list[int]:
        """Return the matching rows of a set, as they are read."""
        items = self.members[number].order.items
        return items[::-1] if self.reverse else items

    def rows_at(self, item: int) -> list[int]:
        """Return the rows that an item stands for."""
        return [item] if item >= 0 else self.rows_of(item_of(item))

    def row_in(self, number: int, index: int) -> int:
        """Return the row at ``index`` among those of a set."""
        return self.members[number].order.items[-1 - index if self.reverse else index]

    def index_in(self, number: int, row: int) -> int:
        """Return where a row is among those of its set."""
        order = self.members[number].order
        index = order.index(row)
        return len(order) - 1 - index if self.reverse else index

    def rows(self) -> list[int]:
        """Return all matching rows from the top, those of a set together."""
        if not self.members:
            return list(self.items())
        return [row for item in self.items() for row in self.rows_at(item)]

    def row_at(self, index: int) -> int:
        """Return the row at ``index`` of `rows`."""
        return self.rows()[index]

    # filing everything

    def set_sort(self, column: Column | str, reverse: bool, now: float) -> None:
        """Sort by another column or turn the order."""
        self._turn(reverse)
        found = BY_NAME[column] if isinstance(column, str) else column
        if found is not self.column:
            self.column = found
            self.rebuild(now)

    def _turn(self, reverse: bool) -> None:
        """Turn the order; a set is then where its other end is."""
        if reverse != self.reverse:
            self.reverse = reverse
            self.revision += 1
            if self.members:
                self.top = self._arranged()

    def set_query(self, query: Query, now: float) -> None:
        """Show the jobs that match ``query`` instead."""
        before, self.query = self.query, query
        within = self.rows() if query.narrows(before) and not self._behind() else None
        self.rebuild(now, within)

    def _behind(self) -> bool:
        """Whether there are rows that have changed since they were filed, or have not been."""
        return bool(self.table.changed) or len(self._home) < len(self.table)

    def set_sets(self, sets: JobSets | None) -> None:
        """Show sets, or every job alone."""
        if sets is not self.sets:
            self.sets = sets
            rows = sorted(self.rows(), key=self._place)
            with collector_off():
                self._arrange(rows)
            self.revision += 1

    def rebuild(self, now: float, within: Sequence[int] | None = None) -> None:
        """File every row anew; if it is known that no others match, only those ``within``."""
        table = self.table
        rows = self.query.matching(table, now, range(len(table)) if within is None else within)
        self.revision += 1
        with collector_off():
            self._keys = self._keys_of(rows, now)
            order = sorted(rows, key=table.ids.__getitem__)
            order.sort(key=self._keys.__getitem__)
            self._counted = self._statuses()
            self._arrange(order)

    def _keys_of(self, rows: Sequence[int], now: float) -> list[SortKey]:
        """Return the keys of all rows, right for some at least."""
        table, column = self.table, self.column
        if column.keys is not None and len(rows) * 4 >= len(table):
            keys = column.keys(table, now)
            if self.ranked:
                ranks, names = self.query.search.ranks, table.name
                for row in rows:
                    keys[row] = ranks[names[row]], keys[row]
            return keys
        found: list[SortKey] = [0.0] * len(table)
        key = self._key()
        for row in rows:
            found[row] = key(table, row, now)
        return found

    def _key(self) -> Callable[[JobTable, int, float], SortKey]:
        """Return what makes the key of a row."""
        if not self.ranked:
            return self.column.key
        ranks = self.query.search.ranks
        return lambda table, row, now: (ranks[table.name[row]], state_key(table, row, now))

    def _statuses(self) -> bytearray:
        """Return the statuses of all rows, as they are counted."""
        table = self.table
        found = bytearray(table.status)
        if FLUX_JOB_PRIORITY_MIN in table.priority or Urgency.HOLD in table.urgency:
            for row in table.active:
                found[row] = self._status(row)
        return found

    def _status(self, row: int) -> int:
        table = self.table
        status = table.status[row]
        if status != Status.SCHED:
            return status
        held = table.priority[row] == FLUX_JOB_PRIORITY_MIN or table.urgency[row] == Urgency.HOLD
        return HELD if held else status

    def _arrange(self, order: list[int]) -> None:
        """Make the orders of all matching rows, which come sorted."""
        table, sets = self.table, self.sets
        self._size = len(order)
        self.counts = _count(self._counted, order, len(table))
        self.members = {}
        if sets is None or not sets.by_number:
            self._file(order, None)
            self.top = Order(self._place_at_top, order)
            return
        sets.cover()
        self._file(order, sets.shown)
        home = self._home
        # By the set that they are in, those that are alone first; the order stays.
        filed = sorted(order, key=home.__getitem__)
        start = bisect_right(filed, ALONE, key=home.__getitem__)
        top = filed[:start]
        while start < len(filed):
            number = home[filed[start]]
            end = bisect_right(filed, number, start, key=home.__getitem__)
            self.members[number] = members = Members(Order(self._place, filed[start:end]))
            members.counts = _count(self._counted, members.order.items, len(table))
            start = end
        self.top = Order(self._place_at_top, top)
        self.top = self._arranged()

    def _file(self, rows: Sequence[int], sets: array[int] | None) -> None:
        """Note where the matching rows are: in their sets, if there are any."""
        total = len(self.table)
        if len(rows) == total:
            self._home = array("l", [ALONE]) * total if sets is None else sets[:]
            return
        self._home = home = array("l", [_ABSENT]) * total
        for row in rows:
            home[row] = ALONE if sets is None else sets[row]

    def _arranged(self) -> Order:
        """Return what is at the top in order, once sets are where their first jobs are."""
        order = Order(self._place_at_top, [item for item in self.top if item >= 0])
        for members in self.members.values():
            members.place = self._place(self._lead(members))
        if len(self.members) * 16 < len(order):
            order.splice((), map(item_of, self.members))
        else:
            order.items.extend(map(item_of, self.members))
            order.items.sort(key=self._place_at_top)
        return order

    # filing what changed

    def update(self, changed: set[int], now: float) -> None:
        """File the rows in ``changed`` anew; all others stay where they are."""
        if not changed:
            return
        if len(changed) * 2 > len(self.table) and len(changed) > FEW:
            self.rebuild(now)
            return
        missing = len(self.table) - len(self._home)
        self._keys.extend([0.0] * missing)
        self._home.extend([_ABSENT] * missing)
        self._counted.extend(bytes(missing))
        matches = self.query.compile(self.table, now)
        self.revision += 1
        for number in self._refile(changed, matches, now):
            self._place_set(number)

    def _moved(
        self, row: int, matches: Callable[[int], bool] | None, now: float
    ) -> tuple[int, SortKey]:
        """Return where a row belongs by now, and its key."""
        if matches is not None and not matches(row):
            return _ABSENT, 0.0
        home = ALONE if self.sets is None else self.sets.number_of(row)
        return home, self._key()(self.table, row, now)

    def _refile(
        self, changed: set[int], matches: Callable[[int], bool] | None, now: float
    ) -> set[int]:
        """Move rows, an order at a time; returns the sets whose jobs are others, or elsewhere."""
        gone: dict[int, list[int]] = {}
        new: dict[int, list[int]] = {}
        moved = []
        for row in changed:
            before, (after, key) = self._home[row], self._moved(row, matches, now)
            if before != after or key != self._keys[row]:
                moved.append((row, after, key))
                if before != _ABSENT:
                    # Found by the key it has now, before any key changes.
                    gone.setdefault(before, []).append(self._order(before).index(row))
            self._recount(row, before, after)
        for row, after, key in moved:
            self._home[row], self._keys[row] = after, key
            if after != _ABSENT:
                new.setdefault(after, []).append(row)
        touched = gone.keys() | new.keys()
        for number in touched:
            self._order(number).splice(gone.get(number, ()), new.get(number, ()))
        return touched - {ALONE}

    def _order(self, home: int) -> Order:
        if home == ALONE:
            return self.top
        members = self.members.get(home)
        if members is None:
            members = self.members[home] = Members(Order(self._place))
        return members.order

    def _recount(self, row: int, before: int, after: int) -> None:
        """Count a row where it is going to be, under the status it has by now."""
        old, new = self._counted[row], self._status(row)
        self._counted[row] = new
        if before == after and old == new:
            return
        for home, status, number in ((before, old, -1), (after, new, 1)):
            if home != _ABSENT:
                self.counts[status] += number
                self._size += number
                if home != ALONE:
                    self._order(home)
                    self.members[home].counts[status] += number

    def _place_set(self, number: int) -> None:
        """Bring a set to where the first of its jobs would be; one without jobs goes."""
        members, item = self.members[number], item_of(number)
        place = self._place(self._lead(members)) if len(members.order) else None
        if place == members.place:
            return
        if members.place is not None:
            self.top.remove(item)
        members.place = place
        if place is not None:
            self.top.add(item)
        else:
            del self.members[number]

    def due(self) -> set[int]:
        """Return the rows whose place may change by time alone: those still active, if order or
        filter look at the clock.
        """
        return set(self.table.active) if self.column.live or self.query.live else set()


def _count(statuses: bytearray, rows: Sequence[int], total: int) -> list[int]:
    """Return how many of some rows are counted under each status."""
    some = statuses if len(rows) == total else bytes(map(statuses.__getitem__, rows))
    return [some.count(status) for status in range(len(Status) + 1)]
