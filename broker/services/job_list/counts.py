"""Numbers of jobs by state and result, of the instance or of one queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flux.constants import (
    FLUX_JOB_RESULT_CANCELED,
    FLUX_JOB_RESULT_TIMEOUT,
    FLUX_JOB_STATE_INACTIVE,
    FLUX_JOB_STATE_NEW,
)
from flux.job.state_names import SINGLE_STATES, state_name

if TYPE_CHECKING:
    from broker.services.job_list.record import ListedJob
    from flux.wire.json import JsonObject

LISTED: Final = tuple(state for state in SINGLE_STATES if state != FLUX_JOB_STATE_NEW)
"""The states in which jobs are listed."""


class JobCounts:
    """The numbers; a job of which nothing but its id is known is in no state and is not counted."""

    def __init__(self) -> None:
        self._states: dict[int, int] = dict.fromkeys(LISTED, 0)
        self._failed = self._canceled = self._timeout = self._purged = 0

    def move(self, before: int, after: int) -> None:
        """Count a job that goes from one state to another; FLUX_JOB_STATE_NEW is none."""
        if before != FLUX_JOB_STATE_NEW:
            self._states[before] -= 1
        if after != FLUX_JOB_STATE_NEW:
            self._states[after] += 1

    def ended(self, job: ListedJob, number: int = 1) -> None:
        """Count the result of an inactive job, or with -1 for ``number`` no longer."""
        if not job.success:
            result = job.result or 0
            self._failed += number
            self._canceled += number * (result == FLUX_JOB_RESULT_CANCELED)
            self._timeout += number * (result == FLUX_JOB_RESULT_TIMEOUT)

    def purge(self, job: ListedJob) -> None:
        """Count an inactive job as purged, and in no other way."""
        self.move(FLUX_JOB_STATE_INACTIVE, FLUX_JOB_STATE_NEW)
        self.ended(job, -1)
        self._purged += 1

    def answer(self) -> JsonObject:
        """Return what ``job-list.job-stats`` tells; ``failed`` counts every job that was no
        success.
        """
        states = {state_name(state).lower(): count for state, count in self._states.items()}
        return {
            "job_states": {**states, "total": sum(self._states.values())},
            "failed": self._failed,
            "canceled": self._canceled,
            "timeout": self._timeout,
            "successful": self._states[FLUX_JOB_STATE_INACTIVE] - self._failed,
            "inactive_purged": self._purged,
        }
