"""What today's flux-core says of a job in few words: the columns ``INFO`` and ``INACTIVE-REASON``,
and what a job depends on. No I/O.

`flux.job.why` has our own words, which say more; these are for programs that read flux-core's.
"""

from __future__ import annotations

import time
from datetime import datetime
from signal import strsignal
from typing import TYPE_CHECKING, Final

from flux.duration import fsd
from flux.job.lifecycle import DEPEND, PRIORITY, SCHED
from flux.job.states import JobResult, Urgency
from flux.job.why import begin_time
from flux.waitstatus import NOT_EXECUTABLE, NOT_FOUND, SIGNALED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flux.wire.json import JsonMapping

_BY_CODE: Final[Mapping[int, str]] = {
    NOT_EXECUTABLE: "Command invoked cannot execute",
    NOT_FOUND: "command not found",
    SIGNALED: "Invalid argument to exit",
}


class InfoList(list[object]):
    """A list that shows as its items joined by commas."""

    def __str__(self) -> str:
        return ",".join(map(str, self))


class DependencyList(InfoList):
    """What a job depends on, as it shows: a begin-time by the clock."""

    def __init__(self, dependencies: Iterable[object]) -> None:
        super().__init__(map(_shown_dependency, dependencies))


def _shown_dependency(dependency: object) -> object:
    """Return ``begin@17:00:00`` for a begin-time of today, ``begin@Nov28-17:00:00`` for another;
    any other dependency as it is.
    """
    moment = begin_time(dependency) if isinstance(dependency, str) else None
    if moment is None:
        return dependency
    try:
        when = datetime.fromtimestamp(moment).astimezone()
    except (ValueError, OverflowError, OSError):
        return dependency  # a plugin may name any number
    today = when.date() == datetime.now().astimezone().date()
    return f"begin@{when:%H:%M:%S}" if today else f"begin@{when:%b%d-%H:%M:%S}"


def waiting_words(info: JsonMapping, state: int) -> str:
    """Return what a job waits for, of which job-list said ``info``: ``held``, ``priority-hold``,
    ``depends:NAME,...``, ``eta:TIME`` for what the scheduler expects, empty for resources.
    """
    if state == DEPEND:
        return f"depends:{DependencyList(info.get('dependencies') or ())}"
    if state == PRIORITY:
        return "priority-wait"
    if state != SCHED:
        return ""
    expected = _expected_start(info)
    if expected is not None:
        left = expected - time.time()
        return f"eta:{fsd(left)}" if left > 0 else "eta:now"
    if info.get("urgency") == Urgency.HOLD:
        return "held"
    return "priority-hold" if info.get("priority") == 0 else ""


def _expected_start(info: JsonMapping) -> float | None:
    """Return when the scheduler expects a job to start, in seconds since the epoch."""
    annotations = info.get("annotations")
    sched = annotations.get("sched") if isinstance(annotations, dict) else None
    found = sched.get("t_estimate") if isinstance(sched, dict) else None
    return float(found) if isinstance(found, int | float) else None


def ending_words(info: JsonMapping, result: int, returncode: int | str) -> str:
    """Return how a job ended, of which job-list said ``info``: ``Exit 1``, ``Killed``, ``Timeout``,
    ``Canceled: NOTE``, ``Exception: type=TYPE note=NOTE``.
    """
    note = info.get("exception_note") or ""
    if result == JobResult.CANCELED:
        told = note and info.get("exception_type") in (None, "cancel")
        return f"Canceled: {note}" if told else "Canceled"
    if result == JobResult.TIMEOUT:
        return "Timeout"
    if result != JobResult.FAILED:
        return f"Exit {returncode}"
    kind = info.get("exception_type")
    if info.get("exception_severity") == 0 and kind != "exec":
        return f"Exception: type={kind}" + (f" note={note}" if note else "")
    return _failure_words(returncode if isinstance(returncode, int) else 1)


def _failure_words(code: int) -> str:
    """Return what an exit code means: above 128 a shell tells of a signal so."""
    known = _BY_CODE.get(code)
    if known is not None:
        return known
    if code <= SIGNALED:
        return f"Exit {code}"
    number = code - SIGNALED
    try:
        return strsignal(number) or f"Signaled {number}"
    except ValueError:
        return f"Signaled {number}"
