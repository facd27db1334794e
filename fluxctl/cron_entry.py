"""Entries of ``flux cron`` as they are shown (flux-cron(1))."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NotRequired, TypedDict

from flux.terminal_text import terminal_line

if TYPE_CHECKING:
    from collections.abc import Iterator


class CronTask(TypedDict):
    """A run of an entry's command; times in seconds since the epoch."""

    state: str
    code: NotRequired[int]


class CronStats(TypedDict):
    """How often an entry ran; ``lastrun`` in seconds since the epoch, 0 for never."""

    count: int
    lastrun: float


class CronEntry(TypedDict):
    """What ``cron`` answers of an entry, as far as more than printing is done with it."""

    id: int
    name: str
    repeat: int
    stopped: bool
    stats: CronStats
    tasks: list[CronTask]
    typedata: dict[str, float]


def ago(seconds: float) -> str:
    """Return how long ago something was, in words."""
    for limit, divisor, one, many in (
        (2, 1, "a second", "seconds"),
        (60, 1, "", "seconds"),
        (120, 60, "a minute", "minutes"),
        (3600, 60, "", "minutes"),
        (7200, 3600, "an hour", "hours"),
        (86400, 3600, "", "hours"),
        (172800, 86400, "a day", "days"),
    ):
        if seconds < limit:
            return f"{one or f'{int(seconds / divisor)} {many}'} ago"
    return f"{int(seconds / 86400)} days ago"


def status(tasks: list[CronTask]) -> str:
    """Return the state of the newest of the runs, or how it ended."""
    if not tasks:
        return "None"
    state, code = tasks[0]["state"], tasks[0].get("code")
    if state == "Exited":
        return "Success" if code == 0 else f"Exit {code}"
    if state == "Failed":
        return "Exec-Error"
    return str(state)


def read_crontab(text: str) -> tuple[list[tuple[dict[str, object], str]], list[str]]:
    """Return the entries of a crontab, the arguments of each and its command, and what is wrong
    with the other lines, one sentence each.
    """
    from flux.crontab import TAB_FIELDS, Calendar

    lines = text.splitlines()
    found: list[tuple[dict[str, object], str]] = []
    bad: list[str] = []
    now = time.time()
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        *fields, command = parts = line.split(None, len(TAB_FIELDS))
        if len(parts) <= len(TAB_FIELDS):
            where = f"line {number}: " if len(lines) > 1 else ""
            bad.append(f"{where}Failed to process crontab line: {terminal_line(line)}")
            continue
        args: dict[str, object] = {**dict(zip(TAB_FIELDS, fields, strict=True)), "second": 0}
        try:
            if Calendar.from_args(args).next_after(now) is None:
                raise ValueError("there is no such date")
        except ValueError as exc:
            bad.append(f"line {number}: {terminal_line(str(exc))}")
        else:
            found.append((args, command.rstrip()))
    return found, bad


def took(task: CronTask) -> str | None:
    """Return how long a run took, None if it has not ended or never began."""
    start, end = task.get("start-time"), task.get("end-time")
    if not isinstance(start, int | float) or not isinstance(end, int | float):
        return None
    seconds = end - start
    return f"{seconds * 1000:.2f}ms" if seconds < 1 else f"{seconds:.3f}s"


_DUMP_ORDER = (
    "type",
    "id",
    "stopped",
    "task",
    "name",
    "stats",
    "command",
    "repeat",
    "timeout",
    "typedata",
    "rank",
)
_STATS_ORDER = (
    "starttime",
    "total",
    "failcount",
    "ctime",
    "failure",
    "success",
    "deferred",
    "lastrun",
    "count",
)
_TYPEDATA_ORDER = ("interval", "next_wakeup", "after")
_TASK_ORDER = (
    "create-time",
    "pid",
    "code",
    "state",
    "start-time",
    "status",
    "end-time",
    "running-time",
    "rank",
)
_TASK_ORDER_WAITING = ("state", "create-time", "pid", "status", "rank")


def _ordered(values: dict[str, object], order: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    for key in [
        *(key for key in order if key in values),
        *(key for key in values if key not in order),
    ]:
        yield key, values[key]


def flatten(entry: dict[str, object]) -> Iterator[tuple[str, object]]:
    """Yield every value of an entry with its dotted key."""
    nested = {"stats": _STATS_ORDER, "typedata": _TYPEDATA_ORDER}
    values = {("task" if key == "tasks" else key): value for key, value in entry.items()}
    for key, value in _ordered(values, _DUMP_ORDER):
        if key == "task" and isinstance(value, list):
            for number, task in enumerate(value, 1):
                order = _TASK_ORDER if "code" in task else _TASK_ORDER_WAITING
                yield from ((f"task.{number}.{name}", item) for name, item in _ordered(task, order))
        elif isinstance(value, dict):
            yield from (
                (f"{key}.{name}", item) for name, item in _ordered(value, nested.get(key, ()))
            )
        else:
            yield key, value


def shown(value: object, quote: str = "") -> str:
    """Return a value as ``dump`` prints it; texts between quotes, if there are any."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.14g}"
    return f"{quote}{value}{quote}" if isinstance(value, str) else str(value)
