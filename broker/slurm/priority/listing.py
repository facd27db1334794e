"""What ``flux priority`` is told: the factors of each waiting job, and their weights."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Final

from msgspec import structs

from broker.service import NO_REPLY, Reply
from flux.constants import FLUX_JOB_PRIORITY_MIN
from flux.job.lifecycle import PRIORITY, SCHED
from flux.job.priority_factors import FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.service import Request
    from broker.services.job_manager.states import Job
    from broker.slurm.priority.candidates import Candidate
    from broker.slurm.priority.driver import Multifactor
    from flux.wire.json import JsonObject

AT_A_TIME: Final = 1000
"""Jobs of one response."""


class PriorityListing:
    """Answers ``job-manager.priority-multifactor.list`` and ``.weights``."""

    def __init__(self, driver: Multifactor) -> None:
        self._driver = driver

    def weights(self, request: Request) -> Reply:
        """Return the weight of each factor."""
        return self._weights()

    def stats(self, request: Request) -> Reply:
        """Return how all jobs got their priorities anew the last time {count, jobs, changed,
        seconds, site_seconds}.
        """
        return structs.asdict(self._driver.rounds)

    def _weights(self) -> JsonObject:
        weight = self._driver.config.weight
        return {
            "age": weight.age,
            "assoc": weight.assoc,
            "fairshare": weight.fairshare,
            "jobsize": weight.job_size,
            "partition": weight.partition,
            "qos": weight.qos,
            "site": 1,
            "urgency": weight.urgency,
            "tres": {name: weight.tres[name] for name in self._driver.factors.tres_names},
        }

    async def stream(self, request: Request) -> Reply:
        """Stream the waiting jobs {ids?, userids?, queues?} in the order of their ids: first
        {fields, weights}, then {jobs} in which each job is an array of ``fields``. Guests see their
        own.
        """
        if not request.streaming:
            raise OSError(errno.EPROTO, "the request has to be a streaming one")
        wanted = _filter_of(request)
        request.respond({"fields": list(FIELDS), "weights": self._weights()})
        ids = sorted(self._driver.candidates)
        for start in range(0, len(ids), AT_A_TIME):
            rows = self._rows(ids[start : start + AT_A_TIME], wanted)
            if rows:
                request.respond({"jobs": rows})
            await asyncio.sleep(0)
        request.end()
        return NO_REPLY

    def _rows(self, ids: list[int], wanted: Callable[[Candidate], bool]) -> list[list[object]]:
        driver, rows = self._driver, []
        clock = driver.clock()
        for jobid in ids:
            candidate, job = driver.candidates.get(jobid), driver.actions.find(jobid)
            if candidate is None or job is None or not _waits(job) or not wanted(candidate):
                continue
            rows.append(self._row(candidate, job, clock))
        return rows

    def _row(self, candidate: Candidate, job: Job, clock: float) -> list[object]:
        """Return what `FIELDS` name."""
        driver, fixed = self._driver, candidate.fixed
        fair = driver.fair_share(candidate.member) if driver.config.weight.fairshare else 0.0
        return [
            candidate.id,
            candidate.userid,
            candidate.member.user,
            candidate.queue,
            candidate.member.account,
            candidate.qos,
            job.priority,
            candidate.site,
            driver.age(candidate, clock),
            fixed.assoc,
            fair,
            fixed.job_size,
            fixed.partition,
            fixed.qos,
            driver.factors.nice(candidate.nice, job.urgency),
            list(fixed.tres),
        ]


def _waits(job: Job) -> bool:
    """Whether a job has a priority that counts: it waits, and is not held."""
    return job.state in (PRIORITY, SCHED) and job.priority > FLUX_JOB_PRIORITY_MIN


def _filter_of(request: Request) -> Callable[[Candidate], bool]:
    """Return the condition of a request; raises OSError(EPROTO) for a malformed one."""
    ids, userids, queues = (_set_of(request, key) for key in ("ids", "userids", "queues"))
    if not request.is_owner:
        userids = {request.userid} if userids is None else userids & {request.userid}

    def wanted(candidate: Candidate) -> bool:
        return (
            (ids is None or candidate.id in ids)
            and (userids is None or candidate.userid in userids)
            and (queues is None or candidate.queue in queues)
        )

    return wanted


def _set_of(request: Request, key: str) -> set[object] | None:
    value = request.get(key, list, None)
    if value is None:
        return None
    if not all(isinstance(one, int | str) for one in value):
        raise OSError(errno.EPROTO, f"{key} should be numbers or names")
    return set(value)
