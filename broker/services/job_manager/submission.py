"""New jobs: taken in from job-ingest, refused by plugins or by the store, acknowledged once they
are stored.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import TYPE_CHECKING

from broker.jobtap.arguments import Rejected
from broker.jobtap.dependency_after import targets_of
from broker.jobtap.host import dependencies_of
from broker.service import NO_REPLY, request
from broker.services.job_manager.policy import JobPolicy
from broker.services.job_manager.shape import check_shape
from broker.services.job_manager.states import Job
from flux.security import wrapped
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broker.service import Answer, Reply, Request
    from broker.services.job_manager.core import ManagerCore
    from broker.services.job_manager.environment import EnvironmentPool
    from broker.services.job_manager.job_submit import JobSubmit
    from flux.wire.json import JsonObject

    Lines = Mapping[int, tuple[str, ...]]
    """What is told to the users of jobs, by their ids."""

_MAX_ID = 1 << 64
_FIELDS: dict[str, type | tuple[type, ...]] = {
    "id": int,
    "userid": int,
    "urgency": int,
    "flags": int,
    "t_submit": (int, float),
    "J": str,
    "jobspec": dict,
}


def parse_job(item: object) -> Job:
    """Return the job that an item of ``job-manager.submit`` describes; raises OSError(EPROTO)
    saying what is wrong with it.
    """
    if not isinstance(item, dict):
        raise OSError(errno.EPROTO, "a submitted job is not an object")
    for name, kind in _FIELDS.items():
        if not isinstance(item.get(name), kind) or isinstance(item.get(name), bool):
            raise OSError(errno.EPROTO, f"a submitted job has no valid {name}")
    if not 0 <= item["id"] < _MAX_ID:
        raise OSError(errno.EPROTO, "a submitted job has no valid id")
    try:
        check_shape(item["jobspec"])
    except ValueError as exc:
        raise OSError(errno.EINVAL, str(exc)) from None
    if "attributes" not in item["jobspec"]:
        text = "unable to unpack dependencies: Object item not found: attributes"
        raise OSError(errno.EINVAL, text)
    job = Job(item["id"], item["jobspec"])
    job.userid, job.urgency, job.flags = item["userid"], item["urgency"], item["flags"]
    job.t_submit = float(item["t_submit"])
    job.values = (("J", item["J"].encode()), ("jobspec", _text_of(item)))
    return job


def _text_of(item: JsonObject) -> bytes:
    """Return the text of the jobspec: a job-ingest of this broker gives it as ``text``."""
    text = item.get("text")
    if isinstance(text, bytes):
        return text
    try:
        return wrapped(item["J"])
    except ValueError:
        raise OSError(errno.EPROTO, "a submitted job has no valid J") from None


def _id_of(item: object) -> int:
    """Return the id of a malformed submission, so that it fails alone; raises OSError(EPROTO) if it
    has none.
    """
    id = item.get("id") if isinstance(item, dict) else None
    if type(id) is not int:
        raise OSError(errno.EPROTO, "a submitted job has no valid id")
    return id


class Submissions:
    """``job-manager.submit`` {jobs: [{id, userid, urgency, flags, t_submit, J, jobspec}]}, internal
    to job-ingest.

    It is answered with {errors: [[id, errnum, text]], busy, messages?}, ``busy`` if jobs start and
    end now, ``messages`` [[id, text]] what plugins tell the users of accepted jobs,
    once the accepted jobs are in the KVS, each
    with ``J``, the jobspec in it and its first events in one commit. A job that cannot be stored is
    among the errors and does not exist.
    """

    def __init__(
        self, core: ManagerCore, environments: EnvironmentPool, job_submit: JobSubmit
    ) -> None:
        self._core = core
        self._environments = environments
        self._job_submit = job_submit
        self.policy = JobPolicy(core.ctx.config)

    @request("submit")
    def submit(self, req: Request) -> Answer:
        """Take in jobs from job-ingest."""
        jobs: list[Job] = []
        errors: list[list[object]] = []
        for id, item in [(_id_of(item), item) for item in req.get("jobs", list)]:
            try:
                jobs.append(parse_job(item))
            except OSError as exc:
                errors.append([id, exc.errno, exc.strerror])
        if jobs and self._job_submit.active:
            return self._ask_plugins_first(req, jobs, errors)
        unknown = self._unknown_targets(jobs)
        if unknown:
            return self._look_up_first(req, jobs, errors, unknown)
        return self._take_all(req, jobs, errors, {})

    async def _ask_plugins_first(
        self, req: Request, jobs: list[Job], errors: list[list[object]]
    ) -> Reply:
        """Take in jobs as job-submit plugins of Slurm make them, but for those they refuse."""
        verdicts = await self._job_submit.look_at(jobs)
        taken, lines = [], {}
        for job, verdict in zip(jobs, verdicts, strict=True):
            if verdict.error is None:
                taken.append(job)
            else:
                text = "\n".join((*verdict.lines, str(verdict.error.strerror)))
                errors.append([job.id, verdict.error.errno, text])
            if verdict.lines:
                lines[job.id] = verdict.lines
        unknown = self._unknown_targets(taken)
        if unknown:
            return await self._look_up_first(req, taken, errors, unknown, lines)
        return self._take_all(req, taken, errors, lines)

    def _unknown_targets(self, jobs: list[Job]) -> set[int]:
        """Return the jobs that new ones depend on and of which nothing is known here."""
        plugins, found = self._core.plugins, set[int]()
        for job in jobs:
            with suppress(Rejected, OSError):
                found.update(targets_of(dependencies_of(job)))
        return {
            id for id in found if plugins.lookup(id) is None and self._core.ended.get(id) is None
        }

    async def _look_up_first(
        self,
        req: Request,
        jobs: list[Job],
        errors: list[list[object]],
        unknown: set[int],
        lines: Lines | None = None,
    ) -> Reply:
        """Take in jobs after looking up how the jobs that they depend on ended."""
        async with self._core.ended.looked_up(unknown):
            return self._take_all(req, jobs, errors, lines or {})

    def _take_all(
        self, req: Request, jobs: list[Job], errors: list[list[object]], lines: Lines
    ) -> Reply:
        admitted = []
        for job in jobs:
            try:
                self._take(job)
                admitted.append(job.id)
            except Rejected as exc:
                errors.append([job.id, errno.EINVAL, str(exc)])
            except OSError as exc:
                errors.append([job.id, exc.errno, exc.strerror])

        def settled() -> None:
            for id in admitted:
                error = self._core.refusals.pop(id, None)
                if error is not None:
                    errors.append([id, error.errno, error.strerror])
            answer = {"errors": errors, "busy": self._core.runs_jobs}
            if lines:
                answer["messages"] = [[id, "\n".join(lines[id])] for id in admitted if id in lines]
            req.respond(answer)

        if admitted:
            self._core.when_stored(settled, lambda _: settled())
        else:
            settled()
        return NO_REPLY

    def _take(self, job: Job) -> None:
        """Take in one job, wholly or not at all; raises Rejected or OSError."""
        try:
            self._admit(job)
        except Exception as exc:
            if self._core.machine.embryos.get(job.id) is job:
                self._core.machine.give_up(job)
            if isinstance(exc, Rejected | OSError):
                raise
            self._core.ctx.log.exception(f"submission of job {job.id}", exc)
            raise OSError(errno.EINVAL, "the job cannot be taken in") from exc

    def _admit(self, job: Job) -> None:
        """Take in one job; raises Rejected, or OSError when nothing can be stored."""
        changed = self._assign_queue(job)
        self._core.lifetime.check(job.jobspec or {})
        trouble = self._core.journal.trouble
        if trouble is not None:
            raise OSError(trouble.errno, f"the job cannot be stored: {trouble.strerror}")
        machine = self._core.machine
        if job.id in machine.jobs or job.id in machine.embryos:
            raise Rejected(f"job {job.id} exists already")
        if job.jobspec is not None:
            job.shared = self._environments.share(job.jobspec)
        dependencies = self._core.plugins.admit(job)
        machine.conceive(job)
        if changed:
            job.values = (job.values[0], ("jobspec", json.dumps(job.jobspec)))
        self._core.plugins.introduce(job, dependencies)
        context = {"userid": job.userid, "urgency": job.urgency, "flags": job.flags}
        if dependencies:  # an empty set for each job would be a tenth of its size
            job.dependencies_seen |= frozenset(dependencies)  # nobody else may add them meanwhile
        machine.post(job, "submit", context, job.t_submit)
        for description in dependencies:
            machine.post(job, "dependency-add", {"description": description})
        machine.let_go(job)

    def _assign_queue(self, job: Job) -> bool:
        """Put a job into its queue, by that queue's rules; returns whether they changed its
        jobspec. Raises Rejected, OSError.
        """
        queues, jobspec = self._core.machine.queues, job.jobspec or {}
        name = self.policy.choose(jobspec)
        queue = queues.of(name)
        if not queue.submission.on:
            raise Rejected(queue.why_disabled())
        job.queue = name
        return self.policy.apply(name, jobspec, job.userid)

    @request("getinfo", allow="guest")
    def getinfo(self, req: Request) -> dict[str, int]:
        """Return the greatest job id there has been, after which ids must be generated."""
        return {"max_jobid": self._core.machine.max_jobid}
