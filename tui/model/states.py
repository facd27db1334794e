"""Job states, results and the one status the dashboard shows for both (RFC 21)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from flux.job.states import JobResult, JobState

NEW: Final = JobState.NEW.value
DEPEND: Final = JobState.DEPEND.value
PRIORITY: Final = JobState.PRIORITY.value
SCHED: Final = JobState.SCHED.value
RUN: Final = JobState.RUN.value
CLEANUP: Final = JobState.CLEANUP.value
INACTIVE: Final = JobState.INACTIVE.value

COMPLETED: Final = JobResult.COMPLETED.value
FAILED: Final = JobResult.FAILED.value
CANCELED: Final = JobResult.CANCELED.value
TIMEOUT: Final = JobResult.TIMEOUT.value


class Status(IntEnum):
    """A job's state while it is active, its result once it is inactive."""

    DEPEND = 0
    PRIORITY = 1
    SCHED = 2
    RUN = 3
    CLEANUP = 4
    COMPLETED = 5
    FAILED = 6
    CANCELED = 7
    TIMEOUT = 8


class StatusInfo(NamedTuple):
    """How a status is written: two-letter code, word, and place in the default sort order."""

    code: str
    word: str
    rank: int


STATUS: Final[tuple[StatusInfo, ...]] = (
    StatusInfo("D", "depend", 4),
    StatusInfo("P", "priority", 3),
    StatusInfo("S", "sched", 2),
    StatusInfo("R", "run", 0),
    StatusInfo("C", "cleanup", 1),
    StatusInfo("CD", "completed", 6),
    StatusInfo("F", "failed", 5),
    StatusInfo("CA", "canceled", 6),
    StatusInfo("TO", "timeout", 5),
)

PENDING: Final = frozenset({Status.DEPEND, Status.PRIORITY, Status.SCHED})
RUNNING: Final = frozenset({Status.RUN, Status.CLEANUP})
ACTIVE: Final = PENDING | RUNNING
DONE: Final = frozenset(Status) - ACTIVE


class StatusGroup(NamedTuple):
    """Statuses that stand together in the table when it is in the order of states: what they are
    called, and the first of their places.
    """

    title: str
    statuses: frozenset[Status]
    rank: int


UNSUCCESSFUL: Final = frozenset({Status.FAILED, Status.TIMEOUT})
GROUPS: Final = (
    StatusGroup("RUNNING", RUNNING, 0),
    StatusGroup("PENDING", PENDING, 2),
    StatusGroup("FAILED", UNSUCCESSFUL, 5),
    StatusGroup("DONE", DONE - UNSUCCESSFUL, 6),
)
"""Those that need somebody's attention stand above those that do not."""

_STATUS_OF_STATE: Final[dict[int, Status]] = {
    NEW: Status.DEPEND,
    DEPEND: Status.DEPEND,
    PRIORITY: Status.PRIORITY,
    SCHED: Status.SCHED,
    RUN: Status.RUN,
    CLEANUP: Status.CLEANUP,
}
_STATUS_OF_RESULT: Final[dict[int, Status]] = {
    COMPLETED: Status.COMPLETED,
    FAILED: Status.FAILED,
    CANCELED: Status.CANCELED,
    TIMEOUT: Status.TIMEOUT,
}
RESULT_OF: Final[dict[Status, int]] = {
    status: result for result, status in _STATUS_OF_RESULT.items()
}
"""The result of an inactive job by its status."""


def status_of(state: int, result: int) -> Status:
    """Return the status of a job in ``state``; ``result`` counts only for an inactive one."""
    if state == INACTIVE:
        return _STATUS_OF_RESULT.get(result, Status.FAILED)
    return _STATUS_OF_STATE.get(state, Status.DEPEND)


STATUS_INDEX: Final[bytes] = bytes(status_of(code >> 4, code & 15) for code in range(65 * 16))
"""``STATUS_INDEX[state << 4 | result]``: :func:`status_of` as a table, for loading many jobs at
once.
"""
