"""The jobs that ``flux jobs --watch`` shows, and what an event of the journal says of them: no
input or output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux import constants
from flux.job.lifecycle import observed_state

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
    states = job.state_id | (constants.FLUX_JOB_STATE_ACTIVE if seen else 0)
    if query.states and not states & query.states:
        return False
    ended = job.state_id == constants.FLUX_JOB_STATE_INACTIVE
    return not (ended and query.results and not int(job.result_id or 0) & query.results)


class WatchedJobs:
    """The jobs to show, by their ids, and the least state that each is in by the journal.

    ``wanted`` tells whether a job is to be shown, given whether its submission was seen. Once it
    is shown it stays: how it ended is what a watch is for.
    """

    def __init__(self, wanted: Callable[[JobInfo, bool], bool]) -> None:
        self._wanted = wanted
        self._states: dict[int, int] = {}
        self._seen: set[int] = set()
        self.jobs: dict[int, JobInfo] = {}

    def take(self, job: JobInfo) -> bool:
        """Take what job-list says of a job; returns whether it is shown."""
        jobid = int(job.id)
        self._states[jobid] = job.state_id
        seen = jobid in self._seen
        self._seen.discard(jobid)
        if jobid not in self.jobs and not self._wanted(job, seen):
            return False
        self.jobs[jobid] = job
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
        ended = constants.FLUX_JOB_STATE_INACTIVE
        return all(job.state_id == ended for job in self.jobs.values())

    def rows(self) -> list[JobInfo]:
        """Return the jobs as they are shown: those that run, those that wait, those that ended,
        the newest first among the last.
        """
        running: list[JobInfo] = []
        pending: list[JobInfo] = []
        ended: list[JobInfo] = []
        for job in self.jobs.values():
            if job.state_id & constants.FLUX_JOB_STATE_RUNNING:
                running.append(job)
            elif job.state_id == constants.FLUX_JOB_STATE_INACTIVE:
                ended.append(job)
            else:
                pending.append(job)
        ended.sort(key=lambda job: -float(job.to_dict().get("t_inactive") or 0.0))
        return [*running, *pending, *ended]

    def counts(self) -> tuple[int, int, int]:
        """Return how many jobs run, wait and have ended."""
        running = pending = 0
        for job in self.jobs.values():
            running += bool(job.state_id & constants.FLUX_JOB_STATE_RUNNING)
            pending += bool(job.state_id & constants.FLUX_JOB_STATE_PENDING)
        return running, pending, len(self.jobs) - running - pending
