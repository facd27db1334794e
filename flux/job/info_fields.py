"""What fields of a job's listing need of job-list, and the pictures of states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flux import constants
from flux.job.attributes import JOB_ATTRIBUTES, LATER_ATTRIBUTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_WAITS: Final = frozenset(("annotations", "dependencies", "priority", "state", "urgency"))
_ENDED: Final = frozenset(
    (
        *("exception_note", "exception_occurred", "exception_severity", "exception_type"),
        *("result", "state", "waitstatus"),
    )
)
_DERIVED: Final[Mapping[str, frozenset[str]]] = {
    "id": frozenset(),
    "username": frozenset(("userid",)),
    "state_single": frozenset(("state",)),
    "state_emoji": frozenset(("state",)),
    "result_abbrev": frozenset(("result",)),
    "result_emoji": frozenset(("result",)),
    "status": frozenset(("result", "state")),
    "status_abbrev": frozenset(("result", "state")),
    "phase": frozenset(("result", "state")),
    "phase_abbrev": frozenset(("result", "state")),
    "status_emoji": frozenset(("result", "state")),
    "runtime": frozenset(("t_cleanup", "t_run")),
    "node_count": frozenset(("nnodes",)),
    "t_remaining": frozenset(("expiration", "result", "state")),
    "returncode": frozenset(("result", "waitstatus")),
    "exception": frozenset(name for name in _ENDED if name.startswith("exception")),
    "sched": frozenset(("annotations",)),
    "user": frozenset(("annotations",)),
    "uri": frozenset(("annotations",)),
    "instance": frozenset(("annotations", "result", "state")),
    "reason": _WAITS | _ENDED,
    "where": _WAITS | _ENDED | {"nodelist"},
    "contextual_info": _WAITS | _ENDED | {"nodelist"},
    "contextual_time": frozenset(("duration", "state", "t_cleanup", "t_run")),
    "inactive_reason": _ENDED,
}
_STATES: Final = {
    constants.FLUX_JOB_STATE_NEW: "\N{WRAPPED PRESENT}",
    constants.FLUX_JOB_STATE_DEPEND: "\N{OCTAGONAL SIGN}",
    constants.FLUX_JOB_STATE_PRIORITY: "\N{VERTICAL TRAFFIC LIGHT}",
    constants.FLUX_JOB_STATE_SCHED: "\N{CALENDAR}",
    constants.FLUX_JOB_STATE_RUN: "\N{RUNNER}",
    constants.FLUX_JOB_STATE_CLEANUP: "\N{WASTEBASKET}",
    constants.FLUX_JOB_STATE_INACTIVE: "\N{SKULL}",
}
_RESULTS: Final = {
    constants.FLUX_JOB_RESULT_COMPLETED: "\N{GRINNING FACE}",
    constants.FLUX_JOB_RESULT_FAILED: "\N{PILE OF POO}",
    constants.FLUX_JOB_RESULT_CANCELED: "\N{COLLISION SYMBOL}",
    constants.FLUX_JOB_RESULT_TIMEOUT: "\N{HOURGLASS}",
}
NO_PICTURE: Final = "\N{IDEOGRAPHIC SPACE}"
"""As wide as a picture."""


def job_fields_to_attrs(fields: Iterable[str]) -> set[str]:
    """Return the attributes of job-list that fields need, such as ``runtime`` or
    ``annotations.user.x``; KeyError for a field that there is not.
    """
    attrs: set[str] = set()
    for field in fields:
        root = field.partition(".")[0]
        if root in _DERIVED:
            attrs |= _DERIVED[root]
        elif root == "expiration":
            attrs |= _DERIVED["t_remaining"]
        elif root in JOB_ATTRIBUTES or root in LATER_ATTRIBUTES:
            attrs.add(root)
        else:
            raise KeyError(field)
    return attrs


def statetoemoji(stateid: int) -> str:
    """Return the picture of a state."""
    return _STATES.get(stateid, NO_PICTURE)


def resulttoemoji(resultid: int | str) -> str:
    """Return the picture of a result, a space as wide for none."""
    return _RESULTS.get(resultid, NO_PICTURE) if isinstance(resultid, int) else NO_PICTURE


def statustoemoji(stateid: int, resultid: int | str) -> str:
    """Return the picture of a job: that of its result if it has ended."""
    over = stateid == constants.FLUX_JOB_STATE_INACTIVE
    return resulttoemoji(resultid) if over else statetoemoji(stateid)
