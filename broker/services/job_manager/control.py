"""Requests about jobs that users make: exceptions, signals, urgency, annotations, waiting."""

from __future__ import annotations

import errno
import signal
from typing import TYPE_CHECKING

from broker.service import NO_REPLY, request
from broker.services.job_manager.core import check_owner
from broker.services.job_manager.modify import JobChanges
from broker.services.job_manager.waits import ANY_JOB
from flux.constants import (
    FLUX_JOB_STATE_ACTIVE,
    FLUX_JOB_STATE_PENDING,
    FLUX_JOB_URGENCY_DEFAULT,
    FLUX_JOB_URGENCY_MAX,
    FLUX_JOBID_ANY,
)
from flux.job.lifecycle import INACTIVE, RUN
from flux.wire.message import USERID_UNKNOWN, USERID_UNKNOWN_JSON

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broker.service import Answer, Reply, Request
    from broker.services.job_manager.core import ManagerCore
    from broker.services.job_manager.states import Job
    from broker.services.job_manager.updating import JobUpdates

EVERYBODY = (USERID_UNKNOWN, USERID_UNKNOWN_JSON)
URGENCY_GUEST_MAX = FLUX_JOB_URGENCY_DEFAULT
MAX_TYPE = 255
MAX_NOTE = 1 << 14
MAX_ANNOTATIONS = 1 << 16


class JobControl:
    """What flux-job(1) asks for."""

    def __init__(self, core: ManagerCore, updates: JobUpdates) -> None:
        self._core = core
        self._updates = updates

    @request("raise", allow="guest")
    def raise_(self, req: Request) -> Reply:
        """Raise an exception {id, type, severity, note?} on one job."""
        severity, kind = req.get("severity", int), _exception_type(req)
        if not 0 <= severity <= 7:
            raise OSError(errno.EPROTO, "invalid exception severity")
        job = self._core.active_job(req.get("id", int))
        check_owner(req, job, "raise exceptions on")
        # The first fatal exception is always let through, however much waits to be stored: it ends
        # the job, and tasks must not go on because a disk is full.
        if severity or job.exception is not None:
            self._core.journal.check_room()
        self._core.machine.raise_exception(job, kind, severity, _note(req), req.userid)
        return self._core.acknowledge(req)

    @request("raiseall", allow="guest")
    def raiseall(self, req: Request) -> Reply:
        """Raise an exception {dry_run, userid, states, severity, type, note} on every matching
        job.
        """
        severity, kind = req.get("severity", int), _exception_type(req)
        if not 0 <= severity <= 7:
            raise OSError(errno.EPROTO, "invalid exception severity")
        note, dry_run = _note(req), req.get("dry_run", bool)
        targets = list(self._matching(req, req.get("states", int), "raise exceptions on"))
        answer = {"count": len(targets), "errors": 0}
        if dry_run or not targets:
            return answer
        if severity:
            self._core.journal.check_room()
        for job in targets:
            if job.state != INACTIVE:  # the end of another may have ended it, which it depended on
                self._core.machine.raise_exception(job, kind, severity, note, req.userid)
        return self._core.acknowledge(req, answer)

    def _matching(self, req: Request, states: int, action: str) -> Iterator[Job]:
        userid = req.get("userid", int)
        if not req.is_owner and userid != req.userid:
            raise OSError(errno.EPERM, f"guests can only {action} their own jobs")
        for job in self._core.machine.jobs.values():
            if job.state & states & FLUX_JOB_STATE_ACTIVE and (
                userid in EVERYBODY or job.userid == userid
            ):
                yield job

    @request("kill", allow="guest")
    def kill(self, req: Request) -> None:
        """Send a signal {id, signum} to every task of a running job."""
        signum = _signal_number(req)
        job = self._core.active_job(req.get("id", int), errno.EINVAL)
        check_owner(req, job, "send signals to", "may")
        if job.state != RUN:
            raise OSError(errno.EINVAL, "job is not running")
        self._signal(job, signum)

    @request("killall", allow="guest")
    def killall(self, req: Request) -> dict[str, int]:
        """Send a signal {dry_run, userid, signum} to every matching running job."""
        signum, dry_run = _signal_number(req), req.get("dry_run", bool)
        targets = list(self._matching(req, RUN, "kill"))
        if not dry_run:
            for job in targets:
                self._signal(job, signum)
        return {"count": len(targets), "errors": 0}

    def _signal(self, job: Job, signum: int) -> None:
        event = self._core.ctx.handle.publish(f"shell-{job.id}.kill", {"signum": signum})
        self._core.ctx.spawn(event, f"job-manager:kill:{job.id}")

    @request("urgency", allow="guest")
    def urgency(self, req: Request) -> Answer:
        """Set the urgency {id, urgency} of a job that has no resources yet."""
        urgency = req.get("urgency", int)
        if not 0 <= urgency <= FLUX_JOB_URGENCY_MAX:
            raise OSError(errno.EINVAL, "urgency value is out of range")
        job = self._core.unended_job(req.get("id", int), errno.EINVAL, "unknown job")
        check_owner(req, job, "reprioritize")
        if not req.is_owner and urgency > max(URGENCY_GUEST_MAX, job.urgency):
            raise OSError(errno.EPERM, f"guests can only adjust urgency <= {URGENCY_GUEST_MAX}")
        if not job.state & FLUX_JOB_STATE_PENDING:
            raise OSError(errno.EINVAL, "urgency cannot be changed once resources are allocated")
        if self._core.modifications.rules is not None:
            return self._updates.change(req, job.id, JobChanges(urgency=urgency))
        return self._set_urgency(req, job, urgency)

    def _set_urgency(self, req: Request, job: Job, urgency: int) -> Reply:
        self._core.journal.check_room()
        old = job.urgency
        self._core.machine.set_urgency(job, urgency, req.userid)
        return self._core.acknowledge(req, {"old_urgency": old})

    @request("annotate", allow="guest")
    def annotate(self, req: Request) -> None:
        """Update a job's annotations {id, annotations}."""
        annotations = req.get("annotations", dict)
        if len(req.raw or b"") > MAX_ANNOTATIONS:
            raise OSError(errno.EINVAL, f"annotations take at most {MAX_ANNOTATIONS} bytes")
        job = self._core.active_job(req.get("id", int))
        check_owner(req, job, "annotate")
        self._core.journal.check_room()
        self._core.machine.annotate(job, annotations)
        self._core.turn_soon()

    @request("memo", allow="guest")
    def memo(self, req: Request) -> Reply:
        """Post a memo {id, memo, volatile?} of a job's owner: annotations that its eventlog keeps,
        unless they are volatile. A null removes a key (RFC 21).
        """
        memo = req.get("memo", dict)
        if len(req.raw or b"") > MAX_ANNOTATIONS:
            raise OSError(errno.EINVAL, f"a memo takes at most {MAX_ANNOTATIONS} bytes")
        job = self._core.unended_job(req.get("id", int))
        check_owner(req, job, "add a memo to")
        self._core.journal.check_room()
        if req.get("volatile", bool, False):
            self._core.machine.annotate(job, {"user": memo})
        else:
            self._core.machine.post(job, "memo", memo)
        return self._core.acknowledge(req)

    @request("wait")
    def wait(self, req: Request) -> Reply:
        """Answer with {id, success, errstr} when the waitable job {id}, or any for -1, is over."""
        id = req.get("id", int)
        if id == FLUX_JOBID_ANY:
            id = ANY_JOB
        active = self._core.machine.jobs.get(id)
        if active is not None and not active.is_waitable:
            raise OSError(errno.ECHILD, "job was not submitted with FLUX_JOB_WAITABLE")
        result = self._core.waits.wait(id, req)
        return NO_REPLY if result is None else result


def _exception_type(req: Request) -> str:
    kind = req.get("type", str)
    if not kind or len(kind.split()) != 1 or len(kind) > MAX_TYPE or not kind.isprintable():
        raise OSError(errno.EPROTO, "invalid exception type")
    return kind


def _note(req: Request) -> str:
    """Return the note of an exception; raises OSError(E2BIG) for one that would bloat the
    eventlog.
    """
    note = req.get("note", str, "")
    if len(note) > MAX_NOTE:
        raise OSError(errno.E2BIG, f"a note has at most {MAX_NOTE} characters")
    return note


def _signal_number(req: Request) -> int:
    signum = req.get("signum", int)
    if not 0 < signum < signal.NSIG:
        raise OSError(errno.EINVAL, "Invalid signal number")
    return signum
