"""Canceling jobs and sending them signals (flux.job.kill in the manual)."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from flux.job.JobID import JobID
from flux.rpc import RPC

if TYPE_CHECKING:
    from flux.core.handle import Flux


def kill_async(flux_handle: Flux, jobid: JobID | int | str, signum: int | None = None) -> RPC:
    """Send a signal, SIGTERM by default, to the tasks of a running job; returns a future."""
    payload = {"id": int(JobID(jobid)), "signum": int(signal.SIGTERM if signum is None else signum)}
    return RPC(flux_handle, "job-manager.kill", payload)


def kill(flux_handle: Flux, jobid: JobID | int | str, signum: int | None = None) -> None:
    """Send a signal, SIGTERM by default, to the tasks of a running job; raises OSError when that is
    not possible.
    """
    kill_async(flux_handle, jobid, signum).get()


def raise_async(
    flux_handle: Flux,
    jobid: JobID | int | str,
    exception_type: str = "cancel",
    severity: int = 0,
    note: str | None = None,
) -> RPC:
    """Raise an exception on a job; severity 0 ends it. Returns a future."""
    payload: dict[str, object] = {
        "id": int(JobID(jobid)),
        "type": exception_type,
        "severity": severity,
    }
    if note is not None:
        payload["note"] = note
    return RPC(flux_handle, "job-manager.raise", payload)


def cancel_async(flux_handle: Flux, jobid: JobID | int | str, reason: str | None = None) -> RPC:
    """Cancel a pending or running job; returns a future."""
    return raise_async(flux_handle, jobid, note=reason)


def cancel(flux_handle: Flux, jobid: JobID | int | str, reason: str | None = None) -> None:
    """Cancel a pending or running job; raises OSError when that is not possible."""
    cancel_async(flux_handle, jobid, reason).get()
