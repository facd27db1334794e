"""A job as a site-factor plugin sees it: the fields of Slurm's ``job_record_t`` that a job of Flux
has, as JSON for the process that runs the plugin. No I/O.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from broker.slurm.constants import INFINITE, JOB_PENDING, JOB_RUNNING, NICE_OFFSET
from broker.slurm.priority.factors import LEAST
from flux.job.lifecycle import CLEANUP, RUN

if TYPE_CHECKING:
    from broker.services.job_manager.states import Job
    from broker.slurm.priority.candidates import Candidate
    from flux.wire.json import JsonObject


def record_of(candidate: Candidate, job: Job) -> JsonObject:
    """Return the fields of one job; times are in whole seconds since the epoch, 0 for none, the
    time limit in minutes.
    """
    wishes, size = candidate.wishes, candidate.size
    eligible = int(candidate.eligible or 0)
    minutes = math.ceil(wishes.seconds / 60)
    return {
        "job_id": job.id,
        "user_id": job.userid,
        "account": candidate.member.account,
        "partition": candidate.queue,
        "qos": candidate.qos,
        "name": wishes.name,
        "comment": wishes.comment,
        "job_state": JOB_RUNNING if job.state in (RUN, CLEANUP) else JOB_PENDING,
        "priority": job.priority if job.priority >= 0 else LEAST,
        "time_limit": min(minutes, INFINITE - 1) if minutes else INFINITE,
        "total_cpus": size.cores,
        "total_nodes": size.nodes,
        "site_factor": candidate.site + NICE_OFFSET,
        "urgency": job.urgency,
        "details": {
            "submit_time": int(job.t_submit),
            "begin_time": eligible,
            "accrue_time": eligible,
            "min_cpus": size.cores,
            "min_nodes": size.nodes,
            "nice": candidate.nice + NICE_OFFSET,
            "work_dir": wishes.workdir,
        },
    }
