"""What an event does to a job: the state after it, the result at the end, annotations, exceptions
(RFC 21). No I/O.

A job moves through the states NEW, DEPEND, PRIORITY, SCHED, RUN, CLEANUP, INACTIVE in this order,
with one way back: a pending job whose urgency or jobspec changes has its priority decided again.
Only events move it, and every event is an entry of its eventlog, so whoever applies the entries in
order knows the job. Two kinds of reader do:

- the job manager writes the eventlog. It may post an event only where `TRANSITIONS` allows it:
  `next_state` raises `UnexpectedEvent`.
- everybody else reads it, perhaps from its middle, perhaps a part of it twice. `observed_state`
  takes every event; applied to a whole, legal eventlog it gives the same states.

How a job ended is decided by the status of its tasks: a job that was canceled, yet whose tasks all
exited with 0, is completed. Exceptions decide for those that never had a status, or a bad one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from sys import intern
from typing import Final

from flux import constants
from flux.job.state_names import SINGLE_STATES, state_name
from flux.job.updates import JOBSPEC_UPDATE, RESOURCE_UPDATE
from flux.waitstatus import exit_code_of
from flux.wire.json import JsonMapping, JsonObject

NEW: Final = constants.FLUX_JOB_STATE_NEW
DEPEND: Final = constants.FLUX_JOB_STATE_DEPEND
PRIORITY: Final = constants.FLUX_JOB_STATE_PRIORITY
SCHED: Final = constants.FLUX_JOB_STATE_SCHED
RUN: Final = constants.FLUX_JOB_STATE_RUN
CLEANUP: Final = constants.FLUX_JOB_STATE_CLEANUP
INACTIVE: Final = constants.FLUX_JOB_STATE_INACTIVE

Annotations = JsonObject
Context = JsonMapping

TRANSITIONS: Final[Mapping[str, Mapping[int, int]]] = {
    "submit": {NEW: DEPEND},
    "depend": {DEPEND: PRIORITY},
    "priority": {PRIORITY: SCHED, SCHED: SCHED},
    "urgency": {DEPEND: DEPEND, PRIORITY: PRIORITY, SCHED: PRIORITY},
    JOBSPEC_UPDATE: {
        DEPEND: DEPEND,
        PRIORITY: PRIORITY,
        SCHED: PRIORITY,
        RUN: RUN,
        CLEANUP: CLEANUP,
    },
    RESOURCE_UPDATE: {RUN: RUN, CLEANUP: CLEANUP},
    "flux-restart": {
        DEPEND: DEPEND,
        PRIORITY: PRIORITY,
        SCHED: PRIORITY,
        RUN: RUN,
        CLEANUP: CLEANUP,
    },
    "alloc": {SCHED: RUN, CLEANUP: CLEANUP},
    "start": {RUN: RUN, CLEANUP: CLEANUP},
    "finish": {RUN: CLEANUP, CLEANUP: CLEANUP},
    "release": {RUN: RUN, CLEANUP: CLEANUP},
    "free": {CLEANUP: CLEANUP},
    "clean": {CLEANUP: INACTIVE},
    "dependency-add": {NEW: NEW, DEPEND: DEPEND, CLEANUP: CLEANUP},
    "dependency-remove": {DEPEND: DEPEND, CLEANUP: CLEANUP},
}
"""Event: {state it is expected in: state that follows}. Events without a row (memo, debug.*, those
of plugins) move nothing.
"""

FATAL_EXCEPTION: Final[Mapping[int, int]] = dict.fromkeys(
    (DEPEND, PRIORITY, SCHED, RUN, CLEANUP), CLEANUP
)
"""What an exception of severity 0 does: it ends every active job."""

_RESULT_OF_EXCEPTION: Final = {
    "cancel": constants.FLUX_JOB_RESULT_CANCELED,
    "timeout": constants.FLUX_JOB_RESULT_TIMEOUT,
}


IMMUTABLE: Final = "immutable"
"""The flag of a ``set-flags`` event that forbids its user to update a job: the instance owner has
given it what the rules do not (flux-update(1)).
"""

PLUGIN_SECTION: Final = "jobtap"
"""The section of a job's annotations in which plugins of the job manager say why it waits."""


def plugin_reason(annotations: JsonMapping | None) -> str:
    """Return why a plugin has a job wait, empty if none says so."""
    section = (annotations or {}).get(PLUGIN_SECTION)
    return str(section.get("reason") or "") if isinstance(section, dict) else ""


class UnexpectedEvent(ValueError):
    """An event came in a state that RFC 21 does not allow it in."""


def is_fatal(name: str, context: Context | None) -> bool:
    """Tell whether an event is an exception that ends the job."""
    return name == "exception" and context is not None and context.get("severity") == 0


def next_state(state: int, name: str, context: Context | None) -> int:
    """Return the state that follows; raises `UnexpectedEvent` when the event may not come in
    ``state``.
    """
    if name == "exception":
        if not is_fatal(name, context):
            return state
        table: Mapping[int, int] | None = FATAL_EXCEPTION
    else:
        table = TRANSITIONS.get(name)
        if table is None:
            return state
    following = table.get(state) if table is not None else None
    if following is None:
        raise UnexpectedEvent(f"{name} event in state {state_name(state)}")
    return following


def _observed(legal: Mapping[int, int]) -> Mapping[int, int]:
    """Return a transition table for readers: defined in every state, and never leading back but
    where that is legal.

    An event that may not come now is either old, and changes nothing, or what lies between was
    missed, and the job is at least where the event leads at its earliest.
    """
    earliest = min(legal.values())
    return {state: legal.get(state, max(state, earliest)) for state in SINGLE_STATES}


OBSERVED: Final[Mapping[str, Mapping[int, int]]] = {
    name: _observed(legal) for name, legal in TRANSITIONS.items()
}
"""`TRANSITIONS` for readers of an eventlog: every event has a following state in every state."""

OBSERVED_FATAL: Final[Mapping[int, int]] = _observed(FATAL_EXCEPTION)
"""`FATAL_EXCEPTION` for readers."""


def observed_state(state: int, name: str, context: Context | None) -> int:
    """Return the state of a job after an event, whatever was missed or comes twice; never
    raises.
    """
    table = OBSERVED.get(name)
    if table is not None:
        return table[state]
    return OBSERVED_FATAL[state] if is_fatal(name, context) else state


def result_of(status: int | None, fatal: str | None) -> int:
    """Return the result of a job that ended, a single `JobResult` as a number.

    ``status`` is the wait status of its ``finish`` event, None if it never had one; ``fatal`` the
    type of its first exception of severity 0, None if it had none.
    """
    if status == 0:
        return constants.FLUX_JOB_RESULT_COMPLETED
    return _RESULT_OF_EXCEPTION.get(fatal or "", constants.FLUX_JOB_RESULT_FAILED)


def exit_code(status: int | None, fatal: bool) -> int:
    """Return the exit code that stands for a job, as shells count: its tasks' if they had one, else
    1 after a fatal exception.
    """
    return int(fatal) if status is None else exit_code_of(status)


def merge_annotations(old: JsonMapping | None, new: JsonMapping) -> Annotations | None:
    """Return the annotations after an update by the scheduler or a user: null deletes a key,
    objects merge, all else replaces.

    This is how the job manager makes the whole object (RFC 27) that its events then carry. None
    stands for "none left".
    """
    merged = dict(old or {})
    for key, value in new.items():
        if isinstance(value, Mapping):
            before = merged.get(key)
            value = merge_annotations(before if isinstance(before, Mapping) else None, value)
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = value
    return merged or None


def annotations_after(old: Annotations | None, name: str, context: Context) -> Annotations | None:
    """Return the annotations of a job after an event; None for none.

    ``annotations`` and ``alloc`` events carry the whole object, which replaces what was known. A
    ``memo`` adds to the user's.
    """
    if name == "memo":
        return merge_annotations(old, {"user": context})
    if "annotations" not in context:
        return old
    new = context["annotations"]
    return new if isinstance(new, dict) and new else None


def is_worse(severity: int, known: int | None) -> bool:
    """Tell whether an exception of ``severity`` is told instead of the one known so far: the most
    severe, of equals the first.
    """
    return known is None or severity < known


class JobHistory:
    """A job as its eventlog tells it, for readers; None stands for "not known (yet)".

    Times are seconds since the epoch: ``t_run`` when resources were allocated, ``t_start`` when the
    tasks were started. Subclasses may add what they know from elsewhere, and override
    `keep_annotations`.
    """

    __slots__ = (
        "annotations",
        "dependencies",
        "exception_note",
        "exception_severity",
        "exception_type",
        "priority",
        "result",
        "state",
        "t_cleanup",
        "t_depend",
        "t_inactive",
        "t_run",
        "t_start",
        "t_submit",
        "urgency",
        "userid",
        "waitstatus",
    )

    def __init__(self) -> None:
        self.state = NEW
        self.userid = 0
        self.urgency = constants.FLUX_JOB_URGENCY_DEFAULT
        self.priority: int | None = None
        self.annotations: Annotations | None = None
        self.dependencies: tuple[str, ...] = ()
        self.exception_severity: int | None = None
        self.exception_type: str | None = None
        self.exception_note: str | None = None
        self.waitstatus: int | None = None
        self.result: int | None = None
        self.t_submit = 0.0
        self.t_depend: float | None = None
        self.t_run: float | None = None
        self.t_start: float | None = None
        self.t_cleanup: float | None = None
        self.t_inactive: float | None = None

    @property
    def inactive(self) -> bool:
        """Whether the job has ended."""
        return self.state == INACTIVE

    @property
    def failed_fatally(self) -> bool:
        """Whether an exception of severity 0 was raised."""
        return self.exception_severity == 0

    @property
    def running(self) -> bool:
        """Whether tasks were started and have not finished; those of a job that was canceled may
        need a while to end.
        """
        return self.t_start is not None and self.waitstatus is None and self.state != INACTIVE

    @property
    def exit_code(self) -> int:
        """The exit code that stands for the job, so far."""
        return exit_code(self.waitstatus, self.failed_fatally)

    def keep_annotations(self, annotations: Annotations | None) -> Annotations | None:
        """Return ``annotations`` as they shall be kept."""
        return annotations

    def apply(self, entry: JsonMapping) -> None:
        """Bring the job up to date with one entry of its eventlog; raises KeyError or TypeError if
        the entry is malformed.
        """
        name: str = entry["name"]
        context: Context = entry.get("context") or {}
        before = self.state
        self.state = observed_state(before, name, context)
        update = _UPDATES.get(name)
        if update is not None:
            update(self, name, context)
        note_time = _TIMES.get(name)
        if note_time is not None:
            note_time(self, entry["timestamp"])
        if self.state == CLEANUP and before != CLEANUP:
            self.t_cleanup = entry["timestamp"]


def _submit(job: JobHistory, name: str, context: Context) -> None:
    job.userid = context.get("userid", 0)
    job.urgency = context.get("urgency", constants.FLUX_JOB_URGENCY_DEFAULT)


def _urgency(job: JobHistory, name: str, context: Context) -> None:
    job.urgency = context["urgency"]


def _priority(job: JobHistory, name: str, context: Context) -> None:
    job.priority = context["priority"]


def _annotated(job: JobHistory, name: str, context: Context) -> None:
    job.annotations = job.keep_annotations(annotations_after(job.annotations, name, context))


def _dependency_add(job: JobHistory, name: str, context: Context) -> None:
    job.dependencies = with_dependency(job.dependencies, context["description"])


def _dependency_remove(job: JobHistory, name: str, context: Context) -> None:
    job.dependencies = tuple(one for one in job.dependencies if one != context["description"])


def with_dependency(known: tuple[str, ...], description: str) -> tuple[str, ...]:
    """Return the dependencies of a job after one was added: each is there once."""
    return known if description in known else (*known, description)


def _exception(job: JobHistory, name: str, context: Context) -> None:
    severity = context["severity"]
    if is_worse(severity, job.exception_severity):
        job.exception_severity = severity
        job.exception_type = intern(context["type"])
        job.exception_note = context.get("note", "")


def _finish(job: JobHistory, name: str, context: Context) -> None:
    job.waitstatus = context["status"]


def _clean(job: JobHistory, name: str, context: Context) -> None:
    job.result = result_of(job.waitstatus, job.exception_type if job.failed_fatally else None)


_UPDATES: Final[Mapping[str, Callable[[JobHistory, str, Context], None]]] = {
    "submit": _submit,
    "urgency": _urgency,
    "priority": _priority,
    "alloc": _annotated,
    "annotations": _annotated,
    "memo": _annotated,
    "dependency-add": _dependency_add,
    "dependency-remove": _dependency_remove,
    "exception": _exception,
    "finish": _finish,
    "clean": _clean,
}


def _submitted(job: JobHistory, timestamp: float) -> None:
    job.t_submit = job.t_depend = timestamp


def _allocated(job: JobHistory, timestamp: float) -> None:
    # Resources that come after the job was canceled go back at once: such a job never ran.
    if job.t_run is None and job.state == RUN:
        job.t_run = timestamp


def _started(job: JobHistory, timestamp: float) -> None:
    if job.t_start is None:
        job.t_start = timestamp


def _ended(job: JobHistory, timestamp: float) -> None:
    if job.t_inactive is None:
        job.t_inactive = timestamp


_TIMES: Final[Mapping[str, Callable[[JobHistory, float], None]]] = {
    "submit": _submitted,
    "alloc": _allocated,
    "start": _started,
    "clean": _ended,
}
