"""``job_submit/logging``: logs what jobs are submitted with, and what is to be changed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broker.slurm.job_submit.python_api import JobObject

plugin_name = "Job submit logging plugin"
plugin_type = "job_submit/logging"
plugin_version = 100

_SUBMITTED: Final = ("account", "begin_time", "dependency", "name", "partition", "qos")
_CHANGED: Final = ("account", "begin_time", "dependency", "job_id", "name", "partition", "qos")


def job_submit(job_desc: JobObject, submit_uid: int) -> int:
    """Log a submission."""
    text = _fields(job_desc, _SUBMITTED)
    more = f"time_limit:{job_desc.time_limit} user_id:{job_desc.user_id}"
    _log("job_submit", f"Job submit request: {text} submit_uid:{submit_uid} {more}")
    return 0


def job_modify(job_desc: JobObject, job_ptr: JobObject, submit_uid: int) -> int:
    """Log a change."""
    shown = {"job_id": job_ptr.job_id}
    text = _fields(job_desc, _CHANGED, shown)
    more = f"submit_uid:{submit_uid} time_limit:{job_desc.time_limit}"
    _log("job_modify", f"Job modify request: {text} {more}")
    return 0


def _fields(
    job: JobObject, names: tuple[str, ...], shown: Mapping[str, object] | None = None
) -> str:
    words = []
    for name in names:
        value = (shown or {}).get(name, getattr(job, name))
        words.append(f"{name}:{'(null)' if value is None else value}")
    return " ".join(words)


def _log(function: str, text: str) -> None:
    slurm = importlib.import_module("slurm")  # what the host gives to plugins

    slurm.log_info("%s", f"job_submit/logging: {function}: {text}")
