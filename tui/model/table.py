"""All jobs of an instance, column by column.

One Python object for each job would cost ten times the memory and load ten times slower, so each
attribute is an array over rows, and a job is a row number. Rows are never removed or reordered;
views (`tui.model.view`) hold the order.
"""

from __future__ import annotations

import gc
from array import array
from contextlib import contextmanager
from itertools import compress, repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from flux.job.lifecycle import (
    OBSERVED,
    OBSERVED_FATAL,
    Annotations,
    Context,
    annotations_after,
    is_fatal,
    is_worse,
    result_of,
)
from flux.job.state_names import SINGLE_STATES
from flux.job.states import Urgency
from tui.model import states
from tui.model.records import (
    STATUS_OF,
    Job,
    as_number,
    numbers_of,
    shown_text,
    summaries_of,
    summary_alone,
    texts_of,
)
from tui.model.states import STATUS_INDEX, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from flux.wire.json import JsonMapping, JsonObject

_NO_STATUS: Final = -1
UNTOLD: Final = -1.0
"""The ``duration`` of a job of which it is not known; one without a time limit has 0."""
_URGENCY: Final = Urgency.DEFAULT.value
NUMBER_COLUMNS: Final[tuple[tuple[str, str, float], ...]] = (
    ("userid", "q", -1),
    ("urgency", "q", _URGENCY),
    ("priority", "q", -1),
    ("ntasks", "q", 0),
    ("nnodes", "q", 0),
    ("waitstatus", "q", _NO_STATUS),
    ("t_submit", "d", 0.0),
    ("t_run", "d", 0.0),
    ("t_cleanup", "d", 0.0),
    ("t_inactive", "d", 0.0),
    ("expiration", "d", 0.0),
    ("ncores", "q", 0),
    ("duration", "d", UNTOLD),
)
TEXT_COLUMNS: Final = ("name", "ranks", "nodelist", "queue", "bank", "project", "cwd")
_CHUNK: Final = 500
"""Records taken in at once: few enough to stay in the processor's cache while column after column
is read.
"""
_SPARSE: Final = ("exception_type", "dependencies")
"""What few jobs have."""
_MOSTSTATUS_OF: Final = 1000
_ACTIVE: Final = bytes(code != states.INACTIVE for code in range(256))
_STATES: Final = frozenset(SINGLE_STATES)


@contextmanager
def collector_off() -> Iterator[None]:
    """Keep the cycle collector from walking everything again and again while many objects are made
    at once.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class JobTable:
    """Columns over rows; ``changed`` collects the rows touched since the last `take_changed`,
    ``finished`` those of jobs that ended; ``waits`` has, by job id, why jobs wait for resources.
    """

    def __init__(self) -> None:
        self.row_of: dict[int, int] = {}
        self.ids: array[int] = array("Q")
        self.state = bytearray()
        self.status = bytearray()
        self.userid: array[int] = array("q")
        self.urgency: array[int] = array("q")
        self.priority: array[int] = array("q")
        self.ntasks: array[int] = array("q")
        self.nnodes: array[int] = array("q")
        self.waitstatus: array[int] = array("q")
        self.t_submit: array[float] = array("d")
        self.t_run: array[float] = array("d")
        self.t_cleanup: array[float] = array("d")
        self.t_inactive: array[float] = array("d")
        self.expiration: array[float] = array("d")
        self.ncores: array[int] = array("q")
        self.duration: array[float] = array("d")
        self.name: list[str] = []
        self.ranks: list[str] = []
        self.nodelist: list[str] = []
        self.queue: list[str] = []
        self.bank: list[str] = []
        self.project: list[str] = []
        self.cwd: list[str] = []
        self.where: list[str] = []
        self.annotations: dict[int, JsonObject] = {}
        self.waits: dict[int, str] = {}
        self.dependencies: dict[int, list[str]] = {}
        self.exception: dict[int, tuple[str, int, str]] = {}
        self.counts = [0] * len(Status)
        self.active: set[int] = set()
        self.undescribed: set[int] = set()
        self.changed: set[int] = set()
        self.finished: list[int] = []

    def __len__(self) -> int:
        return len(self.ids)

    # loading

    def load(self, jobs: Sequence[Job]) -> None:
        """Take in job-list records: unknown jobs become rows, known ones are brought up to date."""
        fresh: Sequence[Job] = jobs
        if self.row_of:
            fresh = []
            for job in jobs:
                row = self.row_of.get(job["id"])
                if row is None:
                    fresh.append(job)
                else:
                    self._update(row, job)
        with collector_off():
            for start in range(0, len(fresh), _CHUNK):
                self._append(fresh[start : start + _CHUNK])

    def _append(self, jobs: Sequence[Job]) -> None:
        first, last = len(self.ids), len(self.ids) + len(jobs)
        ids = list(map(itemgetter("id"), jobs))
        self.ids.extend(ids)
        self.row_of.update(zip(ids, range(first, last), strict=True))
        state = bytes(map(dict.get, jobs, repeat("state"), repeat(states.DEPEND)))
        results = map(dict.get, jobs, repeat("result"), repeat(0))
        status = bytes(map(STATUS_OF.__getitem__, zip(state, results, strict=True)))
        self.state += state
        self.status += status
        for name, kind, default in NUMBER_COLUMNS:
            getattr(self, name).extend(numbers_of(jobs, name, kind, default))
        for name in TEXT_COLUMNS:
            getattr(self, name).extend(texts_of(jobs, name))
        for code in range(len(self.counts)):
            self.counts[code] += status.count(code)
        self._append_annotations(jobs, first)
        for name in _SPARSE:
            having = map(dict.__contains__, jobs, repeat(name))
            for row, job in compress(enumerate(jobs, first), having):
                self._set_sparse(row, job)
        self.active.update(compress(range(first, last), state.translate(_ACTIVE)))
        self.finished.extend(compress(range(first, last), self.t_inactive[first:]))
        self.changed.update(range(first, last))

    def _append_annotations(self, jobs: Sequence[Job], first: int) -> None:
        """Take in the annotations of new rows; nearly always they are the resource summary
        alone.
        """
        notes = list(map(dict.get, jobs, repeat("annotations")))
        where = summaries_of(list(filter(None, notes)))
        if len(where) < len(notes):
            found = iter(where)
            where = [next(found) if note else "" for note in notes]
        self.where.extend(where)
        if "" in where:
            for row, note in compress(enumerate(notes, first), notes):
                if not self.where[row] and isinstance(note, dict):
                    self._set_annotations(row, note)

    def _set_sparse(self, row: int, job: Job) -> None:
        dependencies = job.get("dependencies")
        if dependencies:
            self.dependencies[row] = list(dependencies)
        kind = job.get("exception_type")
        if kind:
            self.exception[row] = (
                shown_text(kind),
                job.get("exception_severity", 0),
                shown_text(job.get("exception_note")),
            )

    def _update(self, row: int, job: Job) -> None:
        """Overwrite ``row`` with what ``job`` names.

        A record with a state is all that the job list knows, so annotations that it does not have
        are gone. What events told may be newer than the record: then its state and annotations are
        not taken.
        """
        self.undescribed.discard(row)
        for name, kind, default in NUMBER_COLUMNS:
            if name in job:
                getattr(self, name)[row] = as_number(job[name], kind, default)
        for name in TEXT_COLUMNS:
            if job.get(name):
                getattr(self, name)[row] = shown_text(job[name])
        self._set_sparse(row, job)
        state = job.get("state", 0)
        if state in _STATES and state >= self.state[row]:
            notes = job.get("annotations")
            self._set_annotations(row, notes if isinstance(notes, dict) else None)
            if state == states.INACTIVE != self.state[row]:
                self.finished.append(row)
            self._move(row, state, job.get("result", 0))
        self.changed.add(row)

    def has_ended(self, jobid: int) -> bool:
        """Whether the job is there and inactive."""
        row = self.row_of.get(jobid)
        return row is not None and self.state[row] == states.INACTIVE

    # events

    def add(self, jobid: int, t_submit: float = 0.0) -> int:
        """Return the row of ``jobid``, made if need be; a made one is in ``undescribed`` until a
        record names it.
        """
        row = self.row_of.get(jobid)
        if row is None:
            self._append([{"id": jobid, "state": states.DEPEND, "t_submit": t_submit}])
            row = len(self.ids) - 1
            self.undescribed.add(row)
        return row

    def apply(self, jobid: int, entry: JsonMapping) -> int:
        """Apply one eventlog entry (RFC 18, RFC 21) and return the row.

        Applying entries again that were applied, in their order, changes nothing.
        """
        name = entry.get("name", "")
        timestamp = entry.get("timestamp", 0.0)
        context = entry.get("context") or {}
        row = self.add(jobid, timestamp if name == "submit" else 0.0)
        handler = _EVENTS.get(name)
        if handler is not None:
            handler(self, row, name, context)
        moves = OBSERVED.get(name) or (OBSERVED_FATAL if is_fatal(name, context) else None)
        if moves is not None:
            before = self.state[row]
            self._moved(row, name, moves.get(before, before), timestamp)
        if handler is not None or moves is not None:
            self.changed.add(row)
        return row

    def _moved(self, row: int, name: str, state: int, timestamp: float) -> None:
        """Take in when an event came, and the state that follows it."""
        if name == "submit":
            self.t_submit[row] = timestamp
        before = self.state[row]
        if state == before:
            return
        if state == states.RUN:
            self.t_run[row] = timestamp
        elif state == states.CLEANUP:
            self.t_cleanup[row] = timestamp
        elif state == states.INACTIVE:
            self.t_inactive[row] = timestamp
            self.finished.append(row)
        self._move(row, state, self._result(row) if state == states.INACTIVE else 0)

    def _on_submit(self, row: int, name: str, context: Context) -> None:
        self.userid[row] = context.get("userid", -1)
        self.urgency[row] = context.get("urgency", _URGENCY)

    def _on_priority(self, row: int, name: str, context: Context) -> None:
        self.priority[row] = context.get("priority", -1)

    def _on_urgency(self, row: int, name: str, context: Context) -> None:
        self.urgency[row] = context.get("urgency", _URGENCY)

    def _on_exception(self, row: int, name: str, context: Context) -> None:
        severity = context.get("severity", 1)
        known = self.exception.get(row)
        if is_worse(severity, known[1] if known else None):
            kind, note = shown_text(context.get("type")), shown_text(context.get("note"))
            self.exception[row] = kind, severity, note

    def _on_finish(self, row: int, name: str, context: Context) -> None:
        self.waitstatus[row] = context.get("status", 0)

    def _on_annotations(self, row: int, name: str, context: Context) -> None:
        if "annotations" in context or name == "memo":
            self._set_annotations(row, annotations_after(self.annotations_of(row), name, context))

    def _on_dependency_add(self, row: int, name: str, context: Context) -> None:
        waiting = self.dependencies.setdefault(row, [])
        what = context.get("description", "")
        if what and what not in waiting:
            waiting.append(what)

    def _on_dependency_remove(self, row: int, name: str, context: Context) -> None:
        waiting = self.dependencies.get(row, [])
        if context.get("description") in waiting:
            waiting.remove(context["description"])

    def _set_annotations(self, row: int, notes: Annotations | None) -> None:
        """Keep ``notes`` instead of what was known; the scheduler's resource summary goes to the
        column ``where``.

        Every job that ran has that one, and hardly any has more: only then the object itself is
        kept.
        """
        sched = notes.get("sched") if notes else None
        summary = sched.get("resource_summary") if isinstance(sched, dict) else None
        self.where[row] = shown_text(summary)
        if notes and summary_alone(notes) is None:
            self.annotations[row] = notes
        else:
            self.annotations.pop(row, None)

    def annotations_of(self, row: int) -> Annotations | None:
        """Return the annotations of a job, None for none."""
        notes = self.annotations.get(row)
        if notes is None and self.where[row]:
            return {"sched": {"resource_summary": self.where[row]}}
        return notes

    def uri_of(self, row: int) -> str:
        """Return the URI of the instance that a job is, empty for one that is not, or that has
        ended.
        """
        notes = self.annotations.get(row) if self.state[row] == states.RUN else None
        if notes is None:
            return ""
        user = notes.get("user")
        return shown_text(user.get("uri")) if isinstance(user, dict) else ""

    def _result(self, row: int) -> int:
        status = self.waitstatus[row]
        kind, severity, _ = self.exception.get(row, ("", 1, ""))
        return result_of(None if status == _NO_STATUS else status, kind if severity == 0 else None)

    def _move(self, row: int, state: int, result: int) -> None:
        self.counts[self.status[row]] -= 1
        self.state[row] = state
        status = STATUS_INDEX[state << 4 | (result if state == states.INACTIVE else 0)]
        self.status[row] = status
        self.counts[status] += 1
        if state == states.INACTIVE:
            self.active.discard(row)
        else:
            self.active.add(row)

    # reading

    def take_changed(self) -> set[int]:
        """Return the rows touched since the last call and forget them."""
        changed, self.changed = self.changed, set()
        return changed

    def runtime(self, row: int, now: float) -> float:
        """Return the seconds ``row`` has run, or ran; -1 if it never started."""
        started = self.t_run[row]
        if not started:
            return -1.0
        return max(0.0, (self.t_cleanup[row] or self.t_inactive[row] or now) - started)

    def waited(self, row: int, now: float) -> float:
        """Return the seconds ``row`` was pending before it ran or ended."""
        until = self.t_run[row] or self.t_cleanup[row] or self.t_inactive[row] or now
        return max(0.0, until - self.t_submit[row])

    def record(self, row: int) -> Job:
        """Return a job as a record that `load` makes the same row of."""
        job: Job = {"id": self.ids[row], "state": self.state[row]}
        if self.state[row] == states.INACTIVE:
            job["result"] = states.RESULT_OF[Status(self.status[row])]
        for name, _, default in NUMBER_COLUMNS:
            value = getattr(self, name)[row]
            if value != default:
                job[name] = value
        for name in TEXT_COLUMNS:
            if getattr(self, name)[row]:
                job[name] = getattr(self, name)[row]
        notes = self.annotations_of(row)
        if notes:
            job["annotations"] = notes
        if row in self.dependencies:
            job["dependencies"] = self.dependencies[row]
        if row in self.exception:
            names = ("exception_type", "exception_severity", "exception_note")
            job.update(zip(names, self.exception[row], strict=True))
        return job

    def rows(self, jobids: Iterable[int]) -> list[int]:
        """Return the rows of those ids that are known."""
        return [self.row_of[jobid] for jobid in jobids if jobid in self.row_of]


_EVENTS: Final = {
    "submit": JobTable._on_submit,
    "priority": JobTable._on_priority,
    "urgency": JobTable._on_urgency,
    "alloc": JobTable._on_annotations,
    "annotations": JobTable._on_annotations,
    "memo": JobTable._on_annotations,
    "exception": JobTable._on_exception,
    "finish": JobTable._on_finish,
    "dependency-add": JobTable._on_dependency_add,
    "dependency-remove": JobTable._on_dependency_remove,
}
"""What an event tells of a job beside its state."""
