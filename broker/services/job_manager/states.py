"""One job's record in the job manager, brought up to date by its own events (RFC 21).

Which event may come in which state, and what follows, stands in `flux.job.lifecycle`. Every event
is an entry of the job's eventlog, and applying the entries of an eventlog to a new `Job` reproduces
it: that is how a restarted job manager knows its jobs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flux import waitstatus
from flux.constants import FLUX_JOB_DEBUG, FLUX_JOB_WAITABLE
from flux.job import lifecycle
from flux.job.lifecycle import (
    CLEANUP,
    IMMUTABLE,
    INACTIVE,
    NEW,
    PRIORITY,
    RUN,
    SCHED,
    is_fatal,
    merge_annotations,
    next_state,
)
from flux.job.updates import (
    JOBSPEC_UPDATE,
    RESOURCE_UPDATE,
    SET_FLAGS,
    updated_jobspec,
    updated_resources,
)
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from flux.job.types import EventEntry
    from flux.wire.json import JsonMapping, JsonObject

PRIORITY_UNSET: Final = -1

_NOTHING: Final[frozenset[str]] = frozenset()
_NO_PARTS: Final[JsonObject] = {}


class Job:
    """One active job.

    ``jobspec`` is the submitted object with the updates since then; ``resources`` is R, once known,
    with its own; ``seq`` counts eventlog entries; ``entries`` holds the eventlog so far for those
    who ask for it while the job is active; ``queue`` is the name of its queue, empty for the one
    without a name; ``values`` are what is to be stored with the submission, by key; ``shared`` has
    the members of the jobspec that other jobs have, too. Jobs that wait are kept small with `pack`.
    """

    __slots__ = (
        "_entries",
        "_environment",
        "_folded",
        "_jobspec",
        "_packed_jobspec",
        "alloc_canceled",
        "alloc_outdated",
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
        "is_immutable",
        "priority",
        "queue",
        "reranked",
        "resources",
        "running",
        "seq",
        "shared",
        "start_held",
        "started",
        "state",
        "status",
        "subscribers",
        "t_inactive",
        "t_submit",
        "urgency",
        "userid",
        "values",
    )

    def __init__(self, id: int, jobspec: JsonObject | None = None) -> None:
        self.id = id
        self._jobspec = jobspec
        self._packed_jobspec: bytes | None = None
        self._environment: JsonObject | None = None
        self._entries: list[EventEntry | bytes] = []
        self._folded = b""  # the first entries, as the text they have in the eventlog
        self.shared: JsonObject = _NO_PARTS
        self.userid = 0
        self.urgency = 0
        self.priority = PRIORITY_UNSET
        self.queue = ""
        self.flags = 0
        self.values: tuple[tuple[str, bytes], ...] = ()
        self.t_submit = 0.0
        self.t_inactive = 0.0
        self.state = NEW
        self.seq = 0
        self.annotations: JsonObject | None = None
        self.dependencies: frozenset[str] = _NOTHING
        self.dependencies_seen: frozenset[str] = _NOTHING
        self.subscribers: set[str] | None = None
        self.resources: JsonObject | None = None
        self.status: int | None = None
        self.exception: tuple[str, str] | None = None
        self.alloc_queued = False  # waiting in the job manager's queue
        self.alloc_pending = False  # the scheduler has the request
        self.alloc_canceled = False  # the request was canceled, the answer is on its way
        self.alloc_outdated = False  # and the jobspec is another one since then
        self.has_resources = False
        self.free_pending = False
        self.reranked = False  # the eventlog does not have its priority
        self.embryonic = False  # submitted, but not stored yet: nothing may be done about it
        self.running = False  # the execution service has the job, or will have it
        self.start_held = False  # the execution service gets the job when its alloc event is stored
        self.started = False
        self.exec_ended = False  # the execution service is done with the job
        self.is_immutable = False  # only the instance owner may update it

    @property
    def jobspec(self) -> JsonObject | None:
        """The submitted object, as it is by now."""
        if self._packed_jobspec is None:
            return self._jobspec
        jobspec: JsonObject = json.loads(self._packed_jobspec)
        if self._environment is not None:
            jobspec["attributes"]["system"]["environment"] = self._environment
        return {**jobspec, **self.shared}

    @jobspec.setter
    def jobspec(self, jobspec: JsonObject | None) -> None:
        self._jobspec, self._packed_jobspec, self._environment = jobspec, None, None
        self.shared = _NO_PARTS

    def update_jobspec(self, updates: JsonMapping) -> None:
        """Set members of the jobspec by their keys, without changing what other jobs share; raises
        ValueError for a key that cannot be set. A jobspec that is not known yet stays so.
        """
        jobspec = self.jobspec
        if jobspec is not None:
            shared = {key: part for key, part in self.shared.items() if key != "attributes"}
            self.jobspec = updated_jobspec(jobspec, updates)
            self.shared = shared or _NO_PARTS

    @property
    def entries(self) -> list[EventEntry]:
        """The eventlog so far."""
        lines: Iterable[EventEntry | bytes] = (*self._folded.splitlines(), *self._entries)
        return [json.loads(it) if isinstance(it, bytes) else it for it in lines]

    def add_entry(self, entry: EventEntry) -> None:
        """Append to the eventlog."""
        self._entries.append(entry)
        self.seq += 1

    def kept_entries(self) -> tuple[EventEntry | bytes, ...]:
        """Return the entries as they are kept: text once there is one; for tests."""
        return tuple(self._entries)

    def keep_line(self, seq: int, line: bytes) -> None:
        """Keep an entry of the eventlog, the one with number ``seq``, as the text that it has
        there.
        """
        index = seq - (self.seq - len(self._entries))
        if 0 <= index < len(self._entries):
            self._entries[index] = line

    def fold(self) -> None:
        """Keep the eventlog so far as one text, unless parts of it are no text yet."""
        lines = [entry for entry in self._entries if isinstance(entry, bytes)]
        if len(lines) == len(self._entries):
            self._folded, self._entries = b"\n".join([*self._folded.splitlines(), *lines]), []

    def pack(self) -> None:
        """Keep the jobspec as JSON, a fifth of the size, until somebody asks; what is shared with
        other jobs stays: the members ``shared`` and the environment.
        """
        if self._jobspec is None:
            return
        own = {key: part for key, part in self._jobspec.items() if key not in self.shared}
        attributes = own.get("attributes")
        system = attributes.get("system") if isinstance(attributes, dict) else None
        if isinstance(system, dict) and isinstance(system.get("environment"), dict):
            self._environment = system["environment"]
            system = {key: part for key, part in system.items() if key != "environment"}
            own["attributes"] = {**own["attributes"], "system": system}
        self._packed_jobspec, self._jobspec = json.dumps(own), None

    @property
    def t_alloc(self) -> float:
        """When the job got its resources, in seconds since the epoch, 0 if it has not."""
        for kept in self._entries:  # it is among the first, however many updates follow
            entry: EventEntry = json.loads(kept) if isinstance(kept, bytes) else kept
            if entry["name"] == "alloc":
                return entry["timestamp"]
        return 0.0

    @property
    def is_debug(self) -> bool:
        """Whether debug events are wanted in the eventlog."""
        return bool(self.flags & FLUX_JOB_DEBUG)

    @property
    def is_waitable(self) -> bool:
        """Whether the result may be fetched with flux_job_wait(3)."""
        return bool(self.flags & FLUX_JOB_WAITABLE)

    @property
    def success(self) -> bool:
        """Whether those who wait for the job, jobs included, are told that all went well: every
        task exited with 0 and there was no fatal exception.

        The result of a job (`flux.job.lifecycle.result_of`) is another matter: its tasks decide it.
        """
        return self.exception is None and self.status == 0

    def result_text(self) -> str:
        """Return the sentence that tells a waiter how the job ended."""
        if self.exception is not None:
            kind, note = self.exception
            return f"Fatal exception type={kind} {note}".rstrip()
        status = self.status or 0
        if signum := waitstatus.signal_of(status):
            return f"task(s) killed by signal {signum}"
        return f"task(s) exited with exit code {waitstatus.exit_code_of(status)}"


def apply(job: Job, entry: EventEntry) -> None:
    """Bring ``job`` up to date with one entry of its eventlog; raises `UnexpectedEvent`, KeyError
    or TypeError for one that cannot be.
    """
    name = entry["name"]
    context: JsonMapping = entry.get("context") or {}
    state = next_state(job.state, name, context)
    update = _UPDATES.get(name)
    if update is not None:
        update(job, context)
    if name == "submit":
        job.t_submit = entry["timestamp"]
    elif name == "clean":
        job.t_inactive = entry["timestamp"]
    job.state = state
    job.add_entry(entry)


def _submit(job: Job, context: JsonMapping) -> None:
    job.userid = context["userid"]
    job.urgency = context["urgency"]
    job.flags = context["flags"]


def _urgency(job: Job, context: JsonMapping) -> None:
    job.urgency = context["urgency"]


def _priority(job: Job, context: JsonMapping) -> None:
    job.priority = context["priority"]
    job.reranked = False


def _alloc(job: Job, context: JsonMapping) -> None:
    job.has_resources = True
    if "annotations" in context:
        job.annotations = context["annotations"]


def _memo(job: Job, context: JsonMapping) -> None:
    job.annotations = merge_annotations(job.annotations, {"user": context})


def _free(job: Job, context: JsonMapping) -> None:
    job.has_resources = False


def _start(job: Job, context: JsonMapping) -> None:
    job.started = True


def _finish(job: Job, context: JsonMapping) -> None:
    job.status = context["status"]


def _release(job: Job, context: JsonMapping) -> None:
    if context["final"]:
        job.exec_ended = True


def _dependency_add(job: Job, context: JsonMapping) -> None:
    job.dependencies |= {context["description"]}
    job.dependencies_seen |= {context["description"]}


def _dependency_remove(job: Job, context: JsonMapping) -> None:
    job.dependencies -= {context["description"]}


def _jobspec_update(job: Job, context: JsonMapping) -> None:
    job.update_jobspec(context)


def _resource_update(job: Job, context: JsonMapping) -> None:
    if job.resources is not None:
        job.resources = updated_resources(job.resources, context)


def _set_flags(job: Job, context: JsonMapping) -> None:
    if IMMUTABLE in context["flags"]:
        job.is_immutable = True


def _exception(job: Job, context: JsonMapping) -> None:
    if is_fatal("exception", context) and job.exception is None:
        job.exception = (context["type"], context.get("note", ""))


#: Events that are recorded by the job manager and its plugins only, beside those that act.
_OWN: Final = frozenset(("validate", "clean", "depend", "flux-restart", "set-flags", "debug"))
_UPDATES: Final[Mapping[str, Callable[[Job, JsonMapping], None]]] = {
    "submit": _submit,
    "urgency": _urgency,
    "priority": _priority,
    "alloc": _alloc,
    "memo": _memo,
    "free": _free,
    "start": _start,
    "finish": _finish,
    "release": _release,
    "dependency-add": _dependency_add,
    "dependency-remove": _dependency_remove,
    "exception": _exception,
    JOBSPEC_UPDATE: _jobspec_update,
    RESOURCE_UPDATE: _resource_update,
    SET_FLAGS: _set_flags,
}


_RULES: Final[Mapping[str, Callable[[Job], bool]]] = {
    "a canceled request is a pending one": lambda job: job.alloc_pending or not job.alloc_canceled,
    "an outdated request is taken back": lambda job: job.alloc_canceled or not job.alloc_outdated,
    "a job waits in one place only": lambda job: not (job.alloc_queued and job.alloc_pending),
    "who has resources asks for none": lambda job: not (job.has_resources and _wants(job)),
    "only jobs with a priority are queued": lambda job: (
        not job.alloc_queued or job.state in (PRIORITY, SCHED)
    ),
    "a job runs on resources": lambda job: job.has_resources or not job.running,
    "a job runs when it may": lambda job: not job.running or job.state in (RUN, CLEANUP),
    "a start is held for a job that is to run": lambda job: job.running or not job.start_held,
    "what execution is done with does not run": lambda job: not (job.running and job.exec_ended),
    "resources are freed when nothing runs": lambda job: (
        not job.free_pending or (job.has_resources and not job.running and job.state == CLEANUP)
    ),
    "nothing is done about an embryo": lambda job: not (job.embryonic and _is_busy(job)),
    "nothing is left of a job that is over": lambda job: (
        not (job.state == INACTIVE and _is_busy(job))
    ),
}
"""What holds for the flags of a job whenever the machine is at rest."""


def _wants(job: Job) -> bool:
    return job.alloc_queued or job.alloc_pending


def _is_busy(job: Job) -> bool:
    return _wants(job) or job.has_resources or job.running or job.free_pending


def broken_rules(job: Job) -> list[str]:
    """Return what is wrong with a combination of flags, nothing for a legal one; for tests."""
    return [rule for rule, holds in _RULES.items() if not holds(job)]


def has_meaning(name: str) -> bool:
    """Whether an event changes what a job is or does, so that nobody else may post it."""
    return name in _UPDATES or name in lifecycle.TRANSITIONS or name in _OWN
