"""``resource.journal``: what happened to the resources, from the first entry of the log on."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, cast

from broker.service import NO_REPLY, NoReply, Request, StreamSet, request
from broker.services.resource.draining import require_leader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from broker.context import Context
    from flux.eventlog import Entry
    from flux.job.types import EventEntry, ResourceObject

KEPT: Final = 100_000
"""How many entries, the last ones, are kept for readers."""
DEFINE: Final = "resource-define"


class ResourceJournal:
    """The part of the resource module that tells readers of the log's entries.

    ``resources`` returns R, which goes with the entry that it was defined by. A response without
    entries says that those of the past are told.
    """

    def __init__(self, ctx: Context, resources: Callable[[], ResourceObject | None]) -> None:
        self._ctx = ctx
        self._resources = resources
        self._entries: deque[EventEntry] = deque(maxlen=KEPT)
        self._streams = StreamSet()

    def took(self, entries: Iterable[Entry]) -> None:
        """Remember entries of an earlier run."""
        self._entries.extend(cast("EventEntry", entry) for entry in entries)

    def posted(self, entry: EventEntry) -> None:
        """An entry was posted: tell the readers."""
        self._entries.append(entry)
        for req, _ in self._streams:
            req.respond(self._told([entry]))

    def _told(self, entries: list[EventEntry]) -> dict[str, object]:
        """Return a response with ``entries``, and R if it is what they end with."""
        told: dict[str, object] = {"events": entries}
        resources = self._resources()
        if entries and entries[-1]["name"] == DEFINE and resources is not None:
            told["R"] = resources
        return told

    @request("journal", streaming=True)
    def journal(self, req: Request) -> NoReply:
        """Stream the entries of the log {events}, those of the past first, R with that which
        defines it; a response without entries comes after the past.
        """
        require_leader(self._ctx)
        batch: list[EventEntry] = []
        for entry in self._entries:
            batch.append(entry)
            if entry["name"] == DEFINE:
                req.respond(self._told(batch))
                batch = []
        if batch:
            req.respond(self._told(batch))
        req.respond(self._told([]))
        self._streams.add(req)
        return NO_REPLY

    @request("journal-cancel")
    def journal_cancel(self, req: Request) -> NoReply:
        """End the sender's stream with match tag ``matchtag``."""
        self._streams.cancel(req)
        return NO_REPLY

    def forget(self, sender: str) -> None:
        """A client went away."""
        self._streams.drop_sender(sender)

    def end(self) -> None:
        """The module ends, and its streams with it."""
        for req, _ in self._streams:
            req.end()
