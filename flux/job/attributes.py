"""The names of what the job-list service tells about a job."""

from __future__ import annotations

from typing import Final

JOB_ATTRIBUTES: Final = (
    "userid",
    "urgency",
    "priority",
    "t_submit",
    "state",
    "name",
    "ntasks",
    "nnodes",
    "ranks",
    "nodelist",
    "expiration",
    "success",
    "exception_occurred",
    "exception_severity",
    "exception_type",
    "exception_note",
    "result",
    "waitstatus",
    "t_depend",
    "t_run",
    "t_cleanup",
    "t_inactive",
    "annotations",
    "dependencies",
)
"""Every attribute but ``id``, which is always told; every version since 0.29 knows them."""

LATER_ATTRIBUTES: Final = (
    "queue",
    "cwd",
    "project",
    "bank",
    "ncores",
    "duration",
    "t_priority",
    "t_sched",
)
"""Attributes that brokers of 0.29 do not know."""
