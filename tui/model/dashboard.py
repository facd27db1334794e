"""Everything the dashboard knows about one instance. The feed writes, the screens read."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from tui.model.chronicle import TIMED, Chronicle
from tui.model.column import fit
from tui.model.columns import BY_NAME, columns_from_format
from tui.model.description import describe, describe_r, describe_update
from tui.model.economy import Variety
from tui.model.estimate import RunTimes
from tui.model.event_ring import EventRing
from tui.model.facts import Connection, InstanceInfo, StateCounts
from tui.model.lines import TableLines
from tui.model.liveness import Liveness
from tui.model.notes import NoteKind, waits_facts
from tui.model.purging import carry_over, without
from tui.model.query import Query, values_of
from tui.model.sets import ALONE, JobSets
from tui.model.states import PENDING, RUNNING, Status
from tui.model.stats import SPAN, ResourceCounts, Throughput, Utilisation
from tui.model.table import JobTable
from tui.model.trends import Trends
from tui.model.view import JobView
from tui.model.watching import Watching

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from flux.wire.json import JsonMapping
    from tui.model.column import Column
    from tui.model.notes import Tape
    from tui.model.records import Job


_OUTLIVES_JOBS: Final = (
    *("chronicle", "throughput", "utilisation", "run_times", "variety", "seconds_left"),
)
FADED: Final = 0.6
"""Seconds for which a job that has changed stands out."""


class Dashboard(Liveness):
    """Job table, view and statistics of an instance that answers, or does not."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self.instance = InstanceInfo()
        self.marks: set[int] = set()
        self.read_only = False
        self.guest = False
        self.watching = Watching(clock())
        self.told = False
        """Whether the instance has told of its jobs: before, that there are none is not known."""
        self.notices: tuple[str, ...] = ()
        self.recent = EventRing()
        self.loading: StateCounts | None = None
        self.grouping = True
        self.chosen_columns: tuple[Column, ...] | None = None
        self.format = ""
        self._to_unfold: list[int] = []
        self.trends = Trends()
        self.chronicle: Chronicle | None = Chronicle(self.trends)
        self.tape: Tape | None = None
        self.zoom = 1
        """Which of `SPANS` the charts show."""
        self.reset()

    def reset(self, table: JobTable | None = None) -> None:
        """Forget all jobs; the sort order, the filter and which sets are unfolded stay. Marks are
        kept: they are ids. So are the trends: what was seen was seen. With ``table``, its jobs are
        those that there are.
        """
        if self.chronicle is not None:
            self.chronicle.restart()
        old: JobView | None = getattr(self, "view", None)
        if old is not None:
            self._to_unfold += self._unfolded_ids()
        self.table = JobTable() if table is None else table
        self.sets = JobSets(self.table)
        self.variety = Variety(self.table)
        self.throughput = Throughput()
        self.utilisation = Utilisation()
        self.run_times = RunTimes()
        self.seconds_left: float | None = None
        self.flash: dict[int, float] = {}
        self.view = (
            JobView(self.table, old.column, old.reverse, old.query)
            if old is not None
            else JobView(self.table)
        )
        self.view.sets = self.sets if self.grouping else None
        self.lines = TableLines(self.view)
        self._last_due = 0.0
        self.loaded = False

    # written by the feed

    def replace(self, jobs: Sequence[Job]) -> None:
        """Start over with ``jobs``: after a reconnection, so that nothing is missing and nothing is
        there twice.
        """
        self.reset()
        self._tell(NoteKind.JOBS, {"new": True, "jobs": []})
        self.load(jobs)

    def load(self, jobs: Sequence[Job]) -> None:
        """Take in job-list records."""
        self._tell(NoteKind.JOBS, {"jobs": jobs})
        self.table.load(jobs)
        self.told = True
        self.revision += 1

    def forget(self, gone: Collection[int]) -> None:
        """Drop jobs, by id, that the instance has purged; what was seen of them stays in rates and
        trends.
        """
        self._tell(NoteKind.PURGED, {"gone": sorted(gone)})
        if self.chronicle is not None:
            self.chronicle.complete()
        # What is known of them counts; what changed is told to who asks next.
        changed = [self.table.ids[row] for row in self.settle()]
        kept = {name: getattr(self, name) for name in _OUTLIVES_JOBS}
        sets = self.sets
        self.chronicle = None  # it has not to begin anew
        self._to_unfold += self._unfolded_ids(gone)
        self.lines.unfolded.clear()
        self.reset(without(self.table, gone))
        for name, value in kept.items():
            setattr(self, name, value)
        self.variety.table = self.table
        self.marks -= set(gone)
        self.settle()
        self.table.changed.update(self.table.rows(changed))
        carry_over(sets, self.sets)
        self.revision += 1

    def apply(self, events: Iterable[JsonMapping]) -> None:
        """Take in events of the job manager's journal."""
        if self.tape is not None:
            events = list(events)
            if events:
                self._tell(NoteKind.EVENTS, {"events": events})
        table, note = self.table, self.recent.note
        for event in events:
            entry = event.get("entry")
            if isinstance(entry, dict):
                row = table.apply(event["id"], entry)
                note(event["id"], entry)
                if self.chronicle is not None and entry.get("name") in TIMED:
                    self.chronicle.event(table, row, entry)
                jobspec = event.get("jobspec")
                if isinstance(jobspec, dict):
                    table.load([{"id": event["id"], **describe(jobspec)}])
                changed = describe_update(entry)
                if changed:
                    table.load([{"id": event["id"], **changed}])
                resources = event.get("R")
                if isinstance(resources, dict):
                    table.load([{"id": event["id"], **describe_r(resources)}])
                    table.changed.add(row)
        self.revision += 1

    def set_instance(self, instance: InstanceInfo) -> None:
        """Keep what is known of the instance."""
        self.instance = instance
        self._tell(NoteKind.INSTANCE, asdict(instance))
        self.revision += 1

    def set_loading(self, counts: StateCounts | None) -> None:
        """Keep what the instance says it has while its jobs are being read; None once they are."""
        self.loading = counts
        self.told = self.told or counts is not None
        self._tell(NoteKind.LOADING, {"counts": None if counts is None else counts._asdict()})
        self.revision += 1

    def set_resources(self, counts: ResourceCounts) -> None:
        """Take in how many cores and nodes are in use."""
        if counts != self.utilisation.counts or not self.utilisation.known:
            self._tell(NoteKind.RESOURCES, {"counts": counts.as_list()})
            self.utilisation.set(*counts)
            self.revision += 1

    def set_waits(self, waits: dict[int, str]) -> None:
        """Keep, by job id, why jobs wait for resources."""
        if waits != self.table.waits:
            self._tell(NoteKind.WAITS, waits_facts(self.table.waits, waits))
            self.table.waits = waits
            self.revision += 1

    def set_notices(self, notices: Iterable[str]) -> None:
        """Keep what the instance has to say of itself: queues that are stopped or disabled."""
        found = tuple(notices)
        if found != self.notices:
            self.notices = found
            self._tell(NoteKind.NOTICES, {"notices": found})
            self.revision += 1

    def set_link(self, up: bool, text: str = "", retry_at: float = 0.0, attempts: int = 0) -> None:
        """Record that the connection came up or went down."""
        self.told = self.told or up
        self.connect(Connection(up, text, retry_at, attempts))
        if self.lists_all:  # what answers may be another instance than before, without these jobs
            self.marks &= self.table.row_of.keys()
        self._tell(NoteKind.LINK, {**asdict(self.link), "heard": self.heard})
        self.revision += 1

    def _tell(self, kind: str, facts: JsonMapping) -> None:
        """Have what was told written down, if somebody records."""
        if self.tape is not None:
            self.tape.note(kind, facts)

    # called by the repaint timer

    def settle(self) -> set[int]:
        """Bring view and statistics up to date with the table; return the rows that changed."""
        now = self.clock()
        table = self.table
        changed = table.take_changed()
        moved = self.sets.update(changed) if changed else set()
        self.account(now)  # once the sets are known that jobs count for
        if changed:
            self.variety.update(changed)
            if self.loaded:
                self.view.update(changed | moved if moved else changed, now)
                if len(changed) < 2000:
                    self.flash.update(dict.fromkeys(changed, now))
            else:
                self.view.rebuild(now)
                self.loaded = True
            self._unfold_again()
        self._fade(now)
        if now - self._last_due >= 1.0:
            self._last_due = now
            self.view.update(self.view.due(), now)
            self.seconds_left = self.run_times.seconds_left(table, now)
        if self.tape is not None:
            self.tape.tick(self.asked if self.silence else 0.0, self.heard)
        return changed

    def rebuild_some(self) -> bool:
        """Find out more of the time before, where the screen has just been painted; tells whether
        there is more to find.
        """
        if self.chronicle is None or not self.chronicle.busy:
            return False
        self.chronicle.rebuild_some()
        return True

    def _fade(self, now: float) -> None:
        """Forget what changed a while ago; what is fading is drawn anew until it has."""
        if self.flash:
            self.flash = {row: since for row, since in self.flash.items() if now - since < FADED}
            self.revision += 1

    def account(self, now: float) -> None:
        """Take what happened up to ``now`` into the rates and trends."""
        table = self.table
        if table.finished:
            self._count_ended(table.finished, now)
            table.finished = []
        if self.chronicle is not None and self.link.up and self.loading is None:
            use = self.utilisation
            cores = (use.allocated, use.total) if use.known else None
            self.chronicle.settle(table, cores, now, not self.stale)

    def _count_ended(self, rows: list[int], now: float) -> None:
        """Take jobs that ended into the rates; those that were canceled, or never ran, say nothing
        of what the instance gets done.
        """
        table = self.table
        ended, started, status = table.t_inactive, table.t_run, table.status
        oldest = now - SPAN
        if self.chronicle is None or not self.chronicle.begun:
            # The jobs have just been read: most of them ended long ago.
            rows = [row for row in rows if ended[row] > oldest]
        own = [row for row in rows if started[row] and status[row] != Status.CANCELED]
        if self.chronicle is not None:
            self.chronicle.ended(table, own)
            own = [row for row in own if ended[row] > oldest]
        self.throughput.add([ended[row] for row in own])
        self.run_times.add(table, own)
        self.sets.count_ended(own)

    def _unfolded_ids(self, gone: Collection[int] = ()) -> list[int]:
        """Return a job of each set that is unfolded, one that is not ``gone``."""
        sets, ids = self.sets.by_number, self.table.ids
        found = (
            min((ids[row] for row in sets[number].rows if ids[row] not in gone), default=None)
            for number in self.lines.unfolded
            if number in sets
        )
        return [jobid for jobid in found if jobid is not None]

    def _unfold_again(self) -> None:
        """Unfold the sets that were unfolded before everything was read anew."""
        waiting = []
        for jobid in self._to_unfold:
            row = self.table.row_of.get(jobid)
            number = ALONE if row is None else self.sets.number_of(row)
            if number == ALONE:
                waiting.append(jobid)
            else:
                self.lines.unfold(number)
        self._to_unfold = waiting

    # read by the screens

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that are shown as far as there is room: the chosen ones, else those that
        tell jobs apart.
        """
        return self.variety.columns if self.chosen_columns is None else self.chosen_columns

    def fitted(self, width: int) -> list[tuple[Column, int]]:
        """Return the columns that there is room for in ``width`` cells, each with its width; those
        that somebody chose make room for no other.
        """
        return fit(self.columns, width, weigh=self.chosen_columns is None)

    def set_columns(self, columns: Sequence[Column] | None) -> None:
        """Show these columns, None for those that tell jobs apart."""
        self.chosen_columns = None if columns is None else tuple(columns)
        self.revision += 1

    def show_format(self, text: str) -> None:
        """Show the columns of an output format, of an empty one those that tell jobs apart; raises
        OSError if it cannot be read.
        """
        self.set_columns(columns_from_format(text) if text else None)
        self.format = text

    def set_sort(self, name: str, reverse: bool) -> None:
        """Sort by a column that is shown, or any that there is."""
        shown = {column.name: column for column in self.columns}
        self.view.set_sort(shown.get(name) or BY_NAME[name], reverse, self.clock())

    def flash_step(self, row: int) -> int:
        """Return how a job's state is to be drawn: 2 when it has just changed, 1 a moment later,
        else 0.
        """
        since = self.flash.get(row)
        if since is None:
            return 0
        return 2 if self.clock() - since < FADED / 2 else 1

    def set_query(self, text: str) -> None:
        """Filter by ``text``; raises QueryError and leaves the filter as it was if it cannot be
        read.
        """
        self.view.set_query(Query.parse(text), self.clock())

    def set_grouping(self, on: bool) -> None:
        """Show each set of like jobs as one line, or every job by itself."""
        self.grouping = on
        self.view.set_sets(self.sets if on else None)
        self.revision += 1

    def values_of(self, field: str) -> set[str]:
        """Return what jobs have in a text field of queries."""
        return values_of(self.table, field)

    @property
    def counts(self) -> StateCounts:
        """How many jobs are in which state: as counted here, or as the instance says while its jobs
        are read.
        """
        if self.loading is not None:
            return self.loading._replace(read=len(self.table))
        counts = self.table.counts
        return StateCounts(
            self.total(RUNNING),
            self.total(PENDING),
            counts[Status.COMPLETED],
            counts[Status.FAILED],
            counts[Status.CANCELED],
            counts[Status.TIMEOUT],
            len(self.table),
        )

    @property
    def lists_all(self) -> bool:
        """Whether a job that the table does not have is none of the instance's: not before all of
        the list has been read, nor while there is no connection.
        """
        return self.told and self.link.up and self.loading is None

    def hidden_marks(self) -> int:
        """Return how many marked jobs the filter hides, or are not known."""
        if not self.view.query.text:
            return len(self.marks) - len(self.marks & self.table.row_of.keys())
        return sum(1 for jobid in self.marks if not self._shows(jobid))

    def _shows(self, jobid: int) -> bool:
        row = self.table.row_of.get(jobid)
        return row is not None and row in self.view

    def total(self, group: Iterable[Status]) -> int:
        """Return how many jobs are in any status of ``group``."""
        return sum(self.table.counts[status] for status in group)
