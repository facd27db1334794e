"""Job states, the events that change them, and one job's record (RFC 21).

A job moves through the states in the order NEW, DEPEND, PRIORITY, SCHED, RUN, CLEANUP, INACTIVE.
Only events move it, every event is an entry of its eventlog, and applying the entries of an
eventlog to a new `Job` reproduces it: that is how a restarted job manager knows its jobs. The
tables below are the whole truth about which event may come in which state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flux.wire import json

NEW: Final = 1
DEPEND: Final = 2
PRIORITY: Final = 4
SCHED: Final = 8
RUN: Final = 16
CLEANUP: Final = 32
INACTIVE: Final = 64
ACTIVE: Final = DEPEND | PRIORITY | SCHED | RUN | CLEANUP
PENDING: Final = DEPEND | PRIORITY | SCHED

STATE_NAMES: Final = {
    NEW: "NEW",
    DEPEND: "DEPEND",
    PRIORITY: "PRIORITY",
    SCHED: "SCHED",
    RUN: "RUN",
    CLEANUP: "CLEANUP",
    INACTIVE: "INACTIVE",
}

#: event -> {state it is expected in: state that follows}
TRANSITIONS: Final[Mapping[str, Mapping[int, int]]] = {
    "submit": {NEW: DEPEND},
    "depend": {DEPEND: PRIORITY},
    "priority": {PRIORITY: SCHED, SCHED: SCHED},
    "urgency": {DEPEND: DEPEND, PRIORITY: PRIORITY, SCHED: PRIORITY},
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

#: A fatal exception moves every active job to CLEANUP.
FATAL_EXCEPTION: Final[Mapping[int, int]] = {
    state: CLEANUP for state in (DEPEND, PRIORITY, SCHED, RUN, CLEANUP)
}

FLAG_DEBUG: Final = 2
FLAG_WAITABLE: Final = 4

PRIORITY_MIN: Final = 0
PRIORITY_MAX: Final = 4294967295
PRIORITY_UNSET: Final = -1
URGENCY_HOLD: Final = 0
URGENCY_EXPEDITE: Final = 31


_NOTHING: Final[frozenset[str]] = frozenset()


class IllegalEvent(ValueError):
    """An event came in a state that RFC 21 does not allow it in."""


class Job:
    """One active job.

    ``jobspec`` is the submitted object; ``resources`` is R, once known; ``seq`` counts eventlog
    entries; ``entries`` holds the eventlog so far for those who ask for it while the job is active.
    Jobs that wait are kept small with `pack`.
    """

    __slots__ = (
        "_entries",
        "_environment",
        "_jobspec",
        "_packed_entries",
        "_packed_jobspec",
        "alloc_canceled",
        "alloc_pending",
        "alloc_queued",
        "annotations",
        "dependencies",
        "dependencies_seen",
        "embryonic",
        "exception",
        "exec_ended",
        "flags",
        "free_pending",
        "has_resources",
        "id",
        "priority",
        "resources",
        "running",
        "seq",
        "start_held",
        "started",
        "state",
        "status",
        "subscribers",
        "t_inactive",
        "t_submit",
        "urgency",
        "userid",
    )

    def __init__(self, id: int, jobspec: dict[str, Any] | None = None) -> None:
        self.id = id
        self._jobspec = jobspec
        self._packed_jobspec: bytes | None = None
        self._environment: dict[str, Any] | None = None
        self._entries: list[dict[str, Any]] = []
        self._packed_entries = b""
        self.userid = 0
        self.urgency = 0
        self.priority = PRIORITY_UNSET
        self.flags = 0
        self.t_submit = 0.0
        self.t_inactive = 0.0
        self.state = NEW
        self.seq = 0
        self.annotations: dict[str, Any] | None = None
        self.dependencies: frozenset[str] = _NOTHING
        self.dependencies_seen: frozenset[str] = _NOTHING
        self.subscribers: set[str] | None = None
        self.resources: dict[str, Any] | None = None
        self.status: int | None = None
        self.exception: tuple[str, str] | None = None
        self.alloc_queued = False  # waiting in the job manager's queue
        self.alloc_pending = False  # the scheduler has the request
        self.alloc_canceled = False  # the request was canceled, the answer is on its way
        self.has_resources = False
        self.free_pending = False
        self.embryonic = False  # submitted, but not stored yet: nothing may be done about it
        self.running = False  # the execution service has the job, or will have it
        self.start_held = False  # the execution service gets the job when its alloc event is stored
        self.started = False
        self.exec_ended = False  # the execution service is done with the job

    @property
    def jobspec(self) -> dict[str, Any] | None:
        """The submitted object."""
        if self._packed_jobspec is None:
            return self._jobspec
        jobspec: dict[str, Any] = json.loads(self._packed_jobspec)
        if self._environment is not None:
            jobspec["attributes"]["system"]["environment"] = self._environment
        return jobspec

    @jobspec.setter
    def jobspec(self, jobspec: dict[str, Any] | None) -> None:
        self._jobspec, self._packed_jobspec, self._environment = jobspec, None, None

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The eventlog so far."""
        packed = [json.loads(line) for line in self._packed_entries.splitlines()]
        return packed + self._entries if packed else self._entries

    def add_entry(self, entry: dict[str, Any]) -> None:
        """Append to the eventlog."""
        self._entries.append(entry)
        self.seq += 1

    def pack(self) -> None:
        """Keep jobspec and eventlog as JSON, a fifth of the size, until somebody asks; the shared
        environment stays an object.
        """
        if self._entries:
            self._packed_entries += b"".join(json.dumps(entry) + b"\n" for entry in self._entries)
            self._entries = []
        if self._jobspec is None:
            return
        system = (self._jobspec.get("attributes") or {}).get("system")
        if isinstance(system, dict) and isinstance(system.get("environment"), dict):
            self._environment = system.pop("environment")
        self._packed_jobspec, self._jobspec = json.dumps(self._jobspec), None

    @property
    def is_debug(self) -> bool:
        """Whether debug events are wanted in the eventlog."""
        return bool(self.flags & FLAG_DEBUG)

    @property
    def is_waitable(self) -> bool:
        """Whether the result may be fetched with flux_job_wait(3)."""
        return bool(self.flags & FLAG_WAITABLE)

    @property
    def success(self) -> bool:
        """Whether the job ran and every task exited with 0."""
        return self.exception is None and self.status == 0

    def result_text(self) -> str:
        """Return the sentence that tells a waiter how the job ended."""
        if self.exception is not None:
            kind, note = self.exception
            return f"Fatal exception type={kind} {note}".rstrip()
        status = self.status or 0
        if status & 0x7F:
            return f"task(s) killed by signal {status & 0x7F}"
        return f"task(s) exited with exit code {status >> 8 & 0xFF}"


def next_state(job: Job, name: str, context: Mapping[str, Any] | None) -> int:
    """Return the state of ``job`` after an event; raises IllegalEvent when the event may not come
    now.
    """
    if name == "exception":
        if context is None or context.get("severity") != 0:
            return job.state
        table: Mapping[int, int] | None = FATAL_EXCEPTION
    else:
        table = TRANSITIONS.get(name)
        if table is None:
            return job.state  # memo, debug.*, events of plugins
    following = table.get(job.state) if table is not None else None
    if following is None:
        raise IllegalEvent(f"{name} event in state {STATE_NAMES[job.state]}")
    return following


def apply(job: Job, entry: dict[str, Any]) -> None:
    """Bring ``job`` up to date with one entry of its eventlog; raises IllegalEvent, KeyError or
    TypeError for one that cannot be.
    """
    name: str = entry["name"]
    context: dict[str, Any] = entry.get("context") or {}
    state = next_state(job, name, context)
    update = _UPDATES.get(name)
    if update is not None:
        update(job, context)
    if name == "submit":
        job.t_submit = entry["timestamp"]
    elif name == "clean":
        job.t_inactive = entry["timestamp"]
    job.state = state
    job.add_entry(entry)


def _submit(job: Job, context: dict[str, Any]) -> None:
    job.userid = context["userid"]
    job.urgency = context["urgency"]
    job.flags = context["flags"]


def _urgency(job: Job, context: dict[str, Any]) -> None:
    job.urgency = context["urgency"]


def _priority(job: Job, context: dict[str, Any]) -> None:
    job.priority = context["priority"]


def _alloc(job: Job, context: dict[str, Any]) -> None:
    job.has_resources = True
    if "annotations" in context:
        job.annotations = context["annotations"]


def _free(job: Job, context: dict[str, Any]) -> None:
    job.has_resources = False


def _start(job: Job, context: dict[str, Any]) -> None:
    job.started = True


def _finish(job: Job, context: dict[str, Any]) -> None:
    job.status = context["status"]


def _release(job: Job, context: dict[str, Any]) -> None:
    if context["final"]:
        job.exec_ended = True


def _dependency_add(job: Job, context: dict[str, Any]) -> None:
    job.dependencies |= {context["description"]}
    job.dependencies_seen |= {context["description"]}


def _dependency_remove(job: Job, context: dict[str, Any]) -> None:
    job.dependencies -= {context["description"]}


def _exception(job: Job, context: dict[str, Any]) -> None:
    if context["severity"] == 0 and job.exception is None:
        job.exception = (context["type"], context.get("note", ""))


_UPDATES: Final = {
    "submit": _submit,
    "urgency": _urgency,
    "priority": _priority,
    "alloc": _alloc,
    "free": _free,
    "start": _start,
    "finish": _finish,
    "release": _release,
    "dependency-add": _dependency_add,
    "dependency-remove": _dependency_remove,
    "exception": _exception,
}


def merge_annotations(old: dict[str, Any] | None, new: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the annotations after an update: null deletes a key, objects merge, all else replaces
    (RFC 27).

    None stands for "no annotations left".
    """
    merged = dict(old or {})
    for key, value in new.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            before = merged.get(key)
            inner = merge_annotations(before if isinstance(before, dict) else None, value)
            if inner:
                merged[key] = inner
            else:
                merged.pop(key, None)
        else:
            merged[key] = value
    return merged or None
