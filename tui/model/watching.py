"""Which jobs somebody wants to be told of when they end, and what there is to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tui.model import format as fmt
from tui.model import reasons
from tui.model.jobid import f58
from tui.model.states import DONE, STATUS, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tui.model.query import Query
    from tui.model.table import JobTable

_BAD: Final = frozenset({Status.FAILED, Status.TIMEOUT})
_TOLD: Final = 10_000
"""Failures that are remembered as told."""


class EndOfJob(NamedTuple):
    """A job that ended; ``why`` is empty for one that was completed."""

    jobid: int
    name: str
    status: Status
    runtime: float
    why: str


class News(NamedTuple):
    """Jobs to tell of at once."""

    jobs: tuple[EndOfJob, ...]

    @property
    def bad(self) -> bool:
        """Whether one of them failed or ran out of time."""
        return any(job.status in _BAD for job in self.jobs)

    def text(self) -> str:
        """Return it as one line."""
        if len(self.jobs) == 1:
            (job,) = self.jobs
            word = STATUS[job.status].word
            # What the state says already (canceled: canceled by alice) is not said again.
            why = job.why.removeprefix(word).lstrip(" :")
            why = f": {why}" if why else ""
            spent = f" after {fmt.duration(job.runtime)}" if job.runtime else ""
            words = f"{f58(job.jobid)} {job.name} {word}{spent}{why}"
            return fmt.printable(words)
        parts = []
        for status in DONE:
            number = sum(job.status == status for job in self.jobs)
            if number:
                parts.append(f"{fmt.count(number)} {STATUS[status].word}")
        return f"{fmt.count(len(self.jobs))} jobs ended: {', '.join(sorted(parts))}"

    def environment(self) -> dict[str, str]:
        """Return it for a command: the first job, and how many there are."""
        first = self.jobs[0]
        return {
            "FLUX_JOBID": f58(first.jobid),
            # A command may have so much in its environment, and no more.
            "FLUX_JOBIDS": " ".join(f58(job.jobid) for job in self.jobs[:1000]),
            "FLUX_JOB_NAME": first.name.replace("\0", ""),
            "FLUX_JOB_STATUS": STATUS[first.status].word,
            "FLUX_JOB_COUNT": str(len(self.jobs)),
        }


class Watching:
    """Finds out of the rows that changed which jobs ended that are ``watched``, or failed and match
    a query, and tells them together, once in a while.

    ``since`` is when it began: failures before it are no news.
    """

    def __init__(self, since: float) -> None:
        self.watched: set[int] = set()
        self._since = since
        self._waiting: dict[int, EndOfJob] = {}
        self._told: dict[int, None] = {}
        self._last = 0.0

    def toggle(self, jobids: Iterable[int]) -> int:
        """Watch these jobs, or none of them any more if all are watched; return how many are
        watched from now on that were not.
        """
        wanted = set(jobids)
        fresh = len(wanted - self.watched)
        if fresh:
            self.watched |= wanted
        else:
            self.watched -= wanted
        return fresh

    def look(
        self, table: JobTable, changed: Iterable[int], failures: Query | None, now: float
    ) -> None:
        """Take in what changed."""
        matches = None
        if failures is not None:
            matches = failures.compile(table, now) or (lambda row: True)
        elif not self.watched:
            return
        for row in changed:
            if table.status[row] not in DONE:
                continue
            jobid = table.ids[row]
            if jobid in self.watched:
                self.watched.discard(jobid)
            elif not (
                matches is not None
                and table.status[row] in _BAD
                and table.t_inactive[row] >= self._since
                and jobid not in self._told
                and matches(row)
            ):
                continue
            self._note(table, row, now)

    def _note(self, table: JobTable, row: int, now: float) -> None:
        jobid, status = table.ids[row], Status(table.status[row])
        self._told[jobid] = None
        while len(self._told) > _TOLD:
            del self._told[next(iter(self._told))]
        why = "" if status is Status.COMPLETED else reasons.why_failed(table, row)
        runtime = table.runtime(row, now) if table.t_run[row] else 0.0
        self._waiting[jobid] = EndOfJob(jobid, table.name[row], status, runtime, why)

    def news(self, now: float, every: float) -> News | None:
        """Return what there is to tell, at most once in ``every`` seconds."""
        if not self._waiting or now - self._last < every:
            return None
        self._last = now
        told, self._waiting = self._waiting, {}
        return News(tuple(told.values()))
