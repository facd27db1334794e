"""Canceling jobs and sending them signals (flux.job.kill in the manual)."""

from __future__ import annotations

import errno
import signal
from typing import TYPE_CHECKING

from flux.job.JobID import JobID
from flux.rpc import RPC
from flux.wire.text import Text, as_integer, as_text

if TYPE_CHECKING:
    from flux.core.handle import Flux


def kill_async(flux_handle: Flux, jobid: JobID | int | Text, signum: int | None = None) -> RPC:
    """Send a signal, SIGTERM by default, to the tasks of a running job; returns a future.

    Raises OSError(EINVAL) if ``signum`` is not a number.
    """
    number = signal.SIGTERM if signum is None else signum
    if not isinstance(number, int):
        raise OSError(errno.EINVAL, f"{signum!r} is not the number of a signal")
    payload = {"id": int(JobID(jobid)), "signum": int(as_integer(number, "signum"))}
    return RPC(flux_handle, "job-manager.kill", payload)


def kill(flux_handle: Flux, jobid: JobID | int | Text, signum: int | None = None) -> None:
    """Send a signal, SIGTERM by default, to the tasks of a running job; raises OSError when that is
    not possible.
    """
    kill_async(flux_handle, jobid, signum).get()


def raise_async(
    flux_handle: Flux,
    jobid: JobID | int | Text,
    exception_type: Text = "cancel",
    severity: int = 0,
    note: Text | None = None,
) -> RPC:
    """Raise an exception on a job; severity 0 ends it. Returns a future."""
    payload: dict[str, object] = {
        "id": int(JobID(jobid)),
        "type": as_text(exception_type, "the type of an exception"),
        "severity": as_integer(severity, "severity"),
    }
    if note is not None:
        payload["note"] = as_text(note, "the note of an exception")
    return RPC(flux_handle, "job-manager.raise", payload)


def job_raise_async(
    flux_handle: Flux,
    jobid: JobID | int | Text,
    exc_type: Text,
    severity: int = 0,
    note: Text | None = None,
) -> RPC:
    """Raise an exception of a type on a job; returns a future."""
    return raise_async(flux_handle, jobid, exc_type, severity, note)


def job_raise(
    flux_handle: Flux,
    jobid: JobID | int | Text,
    exc_type: Text,
    severity: int = 0,
    note: Text | None = None,
) -> None:
    """Raise an exception on an active job: ``exc_type`` is one word, ``severity`` 0 ends the job, 1
    to 7 do not, ``note`` is an explanation for people.

    Raises OSError: ENOENT for an unknown job, EPERM for somebody else's, EPROTO for a wrong type or
    severity.
    """
    raise_async(flux_handle, jobid, exc_type, severity, note).get()


def cancel_async(flux_handle: Flux, jobid: JobID | int | Text, reason: Text | None = None) -> RPC:
    """Cancel a pending or running job; returns a future."""
    return raise_async(flux_handle, jobid, note=reason)


def cancel(flux_handle: Flux, jobid: JobID | int | Text, reason: Text | None = None) -> None:
    """Cancel a pending or running job; raises OSError when that is not possible."""
    cancel_async(flux_handle, jobid, reason).get()
