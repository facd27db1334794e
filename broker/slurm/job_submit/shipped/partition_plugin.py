"""``job_submit/partition``: chooses a partition for jobs that name none, by what they ask for: the
one of the highest priority that takes the job, of several the first.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from broker.slurm.constants import NO_VAL

if TYPE_CHECKING:
    from broker.slurm.job_submit.python_api import JobObject, PartitionView

plugin_name = "Job submit partition plugin"
plugin_type = "job_submit/partition"
plugin_version = 100


def job_submit(job_desc: JobObject, part_list: dict[str, PartitionView], _submit_uid: int) -> int:
    """Choose a partition."""
    if job_desc.partition is None:
        fitting = [part for part in part_list.values() if _takes(part, job_desc)]
        if fitting:
            best = max(fitting, key=lambda part: _number(part.priority_tier))
            job_desc.partition = best.name
            _log(f"job_submit: Setting partition of submitted job to {best.name}")
    return 0


def job_modify(_job_desc: JobObject, _job_ptr: JobObject, _submit_uid: int) -> int:
    """Leave changes as they are."""
    return 0


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _takes(part: PartitionView, job: JobObject) -> bool:
    """Whether a partition is up and its limits allow what a job asks for."""
    nodes = _number(job.min_nodes)
    if nodes != NO_VAL and not _number(part.min_nodes) <= nodes <= _number(part.max_nodes):
        return False
    minutes = _number(job.time_limit)
    return _number(part.state_up) == 3 and (minutes == NO_VAL or minutes <= _number(part.max_time))


def _log(text: str) -> None:
    slurm = importlib.import_module("slurm")  # what the host gives to plugins

    slurm.log_info("%s", f"job_submit/partition: {text}")
