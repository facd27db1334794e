"""Waiting for jobs and their results (flux.job.wait in the manual)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, NamedTuple

from flux.constants import (
    FLUX_JOB_RESULT_CANCELED,
    FLUX_JOB_RESULT_COMPLETED,
    FLUX_JOB_RESULT_FAILED,
    FLUX_JOB_RESULT_TIMEOUT,
    FLUX_JOB_STATE_INACTIVE,
    FLUX_JOBID_ANY,
    FLUX_RPC_STREAMING,
)
from flux.future import Future
from flux.job.JobID import JobID
from flux.rpc import RPC
from flux.wire import json
from flux.wire.message import RESPONSE, Message

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.job.info import JobInfo

_ANY_ON_THE_WIRE = -1
_RESULTS = {"cancel": FLUX_JOB_RESULT_CANCELED, "timeout": FLUX_JOB_RESULT_TIMEOUT}


class JobWaitResult(NamedTuple):
    """How a job ended: its id, whether it was a success, and a sentence about it."""

    jobid: JobID
    success: bool
    errstr: str


class JobWaitFuture(RPC):
    """A wait for a waitable job."""

    def get_status(self) -> JobWaitResult:
        """Wait and return how the job ended; raises OSError(ECHILD) when there is nothing to wait for."""
        answer = self.get()
        return JobWaitResult(JobID(answer["id"]), answer["success"], answer["errstr"])


def wait_async(flux_handle: Flux, jobid: JobID | int = FLUX_JOBID_ANY) -> JobWaitFuture:
    """Wait for a job that was submitted with ``waitable=True``, by default any; returns a future with ``get_status``."""
    id = int(JobID(jobid))
    return JobWaitFuture(flux_handle, "job-manager.wait", {"id": _ANY_ON_THE_WIRE if id == FLUX_JOBID_ANY else id})


def wait_get_status(future: JobWaitFuture) -> JobWaitResult:
    """Return the status of a `wait_async`, waiting for it."""
    return future.get_status()


def wait(flux_handle: Flux, jobid: JobID | int = FLUX_JOBID_ANY) -> JobWaitResult:
    """Wait for a waitable job to end, by default any, and return its id, success and a sentence.

    Raises OSError(ECHILD) when there is nothing to wait for.
    """
    return wait_async(flux_handle, jobid).get_status()


class JobResultFuture(RPC):
    """A watch of a job's eventlog that is fulfilled once, with the job's result."""

    def __init__(self, flux_handle: Flux, jobid: JobID | int | str, flags: int = 0) -> None:
        self.jobid = JobID(jobid)
        self._facts: dict[str, Any] = {"id": int(self.jobid), "exception_occurred": False}
        payload = {"id": int(self.jobid), "path": "eventlog", "flags": flags}
        super().__init__(flux_handle, "job-info.eventlog-watch", payload, flags=FLUX_RPC_STREAMING)

    def fulfill(self, msg: Message) -> None:
        """Take an event; the end of the eventlog makes the result."""
        if msg.aux1 == 0:
            self._add(json.loads(msg.json()["event"]))
            return
        assert self.flux_handle is not None
        self.flux_handle.free_matchtag(self.matchtag)
        if msg.aux1 == errno.ENODATA:
            msg = Message(RESPONSE, payload=json.dumps(self._result()) + b"\0")
        Future.fulfill(self, msg)

    def _add(self, event: dict[str, Any]) -> None:
        name, context, facts = event["name"], event.get("context") or {}, self._facts
        if name == "submit":
            facts["t_submit"] = event["timestamp"]
            facts["userid"], facts["urgency"] = context.get("userid"), context.get("urgency")
        elif name == "start":
            facts["t_run"] = event["timestamp"]
        elif name == "finish":
            facts["waitstatus"] = context["status"]
            facts.setdefault("t_cleanup", event["timestamp"])
        elif name == "clean":
            facts["t_inactive"] = event["timestamp"]
        elif name == "exception" and (
            not facts["exception_occurred"] or context["severity"] < facts["exception_severity"]
        ):
            facts["exception_occurred"] = True
            for key in ("severity", "type", "note"):
                facts[f"exception_{key}"] = context.get(key, "")
            if context["severity"] == 0:
                facts.setdefault("t_cleanup", event["timestamp"])

    def _result(self) -> dict[str, Any]:
        facts = self._facts
        fatal = facts["exception_occurred"] and facts["exception_severity"] == 0
        if fatal:
            result = _RESULTS.get(facts["exception_type"], FLUX_JOB_RESULT_FAILED)
        else:
            result = FLUX_JOB_RESULT_COMPLETED if facts.get("waitstatus") == 0 else FLUX_JOB_RESULT_FAILED
        success = result == FLUX_JOB_RESULT_COMPLETED
        return {**facts, "result": result, "success": success, "state": FLUX_JOB_STATE_INACTIVE}

    def get_dict(self) -> dict[str, Any]:
        """Wait for the end of the job and return what is known of it; raises OSError(ENOENT) for an unknown job."""
        answer: dict[str, Any] = self.get()
        return answer

    def get_info(self) -> JobInfo:
        """Wait for the end of the job and return what is known of it as a JobInfo."""
        from flux.job.info import JobInfo

        return JobInfo(self.get_dict())


def result_async(flux_handle: Flux, jobid: JobID | int | str, flags: int = 0) -> JobResultFuture:
    """Wait for a job to end by watching its eventlog; works for every job, any number of times.

    Args:
        flux_handle: handle for the Flux broker.
        jobid: the job.
        flags: FLUX_JOB_EVENT_WATCH_WAITCREATE to wait for the job to exist.

    Returns:
        A future with ``get_dict`` and ``get_info``.
    """
    return JobResultFuture(flux_handle, jobid, flags)


def result(flux_handle: Flux, jobid: JobID | int | str, flags: int = 0) -> JobInfo:
    """Wait for a job to end and return a JobInfo with its result; see `result_async`."""
    return result_async(flux_handle, jobid, flags).get_info()
