"""Everything the dashboard knows about one instance. The feed writes, the screens read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from flux.job.describe import allocation, job_name, requested
from flux.job.updates import EXPIRATION, JOBSPEC_UPDATE, RESOURCE_UPDATE, current_jobspec
from tui.model.estimate import RunTimes
from tui.model.query import Query, values_of
from tui.model.states import DONE, PENDING, RUNNING, Status
from tui.model.stats import SPAN, Throughput, Utilisation
from tui.model.table import Job, JobTable
from tui.model.view import JobView
from tui.model.watching import Watching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from flux.wire.json import JsonMapping, JsonObject


@dataclass(slots=True)
class InstanceInfo:
    """The instance the dashboard shows."""

    uri: str = ""
    size: int = 0
    version: str = ""
    started: float = 0.0
    owner: int = -1
    hostname: str = ""


@dataclass(slots=True)
class Connection:
    """The connection: ``up`` once loaded; otherwise ``text`` says why not and ``retry_at`` when it
    is tried again.
    """

    up: bool = False
    text: str = "connecting"
    retry_at: float = 0.0
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class StateCounts:
    """How many jobs are in which state; ``read`` of them are in the table, fewer while it is
    loaded.
    """

    running: int = 0
    pending: int = 0
    completed: int = 0
    failed: int = 0
    canceled: int = 0
    timeout: int = 0
    read: int = 0

    @property
    def over(self) -> int:
        """Jobs that have ended, however."""
        return self.completed + self.failed + self.canceled + self.timeout

    @property
    def total(self) -> int:
        """All jobs."""
        return self.running + self.pending + self.over

    @property
    def complete(self) -> bool:
        """Whether all jobs are in the table."""
        return self.read >= self.total


SILENCE: Final = 5.0
"""Seconds without an answer after which what is shown counts as old."""


class Dashboard:
    """Job table, view, statistics and link state; ``clock`` is the wall clock, replaced in
    tests.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.instance = InstanceInfo()
        self.link = Connection()
        self.revision = 0
        self.marks: set[int] = set()
        self.read_only = False
        self.watching = Watching(clock())
        self.heard = clock()
        self.asked = 0.0
        self.notices: tuple[str, ...] = ()
        self.loading: StateCounts | None = None
        self.reset()

    def reset(self) -> None:
        """Forget all jobs; the sort order and filter stay. Marks are kept: they are ids."""
        old: JobView | None = getattr(self, "view", None)
        self.table = JobTable()
        self.throughput = Throughput()
        self.utilisation = Utilisation()
        self.run_times = RunTimes()
        self.seconds_left: float | None = None
        self.flash: dict[int, float] = {}
        self.view = (
            JobView(self.table, old.column.name, old.reverse, old.query)
            if old is not None
            else JobView(self.table)
        )
        self._last_due = 0.0
        self.loaded = False

    # written by the feed

    def replace(self, jobs: Sequence[Job]) -> None:
        """Start over with ``jobs``: after a reconnection, so that nothing is missing and nothing is
        there twice.
        """
        self.reset()
        self.load(jobs)

    def load(self, jobs: Sequence[Job]) -> None:
        """Take in job-list records."""
        self.table.load(jobs)
        self.revision += 1

    def apply(self, events: Iterable[JsonMapping]) -> None:
        """Take in events of the job manager's journal."""
        table = self.table
        for event in events:
            entry = event.get("entry")
            if isinstance(entry, dict):
                row = table.apply(event["id"], entry)
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

    def ask(self) -> None:
        """Record that the instance was asked something and has to answer."""
        self.asked = self.asked or self.clock()

    def hear(self) -> None:
        """Record that the instance answered or told something."""
        if self.silence:
            self.revision += 1
        self.heard, self.asked = self.clock(), 0.0

    def set_notices(self, notices: Iterable[str]) -> None:
        """Keep what the instance has to say of itself: queues that are stopped or disabled."""
        found = tuple(notices)
        if found != self.notices:
            self.notices = found
            self.revision += 1

    def set_link(self, up: bool, text: str = "", retry_at: float = 0.0, attempts: int = 0) -> None:
        """Record that the connection came up or went down."""
        if up:
            self.hear()
        else:
            self.asked = 0.0
        self.link = Connection(up, text, retry_at, attempts)
        self.revision += 1

    # called by the repaint timer

    def settle(self) -> set[int]:
        """Bring view and statistics up to date with the table; return the rows that changed."""
        now = self.clock()
        table = self.table
        changed = table.take_changed()
        if table.finished:
            self._count_ended(table.finished, now)
            table.finished = []
        first = not self.loaded
        if changed:
            if first:
                self.view.rebuild(now)
                self.loaded = True
            else:
                self.view.update(changed, now)
                if len(changed) < 2000:
                    self.flash.update(dict.fromkeys(changed, now))
        if now - self._last_due >= 1.0:
            self._last_due = now
            self.view.update(self.view.due(), now)
            self.flash = {row: since for row, since in self.flash.items() if now - since < 1.5}
            self.seconds_left = self.run_times.seconds_left(table, now)
        return changed

    def _count_ended(self, rows: list[int], now: float) -> None:
        """Take jobs that ended into the rates; those that were canceled, or never ran, say nothing
        of what the instance gets done.
        """
        table = self.table
        ended, started, status = table.t_inactive, table.t_run, table.status
        own = [
            row
            for row in rows
            if ended[row] > now - SPAN and started[row] and status[row] != Status.CANCELED
        ]
        self.throughput.add([ended[row] for row in own])
        self.run_times.add(table, own)

    # read by the screens

    def set_query(self, text: str) -> None:
        """Filter by ``text``; raises QueryError and leaves the filter as it was if it cannot be
        read.
        """
        self.view.set_query(Query.parse(text), self.clock())

    def values_of(self, field: str) -> set[str]:
        """Return what jobs have in a text field of queries."""
        return values_of(self.table, field)

    @property
    def silence(self) -> float:
        """How many seconds the instance has owed an answer, 0 while that is not worth a word."""
        waited = self.clock() - self.asked if self.asked else 0.0
        return waited if waited >= SILENCE else 0.0

    @property
    def stale(self) -> bool:
        """Whether what is shown is how things were at ``heard`` and may no longer be so."""
        return not self.link.up or self.silence > 0

    @property
    def moment(self) -> float:
        """The time that what is shown is of: now, or when the instance was last heard of."""
        return self.heard if self.stale else self.clock()

    @property
    def counts(self) -> StateCounts:
        """How many jobs are in which state: as counted here, or as the instance says while its jobs
        are read.
        """
        if self.loading is not None:
            return replace(self.loading, read=len(self.table))
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

    @property
    def done(self) -> int:
        """How many jobs are over."""
        return self.total(DONE)

    @property
    def pending(self) -> int:
        """How many jobs wait."""
        return self.total(PENDING)


def describe(jobspec: object) -> JsonObject:
    """Return what a jobspec tells of a job, as the job list names it; what it does not hold is left
    out.
    """
    found = requested(jobspec)
    facts = {"name": found.name, "ntasks": found.ntasks, "nnodes": found.nnodes}
    return {name: value for name, value in facts.items() if value is not None}


def describe_update(entry: JsonMapping) -> JsonObject:
    """Return what an entry of an eventlog changes of a job, as the job list names it."""
    context = entry.get("context")
    if not isinstance(context, dict):
        return {}
    if entry.get("name") == RESOURCE_UPDATE and EXPIRATION in context:
        return {EXPIRATION: float(context[EXPIRATION])}
    if entry.get("name") != JOBSPEC_UPDATE:
        return {}
    name = job_name(current_jobspec({}, [entry]))
    return {} if name is None else {"name": name}


def describe_r(resources: object) -> JsonObject:
    """Return what an R tells of a job, as the job list names it."""
    found = allocation(resources)
    return {
        "ranks": found.ranks,
        "nodelist": found.nodelist,
        "nnodes": found.nnodes,
        "expiration": found.expiration,
    }
