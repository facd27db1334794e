"""A cron entry and its tasks as data: when a trigger leads to a run, when an entry stops, what is
shown of it.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import asdict

from broker.services.cron.triggers import MAX_SECONDS
from flux.waitstatus import NOT_FOUND, exit_code_of
from flux.wire.errors import os_error
from flux.wire.message import NODEID_UPSTREAM

if TYPE_CHECKING:
    from flux.wire.json import JsonObject

MAX_HISTORY = 10_000
"""Ended tasks that an entry may remember."""


class CommandTask(Struct):
    """One run of an entry's command; times in seconds since the epoch, 0 for "not yet"."""

    rank: int
    create_time: float
    state: str = "Deferred"
    pid: int = 0
    status: int = 0
    code: int | None = None
    start_time: float = 0.0
    running_time: float = 0.0
    end_time: float = 0.0
    rexec_errno: int = 0
    timedout: bool = False

    @property
    def finished(self) -> bool:
        """Whether it has ended or could not start."""
        return self.end_time > 0.0

    @property
    def succeeded(self) -> bool:
        """Whether it exited with status 0."""
        return self.finished and self.code == 0

    def exited(self, status: int, now: float) -> None:
        """Take the wait status."""
        self.status = status
        self.code = exit_code_of(status)
        self.end_time = now
        if self.timedout:
            self.state = "Timeout"
        else:
            self.state = "Failed" if self.code == NOT_FOUND else "Exited"

    def failed(self, now: float) -> None:
        """The command could not be started."""
        self.state = "Exec Failure"
        self.code = NOT_FOUND
        self.end_time = now

    def unreachable(self, errnum: int, now: float) -> None:
        """The rank did not take the command, or was lost while it ran there."""
        self.state = "Rexec Failure"
        self.rexec_errno = errnum
        self.end_time = now

    def to_json(self) -> dict[str, object]:
        """Return what ``cron.list`` tells of the task."""
        told: dict[str, object] = {
            "rank": self.rank,
            "pid": self.pid,
            "status": self.status,
            "state": self.state,
            "create-time": self.create_time,
        }
        if self.code is not None:
            told["code"] = self.code
        if self.rexec_errno:
            told["rexec_errno"] = self.rexec_errno
        if self.timedout:
            told["timedout"] = True
        times = {
            "start-time": self.start_time,
            "running-time": self.running_time,
            "end-time": self.end_time,
        }
        return told | {name: value for name, value in times.items() if value}


class Stats(Struct):
    """Counters of an entry; ``count`` and ``failcount`` start anew when the entry is started."""

    ctime: float
    starttime: float
    lastrun: float = 0.0
    count: int = 0
    failcount: int = 0
    total: int = 0
    success: int = 0
    failure: int = 0
    deferred: int = 0


class EntryOptions(Struct):
    """What ``cron.create`` may say besides trigger and command."""

    rank: int = 0
    repeat: int = 0
    timeout: float = 0.0
    history: int = 1
    stop_on_failure: int = 0
    cwd: str | None = None
    environ: dict[str, str] | None = None


class RegisteredCommand(Struct):
    """A registered command; one that is ``deleted`` is only there until its last task has ended."""

    id: int
    name: str
    command: str
    kind: str
    options: EntryOptions
    stats: Stats
    stopped: bool = False
    deleted: bool = False
    tasks: list[CommandTask] = field(default_factory=list)

    @property
    def title(self) -> str:
        """How log lines name the entry."""
        return f"cron-{self.id}[{self.name}]"

    @property
    def busy(self) -> bool:
        """Whether the last task has not ended."""
        return bool(self.tasks) and not self.tasks[0].finished

    def new_task(self, now: float) -> CommandTask:
        """Count a trigger and return the task it leads to; the last of a limited number stops the
        entry.
        """
        task = CommandTask(0, now)
        self.tasks.insert(0, task)
        self.stats.count += 1
        self.stats.total += 1
        if self.options.repeat and self.stats.count >= self.options.repeat:
            self.stopped = True
        return task

    def begin(self, task: CommandTask, now: float) -> None:
        """The task is being run."""
        task.rank = self.options.rank
        task.state = "Created"
        task.start_time = self.stats.lastrun = now

    def finish(self, task: CommandTask) -> None:
        """Count a task that ended, forget old ones, stop the entry if it failed too often."""
        if task.succeeded:
            self.stats.success += 1
        else:
            self.stats.failure += 1
            self.stats.failcount += 1
            limit = self.options.stop_on_failure
            if limit and self.stats.failcount >= limit:
                self.stopped = True
        del self.tasks[self.options.history :]

    def restart(self, now: float) -> None:
        """Start a stopped entry with fresh counters."""
        self.stopped = False
        self.stats.starttime = now
        self.stats.count = self.stats.failcount = 0

    def to_json(self, typedata: dict[str, object]) -> dict[str, object]:
        """Return what ``cron.list`` tells of the entry; ``typedata`` is its trigger's part."""
        told: dict[str, object] = {
            "id": self.id,
            "rank": self.options.rank,
            "name": self.name,
            "command": self.command,
            "repeat": self.options.repeat,
            "stopped": self.stopped,
            "type": self.kind,
        }
        if self.options.timeout:
            told["timeout"] = self.options.timeout
        told["stats"] = asdict(self.stats)
        told["typedata"] = typedata
        told["tasks"] = [task.to_json() for task in self.tasks]
        return told


def options_of(payload: JsonObject) -> EntryOptions:
    """Return the options of a ``cron.create`` request; raises OSError: EPROTO for a wrong type,
    EINVAL for a bad value.

    Whether there is such a rank turns out when the command is run.
    """
    try:
        options = EntryOptions(
            rank=int(payload.get("rank", 0)),
            repeat=int(payload.get("repeat", 0)),
            timeout=float(payload.get("timeout", 0.0)),
            history=int(payload.get("task-history-count", 1)),
            stop_on_failure=int(payload.get("stop-on-failure", 0)),
            cwd=None if payload.get("cwd") is None else str(payload["cwd"]),
            environ=None
            if payload.get("environ") is None
            else {str(k): str(v) for k, v in payload["environ"].items()},
        )
    except (TypeError, ValueError, OverflowError, AttributeError):
        raise os_error(errno.EPROTO) from None
    if not 0 <= options.rank < NODEID_UPSTREAM:
        raise OSError(errno.EINVAL, f"{options.rank} is no rank")
    if min(options.repeat, options.timeout, options.stop_on_failure) < 0 or options.history < 1:
        raise OSError(errno.EINVAL, "cron options must not be negative")
    largest = max(options.repeat, options.timeout, options.stop_on_failure)
    if not largest <= MAX_SECONDS or options.history > MAX_HISTORY:
        raise OSError(errno.EINVAL, "a cron option is out of range")
    return options
