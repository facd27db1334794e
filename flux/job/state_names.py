"""How job states and results are written, in full and short, and the unions that filters name (RFC
21).

Apart from `flux.job.states`, because every command that lists jobs needs this and making
enumerations takes time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flux import constants

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNKNOWN: Final = ("(unknown)", "?")
_STATE_NAMES: Final = {
    constants.FLUX_JOB_STATE_NEW: ("NEW", "N"),
    constants.FLUX_JOB_STATE_DEPEND: ("DEPEND", "D"),
    constants.FLUX_JOB_STATE_PRIORITY: ("PRIORITY", "P"),
    constants.FLUX_JOB_STATE_SCHED: ("SCHED", "S"),
    constants.FLUX_JOB_STATE_RUN: ("RUN", "R"),
    constants.FLUX_JOB_STATE_CLEANUP: ("CLEANUP", "C"),
    constants.FLUX_JOB_STATE_INACTIVE: ("INACTIVE", "I"),
}
_RESULT_NAMES: Final = {
    constants.FLUX_JOB_RESULT_COMPLETED: ("COMPLETED", "CD"),
    constants.FLUX_JOB_RESULT_FAILED: ("FAILED", "F"),
    constants.FLUX_JOB_RESULT_CANCELED: ("CANCELED", "CA"),
    constants.FLUX_JOB_RESULT_TIMEOUT: ("TIMEOUT", "TO"),
}
_PENDING_OR_NEW: Final = constants.FLUX_JOB_STATE_PENDING | constants.FLUX_JOB_STATE_NEW

SINGLE_STATES: Final[tuple[int, ...]] = tuple(_STATE_NAMES)
"""The states without the unions, in their order."""

LISTED_STATES: Final = constants.FLUX_JOB_STATE_ACTIVE | constants.FLUX_JOB_STATE_INACTIVE
"""Every state that a listed job can be in: a job is listed once it has an event."""

STATE_FILTERS: Final[Mapping[str, int]] = {
    **{long.lower(): state for state, (long, _) in _STATE_NAMES.items()},
    "pending": constants.FLUX_JOB_STATE_PENDING,
    "running": constants.FLUX_JOB_STATE_RUNNING,
    "active": constants.FLUX_JOB_STATE_ACTIVE,
}
"""The names, lower case, that a filter may use for states, unions included."""

RESULT_FILTERS: Final[Mapping[str, int]] = {
    long.lower(): result for result, (long, _) in _RESULT_NAMES.items()
}
"""The names, lower case, that a filter may use for results."""

ALL_STATES: Final = "pending,running,inactive"
"""The filter that lets all jobs pass."""


def state_name(state: int, short: bool = False) -> str:
    """Return the name of a single state, or its letter; ``(unknown)`` or ``?`` if it is not one."""
    return _STATE_NAMES.get(state, _UNKNOWN)[short]


def result_name(result: int, short: bool = False) -> str:
    """Return the name of a result, or its abbreviation; ``(unknown)`` or ``?`` if it is not one."""
    return _RESULT_NAMES.get(result, _UNKNOWN)[short]


def phase_name(state: int, result: int | None, short: bool = False) -> str:
    """Return what today's flux-core calls the status of a job: the name of its state while it is
    active, then that of its result, empty if that is not known (None).
    """
    if state != constants.FLUX_JOB_STATE_INACTIVE:
        return state_name(state, short)
    return "" if result is None else result_name(result, short)


def status_name(state: int, result: int | None, short: bool = False) -> str:
    """Return the friendly mix of state and result: ``PENDING``, ``RUNNING``, ``COMPLETED``…

    The status of an inactive job whose result is not known (None) is empty.
    """
    if state & _PENDING_OR_NEW:
        return "PD" if short else "PENDING"
    if state & constants.FLUX_JOB_STATE_RUNNING:
        return "R" if short else "RUNNING"
    return "" if result is None else result_name(result, short)
