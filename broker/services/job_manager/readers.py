"""Readers of the journal: which events each wants, and what it has been sent."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from flux.wire.message import Shared

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broker.service import Request
    from broker.services.job_manager.events import JournalEvent
    from broker.services.job_manager.states import Job
    from flux.wire.json import JsonObject


class Reader:
    """One reader of the journal and the event names it wants.

    ``touched`` collects the jobs that something happened to while the reader is sent what was
    before; None once it follows.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.touched: dict[int, Job] | None = {}
        self.allow = _names(request, "allow")
        self.deny = _names(request, "deny")

    def wants(self, event: JournalEvent) -> bool:
        """Whether the reader asked for events of this name."""
        name = event.entry["name"]
        return (self.allow is None or name in self.allow) and (
            self.deny is None or name not in self.deny
        )

    def begin(self, events: Iterable[JournalEvent]) -> None:
        """Send the last of what is not new, which may be nothing: ``replayed`` tells the reader
        that it is up to date.
        """
        self.touched = None
        self._respond(self._wanted(events), replayed=True)

    def send(self, events: Iterable[JournalEvent]) -> None:
        """Send new events the reader wants, if any; one that does not follow yet is told of their
        jobs in the end.
        """
        if self.touched is not None:
            self.touched.update((event.job.id, event.job) for event in events)
            return
        self.replay(events)

    def replay(self, events: Iterable[JournalEvent]) -> None:
        """Send events of the past that the reader wants, if any."""
        if wanted := self._wanted(events):
            self._respond(wanted)

    def _wanted(self, events: Iterable[JournalEvent]) -> list[JournalEvent]:
        return [event for event in events if self.wants(event)]

    def _respond(self, events: list[JournalEvent], *, replayed: bool = False) -> None:
        """Send events: to a service of this broker as they are, to others as text."""
        content: JsonObject = {"events": [event.record() for event in events]}
        if replayed:
            content["replayed"] = True

        def encode(_: object) -> bytes:
            texts = b",".join([event.text() for event in events])
            return b'{"events":[%b]%b}\0' % (texts, b',"replayed":true' if replayed else b"")

        self.request.respond(Shared(content, encode))


def _names(request: Request, key: str) -> frozenset[str] | None:
    value = request.payload.get(key)
    if value is not None and not isinstance(value, dict):
        raise OSError(errno.EPROTO, f"job-manager.events {key} should be an object")
    return None if value is None else frozenset(value)
