"""Waiting for jobs and their results (flux.job.wait in the manual)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

from flux.constants import (
    FLUX_JOB_RESULT_COMPLETED,
    FLUX_JOB_STATE_INACTIVE,
    FLUX_JOB_STATE_NEW,
    FLUX_JOBID_ANY,
    FLUX_RPC_STREAMING,
)
from flux.future import Future
from flux.job.event import EventLogEvent
from flux.job.JobID import JobID
from flux.job.lifecycle import JobHistory, result_of
from flux.rpc import RPC
from flux.wire import json
from flux.wire.message import RESPONSE, Message
from flux.wire.text import as_integer

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.job.info import JobInfo
    from flux.wire.json import JsonObject
    from flux.wire.text import Text

_ANY_ON_THE_WIRE = -1


class JobWaitResult(NamedTuple):
    """How a job ended: its id, whether it was a success, and a sentence about it, in bytes as
    flux-core's bindings have it.
    """

    jobid: JobID
    success: bool
    errstr: bytes


class JobWaitFuture(RPC):
    """A wait for a waitable job."""

    def get_status(self) -> JobWaitResult:
        """Wait and return how the job ended; raises OSError(ECHILD) when there is nothing to wait
        for.
        """
        return JobWaitResult(
            JobID(self.member("id")),
            self.member("success"),
            str(self.member("errstr")).encode("utf-8", "surrogateescape"),
        )


def wait_async(flux_handle: Flux, jobid: JobID | int | Text = FLUX_JOBID_ANY) -> JobWaitFuture:
    """Wait for a job that was submitted with ``waitable=True``, by default any; returns a future
    with ``get_status``.
    """
    number = int(JobID(jobid))
    if number == FLUX_JOBID_ANY:
        number = _ANY_ON_THE_WIRE
    return JobWaitFuture(flux_handle, "job-manager.wait", {"id": number})


def wait_get_status(future: JobWaitFuture) -> JobWaitResult:
    """Return the status of a `wait_async`, waiting for it."""
    return future.get_status()


def wait(flux_handle: Flux, jobid: JobID | int | Text = FLUX_JOBID_ANY) -> JobWaitResult:
    """Wait for a waitable job to end, by default any, and return its id, success and a sentence.

    Raises OSError(ECHILD) when there is nothing to wait for.
    """
    return wait_async(flux_handle, jobid).get_status()


class JobResultFuture(RPC):
    """A watch of a job's eventlog that is fulfilled once, with the job's result."""

    def __init__(self, flux_handle: Flux, jobid: JobID | int | Text, flags: int = 0) -> None:
        self.jobid = JobID(jobid)
        self._history = JobHistory()
        number = as_integer(flags, "flags")
        payload = {"id": int(self.jobid), "path": "eventlog", "flags": number}
        super().__init__(flux_handle, "job-info.eventlog-watch", payload, flags=FLUX_RPC_STREAMING)

    def fulfill(self, result: object = None) -> None:
        """Take an event; the end of the eventlog makes the result."""
        msg = result if isinstance(result, Message) else Message(RESPONSE, aux1=errno.EPROTO)
        if msg.aux1 == 0:
            try:
                self._history.apply(EventLogEvent(msg.json()["event"]))
                return
            except (ValueError, KeyError, TypeError):
                msg = Message(RESPONSE, aux1=errno.EPROTO, aux2=msg.aux2)
        self._end()
        if msg.aux1 == errno.ENODATA:
            facts = result_facts(int(self.jobid), self._history)
            msg = Message(RESPONSE, payload=json.dumps(facts) + b"\0")
        Future.fulfill(self, msg)
        self._ended = True

    def get_dict(self) -> JsonObject:
        """Wait for the end of the job and return what is known of it; raises OSError(ENOENT) for an
        unknown job.
        """
        answer: JsonObject = self.get()
        return answer

    def get_info(self) -> JobInfo:
        """Wait for the end of the job and return what is known of it as a JobInfo."""
        from flux.job.info import JobInfo

        return JobInfo(self.get_dict())


def result_facts(jobid: int, job: JobHistory) -> dict[str, object]:
    """Return what is known of a job that ended, as `JobInfo` takes it; what it never had is left
    out.

    Other than in a list of jobs, ``t_run`` is the time when the tasks were started.
    """
    result = result_of(job.waitstatus, job.exception_type if job.failed_fatally else None)
    facts: dict[str, object] = {
        "id": jobid,
        "exception_occurred": job.exception_severity is not None,
    }
    if job.state != FLUX_JOB_STATE_NEW:
        facts |= {"t_submit": job.t_submit, "userid": job.userid, "urgency": job.urgency}
    known = {
        "t_run": job.t_start,
        "waitstatus": job.waitstatus,
        "t_cleanup": job.t_cleanup,
        "exception_severity": job.exception_severity,
        "exception_type": job.exception_type,
        "exception_note": job.exception_note,
        "t_inactive": job.t_inactive,
    }
    facts |= {name: value for name, value in known.items() if value is not None}
    success = result == FLUX_JOB_RESULT_COMPLETED
    return facts | {"result": result, "success": success, "state": FLUX_JOB_STATE_INACTIVE}


def result_async(flux_handle: Flux, jobid: JobID | int | Text, flags: int = 0) -> JobResultFuture:
    """Wait for a job to end by watching its eventlog; works for every job, any number of times.

    Returns a future with ``get_dict`` and ``get_info``, which raise OSError(ENOENT) if there is no
    such job. With FLUX_JOB_EVENT_WATCH_WAITCREATE in ``flags`` the job may yet have to be created.
    """
    return JobResultFuture(flux_handle, jobid, flags)


def result(flux_handle: Flux, jobid: JobID | int | Text, flags: int = 0) -> JobInfo:
    """Wait for a job to end and return a JobInfo with its result; see `result_async`."""
    return result_async(flux_handle, jobid, flags).get_info()
