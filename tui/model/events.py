"""What happens in an instance, as it happens: events of all jobs, and event messages.

Events of jobs are kept by the dashboard as they come in by the stream that it follows anyway; there
is no second one for the screen that lists them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flux.job.lifecycle import is_fatal
from flux.job.query.fields import NAMES
from flux.time_text import time_text
from flux.wire import json
from tui.model import format as fmt
from tui.model.jobid import f58
from tui.model.listing import ListColumn, Listing
from tui.model.logs import event_line
from tui.model.query import Query

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.wire.json import JsonMapping
    from tui.model.table import JobTable

LISTED: Final = 20_000
"""Lines of the list."""
LONGEST: Final = 1000
"""Characters of an event that are shown."""

_TERM: Final = re.compile(r'([-!]?(?:(\w+)[:=<>~!]+)?(?:"[^"]*"|\S+))')
"""A term of a filter, and the field it names."""

BAD: Final = "bad"
WARNING: Final = "warning"
GOOD: Final = "good"
PLAIN: Final = "plain"
MESSAGE: Final = "message"
NOTICE: Final = "notice"


@dataclass(frozen=True, slots=True)
class Event:
    """One line: ``jobid`` is 0 for what is not about a job."""

    number: int
    time: float
    kind: str
    jobid: int
    name: str
    text: str

    @property
    def when(self) -> str:
        """The time of day, with milliseconds."""
        clock = time_text(self.time, "%H:%M:%S")
        return f"{clock}.{int(self.time % 1 * 1000):03d}"

    @property
    def job(self) -> str:
        """The id of the job."""
        return f58(self.jobid) if self.jobid else ""


def job_event(number: int, jobid: int, entry: JsonMapping) -> Event:
    """Return an event of a job as a line."""
    when = when_noted((jobid, entry))
    name = fmt.printable(str(entry.get("name") or "?"))
    # The line that a job's own screen has, without the name it begins with.
    text = event_line(entry).text[max(16, len(name)) :].strip()
    return Event(number, when, kind_of(entry), jobid, name, text[:LONGEST])


def when_noted(noted: tuple[int, JsonMapping]) -> float:
    """Return when an event of a job was, as its eventlog says."""
    return float(noted[1].get("timestamp") or 0.0)


def kind_of(entry: JsonMapping) -> str:
    """Return how grave an event of a job is."""
    name, context = entry.get("name"), entry.get("context") or {}
    if name == "exception":
        return BAD if is_fatal("exception", context) else WARNING
    if name == "finish":
        return BAD if context.get("status") else GOOD
    return GOOD if name in ("alloc", "start") else PLAIN


def message_event(number: int, now: float, topic: str, payload: object) -> Event:
    """Return an event message as a line."""
    text = json.dumps_str(payload) if payload else ""
    return Event(number, now, MESSAGE, 0, fmt.printable(topic), fmt.printable(text[:LONGEST]))


def notice(number: int, now: float, text: str) -> Event:
    """Return a line on the list itself."""
    return Event(number, now, NOTICE, 0, "", text)


def split_filter(text: str) -> tuple[str, str]:
    """Return what of a filter asks for jobs, in the language of queries, and what is looked for in
    the lines: words, and those of its columns.
    """
    query: list[str] = []
    words: list[str] = []
    for whole, field in _TERM.findall(text):
        (query if field.lower() in NAMES else words).append(whole)
    return " ".join(query), " ".join(words)


def job_test(query: str, table: JobTable, now: float) -> Callable[[Event], bool] | None:
    """Return the test whether an event is of a job that a query finds, None if any will do; raises
    QueryError.
    """
    test = Query.parse(query).compile(table, now) if query else None
    if test is None:
        return None

    def found(event: Event) -> bool:
        row = table.row_of.get(event.jobid)
        return row is not None and test(row)

    return found


def event_listing() -> Listing[Event]:
    """Return the list of events, without any, in the order they come in."""
    columns = (
        ListColumn[Event]("time", "TIME", 12, lambda e: e.when),
        ListColumn[Event]("job", "JOB", 13, lambda e: e.job),
        ListColumn[Event]("event", "EVENT", 18, lambda e: e.name),
        ListColumn[Event]("detail", "DETAIL", 20, lambda e: e.text, grow=1),
    )
    return Listing(columns, lambda event: event.number, limit=LISTED)
