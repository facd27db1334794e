"""Why a job waits, and why one that ended was no success: the same words in ``flux jobs``, in the
dashboard and in the job manager's answers. No I/O.
"""

from __future__ import annotations

import re
import time
from enum import StrEnum
from signal import Signals
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from flux.constants import FLUX_JOB_PRIORITY_MIN
from flux.duration import fsd
from flux.job.JobID import JobID
from flux.job.lifecycle import DEPEND, PRIORITY, SCHED, plugin_reason
from flux.job.states import JobResult, Urgency
from flux.waitstatus import NOT_EXECUTABLE, NOT_FOUND, SIGNALED, exit_code_of, signal_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flux.wire.json import JsonMapping

RESOURCES: Final = "waiting for resources"
"""What is said of a job in the scheduler's hands of which nothing more is known."""

_BEGIN: Final = "begin-time="
_OWN_WORDS: Final[Mapping[str, str]] = {"cancel": "canceled"}
"""Exceptions that have a better word than their type."""


class Waiting(NamedTuple):
    """What is known of a job that waits: ``told`` is the answer of ``job-manager.pending-reasons``,
    empty for none; ``urgency`` and ``priority`` are None if not known.
    """

    state: int
    dependencies: tuple[str, ...] = ()
    urgency: int | None = None
    priority: int | None = None
    annotations: JsonMapping = MappingProxyType({})
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


class Remedy(StrEnum):
    """What somebody can do about a job that waits."""

    OPEN = "open"
    RELEASE = "release"
    URGENCY = "urgency"
    CANCEL = "cancel"


_JOB: Final = re.compile(r"(?:after[a-z-]*[:=]|behind job )(\u0192?[1-9A-HJ-NP-Za-km-z]+)")
"""A dependency on another job, of flux-core (``afterok:``) and of ours, or the job ahead in the
queue.
"""


def awaited_job(job: Waiting) -> int | None:
    """Return the id of the first job that this one waits for, None if it waits for none."""
    for text in (*job.dependencies, job.told):
        found = _JOB.search(text)
        if found is not None:
            try:
                return int(JobID(found[1]))
            except ValueError:
                continue
    return None


def remedies(job: Waiting) -> tuple[Remedy, ...]:
    """Return what would help a job that waits, the best first; nothing for one that does not."""
    first = (Remedy.OPEN,) if awaited_job(job) is not None else ()
    if job.state in (DEPEND, PRIORITY):
        return *first, Remedy.CANCEL
    if job.state != SCHED:
        return ()
    if job.priority == FLUX_JOB_PRIORITY_MIN:
        by_user = job.urgency in (None, Urgency.HOLD)
        return (Remedy.RELEASE, Remedy.CANCEL) if by_user else (Remedy.CANCEL,)
    return *first, Remedy.URGENCY, Remedy.CANCEL


_BY_SIGNAL: Final[Mapping[int, str]] = {
    Signals.SIGKILL: "killed by somebody, or by the kernel when memory ran out",
    Signals.SIGSEGV: "the program used memory that is not its own",
    Signals.SIGBUS: "the program used memory that is not there",
    Signals.SIGABRT: "the program ended itself: it found something wrong",
    Signals.SIGFPE: "the program divided by zero or the like",
    Signals.SIGILL: "the program has instructions that this processor does not know",
    Signals.SIGTERM: "the program was asked to end",
    Signals.SIGINT: "the program was interrupted",
    Signals.SIGPIPE: "the program wrote to something that was closed",
    Signals.SIGXCPU: "the program used up its processor time (ulimit -t)",
    Signals.SIGXFSZ: "the program wrote a larger file than it may (ulimit -f)",
}
_BY_CODE: Final[Mapping[int, str]] = {
    NOT_EXECUTABLE: "the program was found but could not be run: is it executable?",
    NOT_FOUND: "a program was not found: is it in the PATH of the job?",
}
_BY_EXCEPTION: Final[Mapping[str, str]] = {
    "timeout": "the job reached its time limit",
    "exec": "the tasks could not be started, or a node was lost",
    "alloc": "the scheduler refused it: these resources can never be had here",
    "dependency": "what it depended on did not come to pass",
    "job_validator": "the instance does not accept such jobs",
}


def meaning(kind: str, waitstatus: int | None) -> str:
    """Return what an exception of type ``kind`` (empty for none) or the end of the tasks usually
    stands for, empty where there is nothing to add.
    """
    if kind:
        return _BY_EXCEPTION.get(kind, "")
    if not waitstatus:
        return ""
    code = exit_code_of(waitstatus)
    signum = signal_of(waitstatus) or (code - SIGNALED if code > SIGNALED else 0)
    return _BY_SIGNAL.get(signum, "") if signum else _BY_CODE.get(code, "")


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
