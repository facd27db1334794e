"""``job_submit/defaults``: gives jobs what they do not say themselves.

Its table has fields of ``job_desc`` with their defaults, such as ``time_limit = 60``. A change that
would leave a job without one of them gets it, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.slurm.constants import INFINITE
from broker.slurm.job_submit.fields import FIELDS
from broker.slurm.job_submit.job_desc import JobDesc
from broker.slurm.job_submit.kinds import WrongType

if TYPE_CHECKING:
    from broker.slurm.job_submit.python_api import JobObject

plugin_name = "Job submit defaults plugin"
plugin_type = "job_submit/defaults"
plugin_version = 100

_defaults: dict[str, object] = {}


def init(conf: dict[str, object]) -> None:
    """Take the table; raises ValueError for a name that no field has, or a value it does not
    take.
    """
    _defaults.clear()
    for name, value in conf.items():
        if name not in FIELDS or not FIELDS[name].writable:
            raise ValueError(f"{name} is no field of job_desc that can be set")
        try:
            JobDesc({}, 0).set(name, value)
        except WrongType as exc:
            raise ValueError(f"{name}: {exc}") from None
        _defaults[name] = value


def job_submit(job_desc: JobObject, _submit_uid: int) -> int:
    """Fill in what is not set."""
    for name, value in _defaults.items():
        if getattr(job_desc, name) == FIELDS[name].kind.unset:
            setattr(job_desc, name, value)
    return 0


def job_modify(job_desc: JobObject, _job_ptr: JobObject, _submit_uid: int) -> int:
    """Fill in what the change would take away."""
    limit = _defaults.get("time_limit")
    if limit is not None and job_desc.time_limit == INFINITE:
        job_desc.time_limit = limit
    return 0
