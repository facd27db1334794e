"""The jobs that ``flux jobs --watch`` shows, and what an event of the journal says of them: no
input or output.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

from flux import constants
from flux.job.lifecycle import observed_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from flux.job.info import JobInfo
    from flux.job.list import JobList

_MOVES_ONLY = frozenset(
    ("submit", "validate", "depend", "alloc", "start", "finish", "release", "free", "clean")
)
"""Events that change nothing but the state, and what goes with it."""


def is_wanted(job: JobInfo, query: JobList, *, seen: bool = False) -> bool:
    """Tell whether a job is among those that a query asks for, which job-list tells of a list
    only.

    ``seen`` is for one that was submitted while it was watched: it was active, though it may have
    ended by now.
    """
    if query.ids:
        return job.id in query.ids
    if query.userid not in (constants.FLUX_USERID_UNKNOWN, job.userid):
        return False
    if query.queues is not None and job.queue not in query.queues:
        return False
    if query.name is not None and job.name != query.name:
        return False
    states = job.state_id | (constants.FLUX_JOB_STATE_ACTIVE if seen else 0)
    if query.states and not states & query.states:
        return False
    ended = job.state_id == constants.FLUX_JOB_STATE_INACTIVE
    return not (ended and query.results and not int(job.result_id or 0) & query.results)


class _Groups(NamedTuple):
    """Jobs by their ids, in the order in which they came to run, to wait, to an end."""

    running: dict[int, JobInfo]
    pending: dict[int, JobInfo]
    ended: dict[int, JobInfo]

    def has(self, jobid: int) -> bool:
        """Tell whether a job is shown."""
        return any(jobid in group for group in self)

    def put(self, jobid: int, job: JobInfo) -> None:
        """Put a job where it belongs; one that stays in its group keeps its place."""
        if job.state_id & constants.FLUX_JOB_STATE_RUNNING:
            place = self.running
        else:
            over = job.state_id == constants.FLUX_JOB_STATE_INACTIVE
            place = self.ended if over else self.pending
        for group in self:
            if group is not place:
                group.pop(jobid, None)
        place[jobid] = job


class WatchedJobs:
    """The jobs to show, by their ids, and the least state that each is in by the journal.

    ``wanted`` tells whether a job is to be shown, given whether its submission was seen. Once it
    is shown it stays: how it ended is what a watch is for.
    """

    def __init__(self, wanted: Callable[[JobInfo, bool], bool]) -> None:
        self._wanted = wanted
        self._states: dict[int, int] = {}
        self._seen: set[int] = set()
        self._shown = _Groups({}, {}, {})

    def begin(self, jobs: list[JobInfo]) -> list[JobInfo]:
        """Take a list of job-list, which has those that ended last first; returns those that are
        shown.
        """
        ended = constants.FLUX_JOB_STATE_INACTIVE
        over = [job for job in jobs if job.state_id == ended]
        shown = {int(job.id) for job in reversed(over) if self.take(job)}
        shown |= {int(job.id) for job in jobs if job.state_id != ended and self.take(job)}
        return [job for job in jobs if int(job.id) in shown]

    def take(self, job: JobInfo) -> bool:
        """Take what job-list says of a job; returns whether it is shown."""
        jobid = int(job.id)
        self._states[jobid] = job.state_id
        seen = jobid in self._seen
        self._seen.discard(jobid)
        if not self._shown.has(jobid) and not self._wanted(job, seen):
            return False
        self._shown.put(jobid, job)
        return True

    def event(
        self, jobid: int, name: str, context: Mapping[str, object] | None, *, past: bool
    ) -> int | None:
        """Take an event; returns the state in which job-list is to be asked for the job, None if
        there is nothing to ask.

        ``past`` is for the events with which the journal begins: what they changed has been told
        with the list, unless a job has moved on since.
        """
        if name == "submit" and not past:
            self._seen.add(jobid)
        before = self._states.get(jobid, constants.FLUX_JOB_STATE_NEW)
        after = observed_state(before, name, dict(context or {}))
        self._states[jobid] = after
        if after == before and (past or name in _MOVES_ONLY):
            return None
        return after

    @property
    def over(self) -> bool:
        """Whether no job that is shown can change any more."""
        return not (self._shown.running or self._shown.pending)

    def drop(self, jobids: Iterable[int]) -> None:
        """Forget jobs that there are not any more, purged before they were seen to end."""
        for jobid in jobids:
            for group in self._shown:
                group.pop(jobid, None)

    def active(self) -> list[JobInfo]:
        """Return the jobs that are shown and can change."""
        return [*self._shown.running.values(), *self._shown.pending.values()]

    def rows(self, most: int | None = None) -> list[JobInfo]:
        """Return the jobs as they are shown, the first ``most`` of them: those that run, those
        that wait, those that ended, the newest first among the last.
        """
        running, pending, ended = self._shown
        return list(
            islice(chain(running.values(), pending.values(), reversed(ended.values())), most)
        )

    def counts(self) -> tuple[int, int, int]:
        """Return how many jobs run, wait and have ended."""
        running, pending, ended = self._shown
        return len(running), len(pending), len(ended)
