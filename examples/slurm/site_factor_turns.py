"""A site factor: what a user has waiting already counts against the next job.

The first job of each user is worth nothing extra, the second one a step less, and so on down to
100 steps, so that somebody who submits a thousand jobs leaves room for somebody who submits one.
As PrioritySiteFactorParameters (site-factor-parameters) it takes the size of a step, 10 if none.
"""

from collections import Counter

import slurm

plugin_name = "turns for everybody"
plugin_type = "site_factor/turns"
plugin_version = slurm.SLURM_VERSION_NUMBER

MOST = 100


def init():
    return slurm.SLURM_SUCCESS


def fini():
    pass


def site_factor_p_reconfig():
    site_factor_p_update()


def step():
    given = slurm.conf.PrioritySiteFactorParameters or "10"
    return int(given) if given.isdecimal() else 10


def waiting():
    return [job for job in slurm.job_list if job.job_state == slurm.JOB_PENDING]


def site_factor_p_set(job):
    before = sum(1 for other in waiting() if other.user_id == job.user_id and other is not job)
    job.site_factor = slurm.NICE_OFFSET - step() * min(before, MOST)


def site_factor_p_update():
    seen = Counter()
    for job in waiting():
        job.site_factor = slurm.NICE_OFFSET - step() * min(seen[job.user_id], MOST)
        seen[job.user_id] += 1
