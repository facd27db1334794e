"""The queues of the job manager: one without a name, or those of ``[queues]`` (RFC 33). No I/O.

A queue takes submissions while it is *enabled* and hands jobs to the scheduler while it is
*started*. Both are kept apart for every queue and saved, unless they were changed for this run
only. Jobs may be in a queue that is no longer configured: it takes no new ones, and those there
wait. The queue without a name takes no jobs where others are configured, but runs those it has.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from broker.services.job_manager.queue import JobQueue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flux.wire.json import JsonObject

ANONYMOUS: Final = ""
NAMES_NEEDED: Final = "Named queues are defined. Specify queues or use --all."


class QueueSwitch(Struct, frozen=True):
    """Whether something is on, and why it is not."""

    on: bool = True
    reason: str = ""


class QueueState:
    """One queue: its switches, the jobs that wait for the scheduler, those it was told of.

    ``saved`` holds the switches as the next start shall find them.
    """

    __slots__ = ("configured", "name", "pending", "saved", "scheduling", "submission", "waiting")

    def __init__(self, name: str) -> None:
        self.name = name
        self.configured = False
        self.submission = self.scheduling = QueueSwitch()
        self.saved = (self.submission, self.scheduling)
        self.waiting = JobQueue()
        self.pending = JobQueue()

    @property
    def runs(self) -> bool:
        """Whether its jobs are handed to the scheduler."""
        return self.scheduling.on and (self.configured or self.name == ANONYMOUS)

    @property
    def shares(self) -> bool:
        """Whether it has a part of what the scheduler takes at a time."""
        return self.configured or bool(self.waiting or self.pending)

    def why_stopped(self) -> str:
        """Return why its jobs are not handed to the scheduler; empty if they are."""
        what = f"queue {self.name}" if self.name else "the queue"
        if self.name and not self.configured:
            return f"{what} is not configured"
        if self.scheduling.on:
            return ""
        reason = self.scheduling.reason
        return f"{what} is stopped: {reason}" if reason else f"{what} is stopped"

    def why_disabled(self) -> str:
        """Return why it takes no submissions; empty if it does."""
        if self.submission.on:
            return ""
        to = f" to {self.name}" if self.name else ""
        reason = f": {self.submission.reason}" if self.submission.reason else ""
        return f"job submission{to} is disabled{reason}"

    def enable(self, switch: QueueSwitch, *, save: bool = True) -> None:
        """Let submissions in or not."""
        self.submission = switch
        if save:
            self.saved = (switch, self.saved[1])

    def start(self, switch: QueueSwitch, *, save: bool = True) -> None:
        """Have its jobs scheduled or not."""
        self.scheduling = switch
        if save:
            self.saved = (self.saved[0], switch)

    def status(self, scheduling: QueueSwitch | None = None) -> JsonObject:
        """Return the answer to ``queue-status``, if need be with another ``scheduling``."""
        return _written(self.submission, scheduling or self.scheduling)


class Queues:
    """All queues, in the order of the configuration."""

    def __init__(self) -> None:
        self._states: dict[str, QueueState] = {ANONYMOUS: QueueState(ANONYMOUS)}
        self._states[ANONYMOUS].configured = True
        self._restored: dict[str, tuple[QueueSwitch, QueueSwitch]] = {}

    def __iter__(self) -> Iterator[QueueState]:
        return iter(self._states.values())

    @property
    def anonymous(self) -> QueueState:
        """The queue without a name."""
        return self._states[ANONYMOUS]

    @property
    def names(self) -> list[str]:
        """The names of the configured queues; none if there is but the one without a name."""
        return [queue.name for queue in self if queue.configured and queue.name]

    @property
    def waiting(self) -> int:
        """How many jobs wait to be handed to the scheduler."""
        return sum(len(queue.waiting) for queue in self)

    @property
    def pending(self) -> int:
        """How many requests the scheduler has."""
        return sum(len(queue.pending) for queue in self)

    def configure(self, names: Iterable[str]) -> None:
        """Have the queues ``names`` and no others take jobs."""
        before, self._states = self._states, {}
        for name in (ANONYMOUS, *names):
            self._states[name] = before.get(name) or self._new(name)
        for name, queue in before.items():
            if name not in self._states and (queue.waiting or queue.pending):
                self._states[name] = queue
        wanted = set(names) or {ANONYMOUS}
        for queue in self:
            queue.configured = queue.name in wanted

    def _new(self, name: str) -> QueueState:
        queue = QueueState(name)
        if name in self._restored:
            queue.saved = queue.submission, queue.scheduling = self._restored[name]
        return queue

    def of(self, name: str) -> QueueState:
        """Return the queue that a job is in, which need not be configured."""
        queue = self._states.get(name)
        if queue is None:
            queue = self._states[name] = self._new(name)
        return queue

    def select(self, name: str | None, every: bool = False) -> list[QueueState]:
        """Return the queue that a request names, or every one.

        Raises OSError(EINVAL) if it names none although there are names, or one there is not.
        """
        if every:
            return [queue for queue in self if queue.configured or queue.name == ANONYMOUS]
        if name is None:
            if self.names:
                raise OSError(errno.EINVAL, NAMES_NEEDED)
            return [self.anonymous]
        if name not in self.names:
            raise OSError(errno.EINVAL, f"'{name}' is not a valid queue")
        return [self._states[name]]

    def save(self) -> list[JsonObject]:
        """Return the switches as the next start shall find them."""
        entries: list[JsonObject] = []
        kept = {**self._restored, **{queue.name: queue.saved for queue in self}}
        for name, (submission, scheduling) in kept.items():
            entry: JsonObject = {"name": name} if name else {}
            entry |= _written(submission, scheduling)
            if name in self.names or name == ANONYMOUS or not (submission.on and scheduling.on):
                entries.append(entry)
        return entries

    def restore(self, entries: object) -> None:
        """Take the switches of an earlier start; what is malformed is left out."""
        for entry in entries if isinstance(entries, list) else ():
            if not isinstance(entry, dict):
                continue
            name = str(entry.get("name", ANONYMOUS))
            submission = _switch(entry, "enable", "disable_reason")
            scheduling = _switch(entry, "start", "stop_reason")
            self._restored[name] = (submission, scheduling)
            if name in self._states:
                queue = self._states[name]
                queue.saved = queue.submission, queue.scheduling = submission, scheduling


def _written(submission: QueueSwitch, scheduling: QueueSwitch) -> JsonObject:
    """Return the switches of a queue as they are told and saved."""
    written: JsonObject = {"enable": submission.on, "start": scheduling.on}
    if submission.reason:
        written["disable_reason"] = submission.reason
    if scheduling.reason:
        written["stop_reason"] = scheduling.reason
    return written


def _switch(entry: JsonObject, key: str, reason: str) -> QueueSwitch:
    on = entry.get(key) is not False
    return QueueSwitch(on, "" if on else str(entry.get(reason) or ""))
