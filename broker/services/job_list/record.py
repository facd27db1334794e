"""One job as `flux jobs` sees it, brought up to date by the entries of its eventlog (RFC 21).

A record holds only numbers and shared strings, so a hundred thousand finished jobs stay affordable.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from sys import intern
from typing import Any, Final

from flux.constants import (
    FLUX_JOB_RESULT_CANCELED,
    FLUX_JOB_RESULT_COMPLETED,
    FLUX_JOB_RESULT_FAILED,
    FLUX_JOB_RESULT_TIMEOUT,
    FLUX_JOB_STATE_CLEANUP,
    FLUX_JOB_STATE_DEPEND,
    FLUX_JOB_STATE_INACTIVE,
    FLUX_JOB_STATE_NEW,
    FLUX_JOB_STATE_PRIORITY,
    FLUX_JOB_STATE_RUN,
    FLUX_JOB_STATE_SCHED,
)
from flux.hostlist import Hostlist
from flux.idset import IDset
from flux.wire import json

_RESULT_OF_EXCEPTION: Final = {
    "cancel": FLUX_JOB_RESULT_CANCELED,
    "timeout": FLUX_JOB_RESULT_TIMEOUT,
}


class JobRecord:
    """What the list knows of a job; None stands for "not known (yet)"."""

    __slots__ = (
        "annotations",
        "dependencies",
        "exception_note",
        "exception_severity",
        "exception_type",
        "expiration",
        "id",
        "name",
        "nnodes",
        "nodelist",
        "ntasks",
        "priority",
        "ranks",
        "result",
        "seq",
        "state",
        "t_cleanup",
        "t_depend",
        "t_inactive",
        "t_run",
        "t_submit",
        "urgency",
        "userid",
        "waitstatus",
    )

    def __init__(self, id: int) -> None:
        self.id = id
        self.seq = -1
        self.userid = 0
        self.urgency = 16
        self.state = FLUX_JOB_STATE_NEW
        self.priority: int | None = None
        self.name: str | None = None
        self.ntasks: int | None = None
        self.nnodes: int | None = None
        self.ranks: str | None = None
        self.nodelist: str | None = None
        self.expiration: float | None = None
        self.exception_severity: int | None = None
        self.exception_type: str | None = None
        self.exception_note: str | None = None
        self.result: int | None = None
        self.waitstatus: int | None = None
        self.annotations: dict[str, Any] | None = None
        self.dependencies: tuple[str, ...] = ()
        self.t_submit = 0.0
        self.t_depend: float | None = None
        self.t_run: float | None = None
        self.t_cleanup: float | None = None
        self.t_inactive: float | None = None

    @property
    def inactive(self) -> bool:
        """Whether the job has ended."""
        return self.state == FLUX_JOB_STATE_INACTIVE

    @property
    def failed_fatally(self) -> bool:
        """Whether a severity 0 exception was raised."""
        return self.exception_severity == 0

    @property
    def success(self) -> bool:
        """Whether the job ran, exited with status 0 and had no fatal exception."""
        return self.waitstatus == 0 and not self.failed_fatally

    def set_jobspec(self, jobspec: Mapping[str, Any]) -> None:
        """Learn name and task count from a jobspec (RFC 14); what it does not hold stays
        unknown.
        """
        self.name = job_name(jobspec)
        self.ntasks = task_count(jobspec)

    def set_resources(self, resources: Mapping[str, Any]) -> None:
        """Learn ranks, nodes and expiration from an R (RFC 20)."""
        execution = resources.get("execution", {})
        entries = execution.get("R_lite", [])
        if len(entries) == 1 and str(entries[0]["rank"]).isdigit():
            self.ranks, self.nnodes = intern(str(entries[0]["rank"])), 1
        else:
            ranks = IDset()
            for entry in entries:
                ranks.add(str(entry["rank"]))
            self.ranks, self.nnodes = intern(ranks.encode()), len(ranks)
        nodelist = [str(part) for part in execution.get("nodelist") or []]
        self.nodelist = intern(nodelist[0] if len(nodelist) == 1 else Hostlist(nodelist).encode())
        self.expiration = float(execution.get("expiration", 0.0))

    def apply(self, entry: Mapping[str, Any]) -> None:
        """Bring the record up to date with one entry of the job's eventlog."""
        handler = _HANDLERS.get(entry["name"])
        if handler is not None:
            handler(self, entry["timestamp"], entry.get("context") or {})


Context = Mapping[str, Any]


def _submit(job: JobRecord, timestamp: float, context: Context) -> None:
    job.userid = context.get("userid", 0)
    job.urgency = context.get("urgency", 16)
    job.t_submit = job.t_depend = timestamp
    job.state = FLUX_JOB_STATE_DEPEND


def _depend(job: JobRecord, timestamp: float, context: Context) -> None:
    if job.state == FLUX_JOB_STATE_DEPEND:
        job.state = FLUX_JOB_STATE_PRIORITY


def _dependency_add(job: JobRecord, timestamp: float, context: Context) -> None:
    description = context["description"]
    if description not in job.dependencies:
        job.dependencies += (description,)


def _dependency_remove(job: JobRecord, timestamp: float, context: Context) -> None:
    job.dependencies = tuple(one for one in job.dependencies if one != context["description"])


def _priority(job: JobRecord, timestamp: float, context: Context) -> None:
    job.priority = context["priority"]
    if job.state == FLUX_JOB_STATE_PRIORITY:
        job.state = FLUX_JOB_STATE_SCHED


def _urgency(job: JobRecord, timestamp: float, context: Context) -> None:
    job.urgency = context["urgency"]
    if job.state == FLUX_JOB_STATE_SCHED:
        job.state = FLUX_JOB_STATE_PRIORITY


def _restart(job: JobRecord, timestamp: float, context: Context) -> None:
    if job.state == FLUX_JOB_STATE_SCHED:
        job.state = FLUX_JOB_STATE_PRIORITY


def _annotations(job: JobRecord, timestamp: float, context: Context) -> None:
    if "annotations" in context:
        job.annotations = _shared(context["annotations"]) if context["annotations"] else None


_SHARED_LIMIT: Final = 4096
_shared_annotations: dict[bytes, dict[str, Any]] = {}


def _shared(annotations: dict[str, Any]) -> dict[str, Any]:
    """Return one object for all jobs with the same annotations, which are few on a machine: where
    they ran.
    """
    if len(_shared_annotations) >= _SHARED_LIMIT:
        _shared_annotations.clear()
    return _shared_annotations.setdefault(json.dumps(annotations), annotations)


def _alloc(job: JobRecord, timestamp: float, context: Context) -> None:
    _annotations(job, timestamp, context)
    if job.state == FLUX_JOB_STATE_SCHED:
        job.state = FLUX_JOB_STATE_RUN
        job.t_run = timestamp


def _finish(job: JobRecord, timestamp: float, context: Context) -> None:
    job.waitstatus = context["status"]
    _cleanup(job, timestamp)


def _exception(job: JobRecord, timestamp: float, context: Context) -> None:
    severity = context["severity"]
    if job.exception_severity is None or severity < job.exception_severity:
        job.exception_severity = severity
        job.exception_type = intern(context["type"])
        job.exception_note = context.get("note", "")
    if severity == 0:
        _cleanup(job, timestamp)


def _cleanup(job: JobRecord, timestamp: float) -> None:
    if job.state < FLUX_JOB_STATE_CLEANUP:
        job.state = FLUX_JOB_STATE_CLEANUP
        job.t_cleanup = timestamp


def _clean(job: JobRecord, timestamp: float, context: Context) -> None:
    job.state = FLUX_JOB_STATE_INACTIVE
    job.t_inactive = timestamp
    if job.success:
        job.result = FLUX_JOB_RESULT_COMPLETED
    elif job.failed_fatally:
        job.result = _RESULT_OF_EXCEPTION.get(job.exception_type or "", FLUX_JOB_RESULT_FAILED)
    else:
        job.result = FLUX_JOB_RESULT_FAILED


_HANDLERS: Final[Mapping[str, Callable[[JobRecord, float, Context], None]]] = {
    "submit": _submit,
    "depend": _depend,
    "dependency-add": _dependency_add,
    "dependency-remove": _dependency_remove,
    "priority": _priority,
    "urgency": _urgency,
    "flux-restart": _restart,
    "annotations": _annotations,
    "alloc": _alloc,
    "finish": _finish,
    "exception": _exception,
    "clean": _clean,
}


def job_name(jobspec: Mapping[str, Any]) -> str | None:
    """Return the job's name: ``attributes.system.job.name``, else the last component of the first
    task's command.
    """
    try:
        system = jobspec.get("attributes", {}).get("system", {})
        name = system.get("job", {}).get("name") or posixpath.basename(
            _program(jobspec["tasks"][0]["command"])
        )
        return intern(name)
    except (KeyError, IndexError, TypeError, AttributeError):
        return None


def _program(command: Any) -> str:
    if isinstance(command, str):
        return command
    program = command[0]
    if not isinstance(program, str):
        raise TypeError("command is not text")
    return program


def task_count(jobspec: Mapping[str, Any]) -> int | None:
    """Return how many tasks a jobspec asks for: a total, or a number for each slot."""
    try:
        count = jobspec["tasks"][0]["count"]
        if "total" in count:
            return int(count["total"])
        return int(count["per_slot"]) * _slot_count(jobspec["resources"])
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def _slot_count(resources: Any) -> int:
    """Return the number of slots: the product of the counts from the root down to the slot."""
    vertex = resources[0]
    product = _count(vertex["count"])
    while vertex["type"] != "slot":
        vertex = vertex["with"][0]
        product *= _count(vertex["count"])
    return product


def _count(count: Any) -> int:
    return int(count["min"]) if isinstance(count, dict) else int(count)
