"""What job-list knows of a job, as the entries of an eventlog that matter: for those who may not
read the journal. No I/O.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flux.constants import FLUX_JOB_STATE_INACTIVE

if TYPE_CHECKING:
    from flux.wire.json import JsonMapping, JsonObject

ATTRIBUTES: Final = (
    "userid",
    "state",
    "t_submit",
    "t_run",
    "t_inactive",
    "waitstatus",
    "exception_severity",
    "exception_type",
)
"""What to ask job-list for."""


def entries_of(job: JsonMapping) -> list[JsonObject]:
    """Return the entries, as far as the job has got.

    Raises KeyError for a job without what every job has.
    """
    found = [_entry(job["t_submit"], "submit", {"userid": job["userid"]})]
    if job.get("t_run"):
        found.append(_entry(job["t_run"], "alloc", {}))
    if job["state"] != FLUX_JOB_STATE_INACTIVE:
        return found
    time = job["t_inactive"]
    if "waitstatus" in job and job.get("t_run"):
        found.append(_entry(time, "finish", {"status": job["waitstatus"]}))
    if job.get("exception_severity") == 0:
        kind = job.get("exception_type", "")
        found.append(_entry(time, "exception", {"severity": 0, "type": kind}))
    return [*found, _entry(time, "clean", {})]


def _entry(timestamp: float, name: str, context: JsonObject) -> JsonObject:
    return {"timestamp": timestamp, "name": name, "context": context}
