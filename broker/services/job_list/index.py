"""All jobs in the orders they are listed in, so that a short answer costs little however many jobs
there are.

Pending jobs are listed by priority, the oldest first among equals; running jobs by the time they
began, newest first; inactive jobs by the time they ended, newest first. Inactive jobs are kept by
user and result, pending ones by state.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from itertools import chain
from typing import TYPE_CHECKING, Final

from broker.ordered import OrderedKeys
from broker.services.job_list.counts import LISTED, JobCounts
from broker.services.job_list.record import ListedJob
from flux.constants import (
    FLUX_JOB_STATE_INACTIVE,
    FLUX_JOB_STATE_NEW,
    FLUX_JOB_STATE_PENDING,
    FLUX_JOB_STATE_RUNNING,
    FLUX_USERID_UNKNOWN,
)
from flux.job.state_names import LISTED_STATES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from broker.services.job_list.constraint import Choice
    from flux.wire.json import JsonMapping, JsonObject

_PENDING: Final = tuple(state for state in LISTED if state & FLUX_JOB_STATE_PENDING)
_PendingKey = tuple[int, int]


def _pending_key(job: ListedJob) -> _PendingKey:
    # One without a priority yet counts as 0, as one that is held: among both the oldest is first.
    return (-(job.priority or 0), job.id)


def _ended(job: ListedJob) -> tuple[float, int]:
    return (job.t_inactive or 0.0, job.id)


def _started(job: ListedJob) -> tuple[float, int]:
    return (job.t_run if job.t_run is not None else job.t_cleanup or 0.0, job.id)


class JobIndex:
    """Every job of the instance."""

    def __init__(self) -> None:
        self._jobs: dict[int, ListedJob] = {}
        self._pending: dict[int, OrderedKeys[_PendingKey]] = {
            state: OrderedKeys() for state in _PENDING
        }
        self._running: dict[int, ListedJob] = {}
        self._inactive: dict[tuple[int, int], list[ListedJob]] = {}
        self._counts = JobCounts()
        self._queues: dict[str, JobCounts] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, id: object) -> bool:
        return id in self._jobs

    def get(self, id: int) -> ListedJob | None:
        """Return a job, None if it is not known."""
        return self._jobs.get(id)

    def update(
        self,
        id: int,
        entry: JsonMapping,
        *,
        seq: int | None = None,
        jobspec: JsonMapping | None = None,
        resources: JsonMapping | None = None,
    ) -> ListedJob:
        """Apply one event of the journal to a job, which is created at its first event.

        ``seq`` is the number of ``entry`` in the job's eventlog, negative for what is not in the
        eventlog; an entry that was seen before is ignored. The ``jobspec`` comes with the first
        event, ``resources``, its R, with the alloc event.
        """
        job = self._jobs.get(id)
        if job is None:
            job = self._jobs[id] = ListedJob(id)
        if seq is not None and seq >= 0:
            if seq <= job.seq:
                return job
            job.seq = seq
        if jobspec is not None:
            job.set_jobspec(jobspec)
        if resources is not None:
            job.set_resources(resources)
        before, key, queue = job.state, _pending_key(job), job.queue
        job.apply(entry)
        if queue != job.queue and before != FLUX_JOB_STATE_NEW:
            self._change_queue(job, before, queue)
        if job.state != before or (job.state in self._pending and key != _pending_key(job)):
            self._move(job, before, key)
        return job

    def _move(self, job: ListedJob, before: int, key: _PendingKey) -> None:
        after = job.state
        if before in self._pending:
            self._pending[before].remove(key)
        elif after == FLUX_JOB_STATE_INACTIVE:
            self._running.pop(job.id, None)
        for counts in self._counts_of(job.queue):
            counts.move(before, after)
        if after in self._pending:
            self._pending[after].add(_pending_key(job))
        elif after == FLUX_JOB_STATE_INACTIVE:
            self._add_inactive(job)
        else:
            self._running[job.id] = job

    def _add_inactive(self, job: ListedJob) -> None:
        result = job.result or 0
        jobs = self._inactive.setdefault((job.userid, result), [])
        if jobs and _ended(jobs[-1]) > _ended(job):
            insort(jobs, job, key=_ended)
        else:
            jobs.append(job)
        for counts in self._counts_of(job.queue):
            counts.ended(job)

    def _counts_of(self, queue: str | None) -> tuple[JobCounts, ...]:
        """Return the numbers that a job of a queue is counted in."""
        if queue is None:
            return (self._counts,)
        own = self._queues.get(queue)
        if own is None:
            own = self._queues[queue] = JobCounts()
        return (self._counts, own)

    def _change_queue(self, job: ListedJob, state: int, before: str | None) -> None:
        """Count a job in its queue instead of the one ``before``, in the state it is counted in."""
        for counts in self._counts_of(before)[1:]:
            counts.move(state, FLUX_JOB_STATE_NEW)
            counts.ended(job, -(state == FLUX_JOB_STATE_INACTIVE))
        for counts in self._counts_of(job.queue)[1:]:
            counts.move(FLUX_JOB_STATE_NEW, state)
            counts.ended(job, int(state == FLUX_JOB_STATE_INACTIVE))

    def purge(self, id: int) -> None:
        """Forget an inactive job; another one is left alone."""
        job = self._jobs.get(id)
        if job is None or not job.inactive:
            return
        del self._jobs[id]
        for counts in self._counts_of(job.queue):
            counts.purge(job)
        result = job.result or 0
        jobs = self._inactive[job.userid, result]
        place = bisect_left(jobs, _ended(job), key=_ended)
        if jobs[place : place + 1] != [job]:  # a later event changed what it was sorted by
            place = jobs.index(job)
        del jobs[place]
        if not jobs:
            del self._inactive[job.userid, result]

    # Queries

    def select(
        self, states: int = 0, results: int = 0, userid: int = FLUX_USERID_UNKNOWN
    ) -> Iterator[ListedJob]:
        """Yield jobs in listing order.

        ``states`` is a union of states, ``results`` one of results that inactive jobs may have; 0
        means any. ``userid`` says whose jobs, FLUX_USERID_UNKNOWN everybody's.
        """
        states = states or LISTED_STATES
        active = chain(self._select_pending(states), self._select_running(states))
        for job in active:
            if userid in (FLUX_USERID_UNKNOWN, job.userid):
                yield job
        if states & FLUX_JOB_STATE_INACTIVE:
            yield from self._select_inactive(results, userid)

    def _select_pending(self, states: int) -> Iterator[ListedJob]:
        lists = [keys for state, keys in self._pending.items() if state & states and keys]
        for _, id in heapq.merge(*lists) if len(lists) > 1 else (lists[0] if lists else ()):
            yield self._jobs[id]

    def _select_running(self, states: int) -> Iterator[ListedJob]:
        if states & FLUX_JOB_STATE_RUNNING:
            for job in sorted(self._running.values(), key=_started, reverse=True):
                if job.state & states:
                    yield job

    def _select_inactive(self, results: int, userid: int) -> Iterator[ListedJob]:
        lists = [
            jobs
            for (owner, result), jobs in self._inactive.items()
            if (not results or result & results) and userid in (FLUX_USERID_UNKNOWN, owner)
        ]
        if len(lists) == 1:
            return reversed(lists[0])
        return heapq.merge(*map(reversed, lists), key=_ended, reverse=True)

    def inactive_since(self, since: float, name: str | None = None) -> Iterator[ListedJob]:
        """Yield jobs that ended after ``since`` (seconds since the epoch), newest first, of the
        given name if any.
        """
        for job in self._select_inactive(0, FLUX_USERID_UNKNOWN):
            if (job.t_inactive or 0.0) <= since:
                return
            if name is None or job.name == name:
                yield job

    def choose(
        self,
        choice: Choice,
        *,
        results: int = 0,
        userid: int = FLUX_USERID_UNKNOWN,
        since: float = 0.0,
    ) -> Iterator[ListedJob]:
        """Yield, in listing order, the jobs of a choice; those that ended at ``since``, seconds
        since the epoch, or before are left out.
        """
        if not choice.states:
            return
        for job in self.select(choice.states, results, userid):
            if job.inactive and (job.t_inactive or 0.0) <= since:
                return  # the newest come first, and nothing but inactive jobs comes after
            if choice.chooses(job):
                yield job

    def newest(self, userid: int) -> list[int]:
        """Return the ids of a user's jobs, the newest first: an id begins with a time (RFC 19)."""
        ids = (job.id for job in self._jobs.values() if job.userid == userid)
        return sorted(ids, reverse=True)

    def stats(self, queues: Iterable[str] = ()) -> JsonObject:
        """Return the counts of ``job-list.job-stats``: those of all jobs, and of ``queues`` and
        every other queue that has had a job.
        """
        names = sorted({*queues, *self._queues})
        none = JobCounts()
        return {
            **self._counts.answer(),
            "queues": [{"name": name, **self._queues.get(name, none).answer()} for name in names],
        }
