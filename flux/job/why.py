"""Why a job waits, and why one that ended was no success: the same words in ``flux jobs``, in the
dashboard and in the job manager's answers. No I/O.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from signal import Signals
from typing import TYPE_CHECKING, Final

from flux.constants import FLUX_JOB_PRIORITY_MIN
from flux.duration import fsd
from flux.job.lifecycle import DEPEND, PRIORITY, SCHED, plugin_reason
from flux.job.states import JobResult, Urgency
from flux.waitstatus import SIGNALED, exit_code_of, signal_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flux.wire.json import JsonMapping

RESOURCES: Final = "waiting for resources"
"""What is said of a job in the scheduler's hands of which nothing more is known."""

_BEGIN: Final = "begin-time="
_OWN_WORDS: Final[Mapping[str, str]] = {"cancel": "canceled"}
"""Exceptions that have a better word than their type."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is known of a job that waits: ``told`` is the answer of ``job-manager.pending-reasons``,
    empty for none; ``urgency`` and ``priority`` are None if not known.
    """

    state: int
    dependencies: tuple[str, ...] = ()
    urgency: int | None = None
    priority: int | None = None
    annotations: JsonMapping = field(default_factory=dict)
    told: str = ""


def why_pending(job: Waiting, now: float | None = None) -> str:
    """Return why a job waits, empty if its state is none in which jobs wait.

    With ``now``, seconds since the epoch, a begin-time says in how long it is.
    """
    plugin = plugin_reason(job.annotations)
    if job.state == DEPEND:
        names = ",".join(_dependency(name, now) for name in job.dependencies)
        return f"depends on {names}" if names else plugin or "waiting for its dependencies"
    if job.state == PRIORITY:
        return plugin or "waiting for its priority"
    if job.state != SCHED:
        return ""
    if job.priority == FLUX_JOB_PRIORITY_MIN:
        by_user = job.urgency in (None, Urgency.HOLD)
        return plugin or ("held" if by_user else "held (priority 0)")
    return job.told or _scheduler_note(job.annotations) or RESOURCES


def begin_time(dependency: str) -> float | None:
    """Return the seconds since the epoch that a dependency is for, None if it is none on a time."""
    if not dependency.startswith(_BEGIN):
        return None
    try:
        return float(dependency.removeprefix(_BEGIN))
    except ValueError:
        return None


def _dependency(name: str, now: float | None) -> str:
    """Return a dependency in words: of a begin-time, when that is."""
    if not name.startswith(_BEGIN) or now is None:
        return name
    try:
        moment = float(name.removeprefix(_BEGIN))
        clock = time.strftime("%b %d %H:%M:%S", time.localtime(moment))
    except (ValueError, OverflowError, OSError):
        return name
    left = moment - now
    return f"begin-time {clock}" + (f" (in {fsd(float(round(left)))})" if left >= 1 else "")


def _scheduler_note(annotations: JsonMapping) -> str:
    """Return what the scheduler itself noted on a job, empty if nothing."""
    section = annotations.get("sched")
    if not isinstance(section, dict):
        return ""
    ahead = section.get("jobs_ahead")
    return str(section.get("reason_pending") or (f"{ahead} jobs ahead" if ahead else ""))


def why_unsuccessful(result: int, kind: str, note: str, waitstatus: int | None) -> str:
    """Return why a job that ended was no success, empty if it was one.

    ``kind`` and ``note`` are those of its gravest exception, empty for none; ``waitstatus`` is that
    of its tasks, None if they never ran. How the tasks ended is said where no exception explains
    it.
    """
    if result == JobResult.COMPLETED:
        return ""
    parts: list[str] = []
    word = _OWN_WORDS.get(kind, kind)
    if word or note:
        parts.append(f"{word}: {note}" if word and note and note != word else word or note)
    if waitstatus and (not parts or result == JobResult.FAILED):
        parts.append(ending(waitstatus))
    return ", ".join(parts) or "failed"


def ending(waitstatus: int) -> str:
    """Return how a process ended: ``exit code 3``, ``SIGKILL``, and both where a shell adds 128 to
    the number of a signal.
    """
    signum, code = signal_of(waitstatus), exit_code_of(waitstatus)
    if signum:
        return signal_name(signum)
    by_shell = signal_name(code - SIGNALED) if code > SIGNALED else ""
    return f"exit code {code} ({by_shell})" if by_shell.startswith("SIG") else f"exit code {code}"


def signal_name(number: int) -> str:
    """Return ``SIGTERM`` for 15; ``signal N`` for one without a name."""
    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"
