"""A job's directory in the key-value store (flux.job.kvs in the manual, RFC 16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux.job.JobID import JobID, kvs_key

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.kvs import KVSDir
    from flux.wire.text import Text


def job_kvs(flux_handle: Flux, jobid: JobID | int | Text) -> KVSDir:
    """Return the KVS directory of a job."""
    from flux.kvs import KVSDir

    return KVSDir(flux_handle, JobID(jobid).kvs)


def job_kvs_guest(flux_handle: Flux, jobid: JobID | int | Text) -> KVSDir:
    """Return the part of a job's KVS directory that the job itself writes to."""
    from flux.kvs import KVSDir

    return KVSDir(flux_handle, kvs_key(JobID(jobid), "guest"))
