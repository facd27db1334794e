"""A job-submit plugin in Python: each user may submit so many nodes at a time.

[job-submit]
plugins = ["tokens"]
[job-submit.tokens]
path = "/etc/site/tokens.py"
nodes = 4
"""

from typing import Any

import slurm

plugin_name = "Limit of nodes for each submission"
plugin_type = "job_submit/tokens"
plugin_version = 100

limit = 1


def init(conf: dict[str, Any]) -> None:
    """Take the table of the configuration, without ``path``; ValueError refuses it."""
    global limit
    limit = conf.pop("nodes", limit)
    if conf:
        raise ValueError(f"unknown key {next(iter(conf))}")


def job_submit(job_desc: Any, _submit_uid: int) -> int:
    """Refuse jobs with too many nodes."""
    if job_desc.min_nodes != slurm.NO_VAL and job_desc.min_nodes > limit:
        slurm.log_user("%d nodes are more than the %d you may have.", job_desc.min_nodes, limit)
        return int(slurm.ESLURM_INVALID_NODE_COUNT)
    return int(slurm.SUCCESS)


def job_modify(_job_desc: Any, _job_ptr: Any, _submit_uid: int) -> int:
    """Let changes be."""
    return int(slurm.SUCCESS)
