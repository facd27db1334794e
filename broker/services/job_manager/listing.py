"""``job-manager.list``: the active jobs as the job manager itself knows them, in queue order."""

from __future__ import annotations

import errno
from heapq import nsmallest
from typing import TYPE_CHECKING

from broker.service import request
from flux.job.lifecycle import CLEANUP, RUN
from flux.resource.ResourceSet import ResourceSet

if TYPE_CHECKING:
    from broker.service import Request
    from broker.services.job_manager.core import ManagerCore
    from broker.services.job_manager.states import Job
    from flux.wire.json import JsonObject


class ActiveList:
    """The list that tests and scripts of flux-core 0.29 look at; ``job-list`` is for users."""

    def __init__(self, core: ManagerCore) -> None:
        self._core = core

    @request("list", allow="guest")
    def list(self, req: Request) -> JsonObject:
        """List active jobs, at most ``max_entries`` (0: all): those that wait by priority and age,
        then those that run.
        """
        limit = req.get("max_entries", int)
        if limit < 0:
            raise OSError(errno.EPROTO, "max_entries must not be negative")
        jobs = self._core.machine.jobs
        chosen = nsmallest(limit or len(jobs), jobs.values(), key=_place)
        return {"jobs": [_entry(job) for job in chosen]}

    @request("resource-status")
    def resource_status(self, req: Request) -> JsonObject:
        """Return the resources that jobs have, as an R object {allocated}."""
        jobs = self._core.machine.jobs.values()
        held = [job.resources for job in jobs if job.has_resources and job.resources]
        return {"allocated": ResourceSet().add(*held).to_dict()}


def _place(job: Job) -> tuple[bool, int, int]:
    return (job.state in (RUN, CLEANUP), -job.priority, job.id)


def _entry(job: Job) -> JsonObject:
    entry: JsonObject = {
        "id": job.id,
        "userid": job.userid,
        "urgency": job.urgency,
        "priority": job.priority,
        "t_submit": job.t_submit,
        "state": job.state,
    }
    return entry | ({"annotations": job.annotations} if job.annotations else {})
