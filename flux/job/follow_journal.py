"""Following many jobs by one stream, the job manager's journal, in place of a watch for each:
decisions only, no I/O.

The journal is opened before the first job is submitted, so it has every event of each. It may tell
of a job before the answer to its submission does; and it tells of other people's jobs.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from flux.job.event import EventLogEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flux.wire.json import JsonObject

JOURNAL: Final = "job-manager.events-journal"
EARLY_MAX: Final = 4096
"""Jobs of which events are kept though nobody has asked for them yet."""
_COMES_WITH: Final = {"submit": "jobspec", "alloc": "R"}
"""What later brokers tell beside all events of an answer, by the event that it belongs to."""


def journal_request(names: Iterable[str]) -> JsonObject:
    """Return the payload that asks the journal for events of these names only, of whatever jobs in
    one answer where the broker can tell them so.
    """
    return {"allow": dict.fromkeys(names, 1), "together": True}


class JournalFollower:
    """The jobs being followed, and the events of those that may yet be.

    Not more than ``early_max`` unknown jobs are kept, the newest. Ids grow with time (RFC 19), so a
    job with a larger id than all that were dropped has lost nothing.
    """

    def __init__(self, early_max: int = EARLY_MAX) -> None:
        self._followed: set[int] = set()
        self._early: dict[int, list[EventLogEvent]] = {}
        self._early_max = early_max
        self._dropped = -1

    def expect(self, jobid: int) -> list[EventLogEvent] | None:
        """Follow a job that was submitted; returns its events so far.

        None means that some of them may be lost, so that it has to be followed in another way.
        """
        early = self._early.pop(jobid, None)
        if early is None and jobid <= self._dropped:
            return None
        self._followed.add(jobid)
        return early or []

    def take(self, answer: object) -> Iterator[tuple[int, EventLogEvent]]:
        """Yield the events of followed jobs in what the journal answered; those of others are kept
        for `expect`.

        Raises OSError(EPROTO) as `items_of` does.
        """
        for jobid, entry, _ in items_of(answer):
            event = _event(entry)
            if jobid in self._followed:
                yield jobid, event
            else:
                self._early.setdefault(jobid, []).append(event)
        while len(self._early) > self._early_max:
            dropped = next(iter(self._early))
            self._dropped = max(self._dropped, dropped)
            del self._early[dropped]

    def end(self, jobid: int) -> None:
        """Follow a job no longer."""
        self._followed.discard(jobid)

    def lose(self) -> list[int]:
        """Follow nothing any more: the stream has ended; returns the jobs that were followed."""
        followed, self._followed = sorted(self._followed), set()
        self._early.clear()
        return followed


def items_of(answer: object) -> Iterator[tuple[int, JsonObject, JsonObject]]:
    """Yield job id, eventlog entry and the whole item of each event that the journal answered.

    Entries stand in objects of their own, as in flux-core 0.29, or the job is named once for all of
    them, as later. Raises OSError(EPROTO) for what makes no sense.
    """
    events = answer.get("events") if isinstance(answer, dict) else None
    if not isinstance(answer, dict) or not isinstance(events, list):
        raise _malformed()
    for item in events:
        if not isinstance(item, dict):
            raise _malformed()
        jobid, entry = item.get("id", answer.get("id")), item.get("entry", item)
        if type(jobid) is not int or not isinstance(entry, dict):
            raise _malformed()
        yield jobid, entry, item


def records_of(answer: JsonObject) -> list[JsonObject]:
    """Return the events that the journal answered as flux-core 0.29 tells them, whoever told them:
    objects of a job's ``id`` and an ``entry`` of its eventlog, with the ``jobspec`` of a submission
    and the ``R`` of an allocation if they were told. Raises OSError(EPROTO) as `items_of` does.
    """
    records = []
    for jobid, entry, item in items_of(answer):
        if "entry" in item:
            records.append(item)
            continue
        record: JsonObject = {"id": jobid, "entry": entry}
        key = _COMES_WITH.get(str(entry.get("name")))
        if key in answer:
            record[key] = answer[key]
        records.append(record)
    return records


def _event(entry: JsonObject) -> EventLogEvent:
    try:
        return EventLogEvent(entry)
    except ValueError:
        raise _malformed() from None


def _malformed() -> OSError:
    return OSError(errno.EPROTO, "malformed answer of the job manager's journal")
