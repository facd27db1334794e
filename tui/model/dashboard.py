"""Everything the dashboard knows about one instance. The feed writes, the screens read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flux.job.describe import allocation, job_name, requested
from flux.job.updates import EXPIRATION, JOBSPEC_UPDATE, RESOURCE_UPDATE, current_jobspec
from tui.model.query import Query
from tui.model.states import DONE, PENDING, Status
from tui.model.stats import SPAN, Throughput, Utilisation
from tui.model.table import Job, JobTable
from tui.model.view import JobView

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
        self.reset()

    def reset(self) -> None:
        """Forget all jobs; the sort order and filter stay. Marks are kept: they are ids."""
        old: JobView | None = getattr(self, "view", None)
        self.table = JobTable()
        self.throughput = Throughput()
        self.utilisation = Utilisation()
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

    def set_link(self, up: bool, text: str = "", retry_at: float = 0.0, attempts: int = 0) -> None:
        """Record that the connection came up or went down."""
        self.link = Connection(up, text, retry_at, attempts)
        self.revision += 1

    # called by the repaint timer

    def settle(self) -> set[int]:
        """Bring view and statistics up to date with the table; return the rows that changed."""
        now = self.clock()
        table = self.table
        changed = table.take_changed()
        if table.finished:
            self.throughput.add([t for t in table.finished if t > now - SPAN])
            table.finished.clear()
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
        return changed

    # read by the screens

    def set_query(self, text: str) -> None:
        """Filter by ``text``; raises QueryError and leaves the filter as it was if it cannot be
        read.
        """
        self.view.set_query(Query.parse(text), self.clock())

    def targets(self, cursor_row: int | None) -> list[int]:
        """Return the job ids an action is for: the marked ones, else the one under the cursor."""
        if self.marks:
            return sorted(jobid for jobid in self.marks if jobid in self.table.row_of)
        return [self.table.ids[cursor_row]] if cursor_row is not None else []

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
