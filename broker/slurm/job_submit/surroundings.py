"""What plugins may look at besides the job: partitions, the other jobs, the nodes.

Partitions come with each message. Jobs and nodes are asked for over the broker's local connector,
if a plugin looks at them, once for each message. Jobs that were taken and are not listed yet are
added: a limit on jobs counts those that come together.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from broker.slurm.constants import NICE_OFFSET, NO_VAL
from broker.slurm.job_submit.job_desc import JobDesc, JobRec
from broker.slurm.job_submit.partitions import Nodes, Partition, Queue, may_use
from flux.constants import (
    FLUX_JOB_STATE_ACTIVE,
    FLUX_JOB_STATE_INACTIVE,
    FLUX_JOB_STATE_RUNNING,
    FLUX_USERID_UNKNOWN,
)
from flux.idset import IDset
from flux.job.describe import queue_name, requested, system_text, time_limit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from broker.slurm.job_submit.kinds import Value
    from broker.slurm.job_submit.talk import Talk
    from flux.core.handle import Flux
    from flux.wire.json import JsonObject

UNLISTED: Final = 5.0
"""Seconds after which a job that was taken and is still not listed has been refused after all."""
_PENDING, _RUNNING = 0, 1


class Surroundings:
    """The instance as plugins see it; ``uri`` is its broker's. What the broker does not tell is
    taken as none, and logged.
    """

    def __init__(self, uri: str, talk: Talk) -> None:
        self._uri = uri
        self._talk = talk
        self._handle: Flux | None = None
        self._queues: list[Queue] = []
        self.queue_names: frozenset[str | None] = frozenset()
        self._userid = 0
        self._parts: list[Partition] | None = None
        self._jobs: list[JobRec] | None = None
        self._nodes: dict[str, Nodes] = {}
        self._taken: dict[int, tuple[float, JobRec]] = {}

    def queues_are(self, queues: list[Queue]) -> None:
        """A message has come: take the queues as they are now, and forget jobs and nodes."""
        self._queues = queues
        self.queue_names = frozenset(queue.name for queue in queues)
        self._parts = self._jobs = None
        self._nodes.clear()

    def look_for(self, userid: int) -> None:
        """A job of this user is looked at."""
        if userid != self._userid:
            self._userid, self._parts = userid, None

    def taken(self, jobid: int, draft: JobDesc) -> None:
        """A job is taken: those after it see it, if anyone looks at jobs."""
        if self._jobs is not None:
            record = taken_record(jobid, draft)
            self._taken[jobid] = time.monotonic() + UNLISTED, record
            self._jobs.append(record)

    def partitions(self) -> list[Partition]:
        """Return the partitions that the user may use."""
        if self._parts is None:
            self._parts = [
                Partition(queue, self._nodes_of)
                for queue in self._queues
                if may_use(queue, self._userid)
            ]
        return self._parts

    def jobs(self) -> list[JobRec]:
        """Return the active jobs."""
        if self._jobs is None:
            listed: list[JsonObject] = []
            try:
                listed = self._list(FLUX_JOB_STATE_ACTIVE, attrs=["all"])
                self._forget_known({job["id"] for job in listed})
            except OSError as exc:
                self._talk.say(-1, f"job_submit: the jobs cannot be listed: {exc.strerror}")
            self._jobs = [listed_record(job) for job in listed]
            self._jobs += [job for _, job in self._taken.values()]
        return self._jobs

    def _forget_known(self, listed: set[int]) -> None:
        """Forget those of the jobs that were taken of which the list knows, ended ones too."""
        now = time.monotonic()
        left = {
            jobid: item
            for jobid, item in self._taken.items()
            if jobid not in listed and now < item[0]
        }
        if left:
            since = time.time() - 2 * UNLISTED
            for job in self._list(FLUX_JOB_STATE_INACTIVE, since=since):
                left.pop(job["id"], None)
        self._taken = left

    def _list(
        self, states: int, *, attrs: Sequence[str] = (), since: float = 0.0
    ) -> list[JsonObject]:
        from flux.job.list import job_list

        everybody = FLUX_USERID_UNKNOWN
        return job_list(self._flux(), 0, attrs, everybody, states, since=since).get_jobs()

    def _flux(self) -> Flux:
        from flux.core.handle import Flux

        if self._handle is None:
            self._handle = Flux(self._uri)
        return self._handle

    def _nodes_of(self, queue: Queue) -> Nodes:
        """Return the nodes of a queue, those with its properties."""
        if queue.name not in self._nodes:
            try:
                self._nodes[queue.name] = self._ask_for_nodes(queue)
            except OSError as exc:
                self._nodes[queue.name] = Nodes()
                self._talk.say(-1, f"job_submit: the nodes cannot be listed: {exc.strerror}")
        return self._nodes[queue.name]

    def _ask_for_nodes(self, queue: Queue) -> Nodes:
        from flux.resource.list import resource_list

        found = resource_list(self._flux()).get().all
        if queue.requires:
            wanted = frozenset(queue.requires)
            others = [rank for rank, has in found.properties_by_rank().items() if not wanted <= has]
            found = found.copy().remove_ranks(IDset(others))
        return Nodes(found.nodelist.encode(), found.nnodes, found.ncores)


def facts_of(job: Mapping[str, object]) -> dict[str, Value]:
    """Return what a list of jobs says about one, by the names of fields."""

    def number(key: str) -> int:
        value = job.get(key)
        return int(value) if isinstance(value, int | float) else 0

    def text(key: str) -> str | None:
        value = job.get(key)
        return value if isinstance(value, str) and value else None

    running = bool(number("state") & FLUX_JOB_STATE_RUNNING)
    jobid = number("id")
    return {
        "job_id": jobid,
        "job_id_text": str(jobid),
        "job_state": _RUNNING if running else _PENDING,
        "name": text("name"),
        "user_id": number("userid"),
        "partition": text("queue"),
        "account": text("bank"),
        "priority": number("priority"),
        "nice": NICE_OFFSET,
        "submit_time": number("t_submit"),
        "start_time": number("t_run"),
        "end_time": number("expiration"),
        "time_limit": -(-number("duration") // 60) or NO_VAL,
        "min_nodes": number("nnodes") or 1,
        "total_nodes": number("nnodes") if running else 0,
        "total_cpus": number("ncores") if running else 0,
        "nodes": text("nodelist"),
        "num_tasks": number("ntasks"),
        "min_cpus": number("ncores") or number("ntasks") or 1,
        "array_job_id": 0,
        "array_task_id": NO_VAL,
        "restart_cnt": 0,
        "exit_code": 0,
    }


def taken_record(jobid: int, draft: JobDesc) -> JobRec:
    """Return the record of a job that waits to be stored, as that of a list."""
    jobspec = draft.jobspec
    asked = requested(jobspec)
    return listed_record(
        {
            "id": jobid,
            "userid": draft.userid,
            "name": asked.name,
            "queue": queue_name(jobspec),
            "bank": system_text(jobspec, "bank"),
            "duration": time_limit(jobspec),
            "ntasks": asked.ntasks,
            "ncores": asked.ncores,
            "nnodes": asked.nnodes,
            "t_submit": time.time(),
        }
    )


def listed_record(job: JsonObject) -> JobRec:
    """Return the record of a job in a list."""
    return JobRec({}, int(job.get("userid") or 0), facts_of(job))
