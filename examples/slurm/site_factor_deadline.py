"""A site factor: the nearer a job's deadline, the higher its priority.

A job says its deadline in its comment, `--setattr=system.comment="deadline=2026-12-01T12:00"`. As
PrioritySiteFactorParameters (site-factor-parameters) it takes `bonus=N`, what is added when the
deadline has come, and `hours=N`, how long before that it begins to grow.
"""

import datetime
import re
import time

import slurm

plugin_name = "priority by deadline"
plugin_type = "site_factor/deadline"
plugin_version = slurm.SLURM_VERSION_NUMBER

settings = {"bonus": 10000, "hours": 24}


def init():
    site_factor_p_reconfig()
    return slurm.SLURM_SUCCESS


def fini():
    slurm.info("no more deadlines")


def site_factor_p_reconfig():
    given = slurm.conf.PrioritySiteFactorParameters or ""
    for word in given.split(","):
        key, _, value = word.partition("=")
        if key in settings and value.isdecimal():
            settings[key] = int(value)
    slurm.info("%d for a deadline, from %d hours before", settings["bonus"], settings["hours"])


def bonus_of(job):
    """What a job's deadline is worth now: 0 until the last hours, all of it at the end."""
    match = re.search(r"deadline=(\S+)", job.comment)
    if match is None:
        return 0
    try:
        deadline = datetime.datetime.fromisoformat(match[1]).timestamp()
    except ValueError:
        return 0
    left = (deadline - time.time()) / 3600
    return int(settings["bonus"] * min(1.0, max(0.0, 1.0 - left / settings["hours"])))


def site_factor_p_set(job):
    job.site_factor = slurm.NICE_OFFSET + bonus_of(job)


def site_factor_p_update():
    for job in slurm.job_list:
        if job.job_state == slurm.JOB_PENDING:
            job.site_factor = slurm.NICE_OFFSET + bonus_of(job)
