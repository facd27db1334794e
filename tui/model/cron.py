"""Entries of the cron service (flux-cron(1)), and what they have written to the log."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tui.model import format as fmt
from tui.model.listing import ListColumn, Listing
from tui.model.logs import Line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flux.wire.json import JsonMapping
    from tui.model.logs import LogRecord

KEPT: Final = 500
"""Lines of the log that are kept of each entry."""
ENTRIES: Final = 1000
"""Entries that lines are kept of: those of the newest."""
_MENTIONED: Final = re.compile(r"\bcron-(\d+)\b")


@dataclass(frozen=True, slots=True)
class CronRun:
    """One run of an entry's command; times are since the epoch, 0 for what has not happened."""

    state: str
    code: int | None
    rank: int
    begin: float
    end: float

    @property
    def outcome(self) -> str:
        """How it went."""
        if self.state == "Exited":
            return "success" if self.code == 0 else f"exit {self.code}"
        return "could not be run" if self.state == "Failed" else self.state.lower()

    @property
    def bad(self) -> bool:
        """Whether it failed."""
        return self.state == "Failed" or (self.state == "Exited" and self.code != 0)


@dataclass(frozen=True, slots=True)
class CronRow:
    """One entry; ``next_run`` is 0 where no time is set, ``repeat`` 0 for no end."""

    id: int
    name: str
    command: str
    kind: str
    spec: str
    stopped: bool
    repeat: int
    count: int
    failures: int
    success: int
    deferred: int
    last_run: float
    next_run: float
    rank: int
    runs: tuple[CronRun, ...] = ()

    @property
    def last(self) -> CronRun | None:
        """The newest run that began."""
        return next((run for run in self.runs if run.begin), None)

    @property
    def status(self) -> str:
        """What it does now, or how its last run went."""
        if self.runs and self.runs[0].state in ("Running", "Deferred"):
            return self.runs[0].outcome
        return self.last.outcome if self.last else "not run yet"

    @property
    def counted(self) -> str:
        """How often it ran, of how many times it is to run."""
        return (
            f"{fmt.count(self.count)}/{fmt.count(self.repeat)}"
            if self.repeat
            else fmt.count(self.count)
        )


def entries(answer: JsonMapping) -> list[CronRow]:
    """Return the entries that ``cron.list`` answers."""
    return [_entry(told) for told in answer["entries"]]


def _entry(told: JsonMapping) -> CronRow:
    stats, kind = told.get("stats") or {}, str(told["type"])
    data = told.get("typedata") or {}
    stopped = bool(told.get("stopped"))
    return CronRow(
        int(told["id"]),
        fmt.printable(str(told.get("name") or "")),
        fmt.printable(str(told.get("command") or "")),
        fmt.printable(kind),
        fmt.printable(spec(kind, data)),
        stopped,
        int(told.get("repeat") or 0),
        int(stats.get("count") or 0),
        int(stats.get("failure") or stats.get("failcount") or 0),
        int(stats.get("success") or 0),
        int(stats.get("deferred") or 0),
        float(stats.get("lastrun") or 0),
        0.0 if stopped else float(data.get("next_wakeup") or 0),
        int(told.get("rank") or 0),
        tuple(map(_run, told.get("tasks") or ())),
    )


def _run(task: JsonMapping) -> CronRun:
    code = task.get("code")
    return CronRun(
        fmt.printable(str(task.get("state") or "")),
        code if isinstance(code, int) else None,
        int(task.get("rank") or 0),
        float(task.get("start-time") or 0),
        float(task.get("end-time") or 0),
    )


def spec(kind: str, data: JsonMapping) -> str:
    """Return when an entry runs, in words."""
    if kind == "interval":
        every = span(float(data.get("interval") or 0))
        after = float(data.get("after") or 0)
        if not data.get("interval"):
            return f"once after {span(after)}"
        first = "" if after == data.get("interval") else f", first after {span(after)}"
        return f"every {every}{first}"
    if kind == "event":
        nth, after = int(data.get("nth") or 0), int(data.get("after") or 0)
        words = f"every {nth} events {data.get('topic')}" if nth > 1 else f"on {data.get('topic')}"
        words += f", after {after}" if after else ""
        least = float(data.get("min_interval") or 0)
        return words + (f", at most every {span(least)}" if least else "")
    if kind == "datetime":
        fields = ("minute", "hour", "mday", "month", "weekday")
        return "at " + " ".join(_calendar(data.get(name)) for name in fields)
    return kind


def span(seconds: float) -> str:
    """Return a span as short as people write it: ``5s``, ``1m``, ``1h30m``, ``0.2s``."""
    whole = int(seconds)
    if whole != seconds or not whole:
        return f"{seconds:g}s"
    parts = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
    found = []
    for size, unit in parts:
        if whole >= size:
            found.append(f"{whole // size}{unit}")
            whole %= size
    return "".join(found)


def _calendar(value: object) -> str:
    """Return a field of a date as crontab(5) writes it: -1 is any."""
    return "*" if value in (None, -1, "") else str(value)


@dataclass(slots=True)
class CronLog:
    """The lines of the log that are about entries, by entry."""

    lines: dict[int, deque[Line]] = field(default_factory=dict)

    def take(self, records: Iterable[LogRecord]) -> None:
        """Keep what is about entries."""
        for record in records:
            if record.app != "cron":
                continue
            for number in dict.fromkeys(_MENTIONED.findall(record.text)):
                self._kept(int(number)).append(_line(record))

    def _kept(self, number: int) -> deque[Line]:
        if number not in self.lines:
            self.lines[number] = deque(maxlen=KEPT)
            while len(self.lines) > ENTRIES:
                del self.lines[next(iter(self.lines))]
        return self.lines[number]

    def of(self, number: int) -> list[Line]:
        """Return the lines of an entry."""
        return list(self.lines.get(number, ()))


def _line(record: LogRecord) -> Line:
    kind = "stderr" if record.severity <= 3 else "notice" if record.severity == 4 else "stdout"
    return Line(kind, fmt.clock(record.time, record.time), record.text)


def about(entry: CronRow, now: float) -> list[Line]:
    """Return what there is to know of an entry, a line each."""
    runs = f"{entry.counted} {'run' if entry.counted == '1' else 'runs'}"
    lines = [
        Line("fact", "command", entry.command),
        Line("fact", "runs", f"{entry.spec}, on rank {entry.rank}"),
        Line(
            "fact",
            "so far",
            f"{runs}, {fmt.count(entry.success)} successful, "
            f"{fmt.count(entry.failures)} failed, {fmt.count(entry.deferred)} put off",
        ),
    ]
    for run in entry.runs[:5]:
        when = fmt.clock(run.begin, now) if run.begin else "-"
        took = f" in {fmt.duration(run.end - run.begin)}" if run.end and run.begin else ""
        kind = "stderr" if run.bad else "fact"
        lines.append(Line(kind, when, f"{run.outcome}{took}"))
    return lines


def cron_listing() -> Listing[CronRow]:
    """Return the list of entries, without any."""
    columns = (
        ListColumn[CronRow]("id", "ID", 5, lambda e: str(e.id), lambda e: e.id, right=True),
        ListColumn[CronRow]("name", "NAME", 12, lambda e: e.name, grow=1),
        ListColumn[CronRow]("state", "STATE", 10, lambda e: "stopped" if e.stopped else "active"),
        ListColumn[CronRow]("spec", "RUNS", 16, lambda e: e.spec, grow=1),
        ListColumn[CronRow]("next", "NEXT", 10, lambda e: "", lambda e: e.next_run or 9e18, True),
        ListColumn[CronRow](
            "last", "LAST", 9, lambda e: "", lambda e: -e.last_run, right=True, rank=1
        ),
        ListColumn[CronRow]("status", "STATUS", 12, lambda e: e.status),
        ListColumn[CronRow](
            "count", "COUNT", 8, lambda e: e.counted, lambda e: -e.count, right=True, rank=2
        ),
        ListColumn[CronRow](
            "failures",
            "FAIL",
            6,
            lambda e: fmt.count(e.failures),
            lambda e: -e.failures,
            right=True,
            rank=3,
        ),
        ListColumn[CronRow]("command", "COMMAND", 14, lambda e: e.command, rank=4, grow=2),
    )
    return Listing(columns, lambda entry: entry.id, sort="id")
