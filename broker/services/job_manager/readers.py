"""Readers of the journal: which events each wants, and what it has been sent."""

from __future__ import annotations

import errno
from itertools import groupby
from typing import TYPE_CHECKING, Final

from flux.wire.message import Shared

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from broker.service import Request
    from broker.services.job_manager.events import JournalEvent
    from broker.services.job_manager.states import Job
    from flux.wire.json import JsonObject

NO_JOB: Final = -1
"""The id of an answer that is about no job."""


class Reader:
    """One reader of the journal and the event names it wants, of the past only from jobs that ended
    at ``since``, seconds since the epoch, or later.

    ``told`` has the jobs that the reader has been told of while it is sent what was before; None
    once that is over.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.told: set[int] | None = None
        self.allow = _names(request, "allow")
        self.deny = _names(request, "deny")
        self.since = _time(request, "since")

    def wants(self, event: JournalEvent) -> bool:
        """Whether the reader asked for events of this name."""
        name = event.entry["name"]
        return (self.allow is None or name in self.allow) and (
            self.deny is None or name not in self.deny
        )

    def begin(self, jobs: Iterable[Job], events: Iterable[JournalEvent]) -> None:
        """Send the events of the active ``jobs``, which may be none: ``active`` tells the reader
        that it is up to date about those, and is told of what happens from now on.
        """
        self.told = {job.id for job in jobs}
        self._respond(self._wanted(events), active=True)

    def end(self, events: Iterable[JournalEvent] = ()) -> None:
        """Send the last of what is not new, which may be nothing: ``replayed`` tells the reader
        that it knows all.
        """
        self.told = None
        self._respond(self._wanted(events), active=True, replayed=True)

    def send(self, events: Sequence[JournalEvent]) -> None:
        """Send new events the reader wants, if any."""
        if self.told is not None:
            self.told.update(event.job.id for event in events)
        self.replay(events)

    def replay(self, events: Iterable[JournalEvent]) -> None:
        """Send events of the past that the reader wants, if any."""
        if wanted := self._wanted(events):
            self._respond(wanted)

    def _wanted(self, events: Iterable[JournalEvent]) -> list[JournalEvent]:
        return [event for event in events if self.wants(event)]

    def _respond(self, events: list[JournalEvent], **marks: bool) -> None:
        """Send events: to a service of this broker as they are, to others as text."""

        def encode(_: object) -> bytes:
            texts = b",".join([event.text() for event in events])
            more = b"".join(b',"%b":true' % name.encode() for name in marks)
            return b'{"events":[%b]%b}\0' % (texts, more)

        content = {"events": [event.record() for event in events], **marks}
        self.request.respond(Shared(content, encode))


class TodaysReader(Reader):
    """A reader that is told as flux-core 0.88 tells: each answer has the ``events`` of one job,
    ``id``, and its jobspec and R if they come with one of them; one without events says that what
    follows is new.
    """

    def begin(self, jobs: Iterable[Job], events: Iterable[JournalEvent]) -> None:
        """Send the events of the active ``jobs``."""
        self.told = {job.id for job in jobs}
        self.replay(events)

    def end(self, events: Iterable[JournalEvent] = ()) -> None:
        """Send the last of what is not new, and that it is the last."""
        self.told = None
        self.replay(events)
        self.request.respond({"id": NO_JOB, "events": []})

    def _respond(self, events: list[JournalEvent], **marks: bool) -> None:
        for id, those in groupby(events, key=lambda event: event.job.id):
            records = [event.record() for event in those]
            answer: JsonObject = {"id": id, "events": [record["entry"] for record in records]}
            for record in records:
                answer.update({key: record[key] for key in ("jobspec", "R") if key in record})
            self.request.respond(answer)


def reader_of(request: Request) -> Reader:
    """Return the reader that sent a request: one of 0.88 says nothing but whether it wants all."""
    return (TodaysReader if set(request.payload) == {"full"} else Reader)(request)


def _names(request: Request, key: str) -> frozenset[str] | None:
    value = request.payload.get(key)
    if value is not None and not isinstance(value, dict):
        raise OSError(errno.EPROTO, f"job-manager.events {key} should be an object")
    return None if value is None else frozenset(value)


def _time(request: Request, key: str) -> float | None:
    value = request.payload.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise OSError(errno.EPROTO, f"job-manager.events {key} should be a number")
    return None if value is None else float(value)
