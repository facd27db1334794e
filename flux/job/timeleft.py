"""How much time a job has left before its time limit."""

from __future__ import annotations

import errno
import math
import os
import time
from typing import TYPE_CHECKING

from flux.constants import FLUX_JOB_STATE_RUN
from flux.core.attributes import attribute_of
from flux.job.JobID import JobID
from flux.job.list import job_list_id

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.wire.text import Text

ATTRIBUTES = ("expiration", "state")


def timeleft(flux_handle: Flux | None = None, jobid: JobID | int | Text | None = None) -> float:
    """Return the seconds that a job has left, infinity without a time limit, 0 if it does not run
    (any more).

    Without ``jobid`` it is the job that the program is part of: the one that ``FLUX_JOB_ID`` names,
    or the one that is this instance; of an instance that is no job the time is infinite. A new
    handle is opened if none is given. Raises OSError: ENOENT for an unknown job.
    """
    from flux.core.handle import Flux

    if flux_handle is None:
        with Flux() as handle:
            return timeleft(handle, jobid)
    if jobid is not None:
        return _left(flux_handle, JobID(jobid))
    mine = os.environ.get("FLUX_JOB_ID")
    if mine:
        try:
            return _left(flux_handle, JobID(mine))
        except (OSError, ValueError) as exc:
            # An id of the parent's: this is the initial program of an instance that is a job.
            if isinstance(exc, OSError) and exc.errno != errno.ENOENT:
                raise
    outer, number = attribute_of(flux_handle, "parent-uri"), attribute_of(flux_handle, "jobid")
    if not outer or not number:
        return math.inf
    with Flux(outer) as parent:
        return _left(parent, JobID(number))


def _left(handle: Flux, jobid: JobID) -> float:
    job = job_list_id(handle, jobid, ATTRIBUTES).get_job()
    if job.get("state") != FLUX_JOB_STATE_RUN:
        return 0.0
    expiration = float(job.get("expiration") or 0.0)
    return max(expiration - time.time(), 0.0) if expiration else math.inf
