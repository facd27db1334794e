"""Job states, results and urgencies: their numbers, names and unions (RFC 21).

This is the one place that spells them out; `flux.constants` repeats the numbers under the names of the C headers. Members
compare and hash as fast as plain numbers, but arithmetic on them is slow, and unions made of members are members too: code that
runs for every event of every job keeps plain numbers (``JobState.RUN.value``, or the constants).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, IntFlag
from typing import Final


class JobState(IntFlag):
    """The states of a job in the order a job goes through them, and the unions that the manual names."""

    NEW = 1
    DEPEND = 2
    PRIORITY = 4
    SCHED = 8
    RUN = 16
    CLEANUP = 32
    INACTIVE = 64
    PENDING = DEPEND | PRIORITY | SCHED
    RUNNING = RUN | CLEANUP
    ACTIVE = PENDING | RUNNING
    LISTED = ACTIVE | INACTIVE
    """Every state that a listed job can be in: a job is listed once it has an event."""


class JobResult(IntFlag):
    """How an inactive job ended."""

    COMPLETED = 1
    FAILED = 2
    CANCELED = 4
    TIMEOUT = 8


class Urgency(IntEnum):
    """The urgencies that mean something of their own."""

    HOLD = 0
    DEFAULT = 16
    EXPEDITE = 31


URGENCY_MIN: Final = 0
URGENCY_MAX: Final = 31
PRIORITY_MIN: Final = 0
PRIORITY_MAX: Final = (1 << 32) - 1

SINGLE_STATES: Final[tuple[JobState, ...]] = (
    JobState.NEW,
    JobState.DEPEND,
    JobState.PRIORITY,
    JobState.SCHED,
    JobState.RUN,
    JobState.CLEANUP,
    JobState.INACTIVE,
)
"""The states without the unions, in their order."""

RESULTS: Final[tuple[JobResult, ...]] = (
    JobResult.COMPLETED,
    JobResult.FAILED,
    JobResult.CANCELED,
    JobResult.TIMEOUT,
)

_RESULT_CODES: Final = ("CD", "F", "CA", "TO")
_UNKNOWN: Final = ("(unknown)", "?")
_STATE_NAMES: Final = {state.value: (str(state.name), str(state.name)[0]) for state in SINGLE_STATES}
_RESULT_NAMES: Final = {
    result.value: (str(result.name), code) for result, code in zip(RESULTS, _RESULT_CODES, strict=True)
}

_PENDING_OR_NEW: Final = JobState.PENDING.value | JobState.NEW.value
_RUNNING: Final = JobState.RUNNING.value

STATE_FILTERS: Final[Mapping[str, int]] = {
    str(state.name).lower(): state.value
    for state in (*SINGLE_STATES, JobState.PENDING, JobState.RUNNING, JobState.ACTIVE)
}
"""The names, lower case, that a filter may use for states, unions included."""

RESULT_FILTERS: Final[Mapping[str, int]] = {str(result.name).lower(): result.value for result in RESULTS}
"""The names, lower case, that a filter may use for results."""


def state_name(state: int, short: bool = False) -> str:
    """Return the name of a single state, or its letter; ``(unknown)`` or ``?`` if it is not one."""
    return _STATE_NAMES.get(state, _UNKNOWN)[short]


def result_name(result: int, short: bool = False) -> str:
    """Return the name of a result, or its abbreviation; ``(unknown)`` or ``?`` if it is not one."""
    return _RESULT_NAMES.get(result, _UNKNOWN)[short]


def status_name(state: int, result: int | None, short: bool = False) -> str:
    """Return the friendly mix of state and result: ``PENDING``, ``RUNNING``, ``COMPLETED``…

    The status of an inactive job whose result is not known (None) is empty.
    """
    if state & _PENDING_OR_NEW:
        return "PD" if short else "PENDING"
    if state & _RUNNING:
        return "R" if short else "RUNNING"
    return "" if result is None else result_name(result, short)
