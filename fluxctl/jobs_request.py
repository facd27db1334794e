"""The request for the jobs that ``flux jobs`` lists."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from flux.job.state_names import ALL_STATES
from fluxctl.errors import CommandError
from fluxctl.jobs_options import constraint_of, moment
from fluxctl.suggestions import suggestion

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.job.list import JobList
    from fluxctl.job_selection import Selection


def check(wanted: Selection) -> None:
    """Raise CommandError for a time, hosts or ranks that are none."""
    if wanted["since"]:
        moment(wanted["since"], time.time())
    if wanted["include"]:
        constraint_of(wanted["include"])


def is_filtered(wanted: Selection) -> bool:
    """Tell whether options say more of jobs than their ids."""
    conditions = wanted["queues"], wanted["since"], wanted["name"]
    filters = wanted["all_jobs"], wanted["all_users"], wanted["filters"], wanted["user"]
    return any((*filters, *conditions))


def query_of(flux: Flux, wanted: Selection, attrs: list[str]) -> JobList:
    """Return the query for the jobs that are wanted, not sent yet; raises CommandError."""
    from flux.job.list import JobList

    filters = "pending,running" if wanted["filters"] is None else wanted["filters"]
    user: str | int = wanted["user"] if wanted["user"] is not None else os.getuid()
    since = moment(wanted["since"], time.time()) if wanted["since"] else 0.0
    if wanted["all_jobs"] or wanted["all_users"] or (since and not wanted["filters"]):
        filters = ALL_STATES
    if wanted["all_users"]:
        user = "all"
    names = filters.split(",")
    queues = None if wanted["queues"] is None else wanted["queues"].split(",")
    placed = constraint_of(wanted["include"]) if wanted["include"] else None
    try:
        return JobList(
            flux,
            attrs,
            names,
            wanted["jobids"],
            user,
            wanted["count"],
            queue=queues,
            since=since,
            name=wanted["name"],
            constraint=placed,
        )
    except ValueError as exc:
        known = {*JobList.STATES, *JobList.RESULTS, "all"}
        wrong = next((name for name in names if name.lower() not in known), "")
        raise CommandError(f"ERROR: {exc}", hint=suggestion(wrong.lower(), known)) from None
