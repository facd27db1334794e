"""``log.*``: append to the log ring, read it, follow it, clear it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.service import NO_REPLY, NoReply, Request, Service, request
from flux.logline import Entry, parse, readable_text

if TYPE_CHECKING:
    from broker.context import Context
    from broker.log import LogRing


class LogService(Service):
    """Serves the broker's log ring."""

    name = "log"

    def __init__(self, ctx: Context, ring: LogRing) -> None:
        super().__init__(ctx)
        self.ring = ring

    async def start(self, args: list[str]) -> None:
        self.ring.followers.append(self._follow)

    async def stop(self) -> None:
        self.ring.followers.remove(self._follow)
        for req, _ in self.streams:
            req.end()

    def _follow(self, entry: Entry) -> None:
        for req, _ in self.streams:
            req.respond(entry.line())

    @request("append", raw=True)
    def append(self, req: Request) -> None:
        """Add a line of the instance owner's, or several; what cannot be parsed is dropped."""
        entry = parse(readable_text(req.raw or b""))
        if entry is not None:
            self.ring.append(entry)

    @request("dmesg", streaming=True)
    def dmesg(self, req: Request) -> NoReply:
        """Stream the ring, a line a response; with ``follow`` go on with new lines, with
        ``nobacklog`` these only.
        """
        for entry in () if req.payload.get("nobacklog") else self.ring:
            req.respond(entry.line())
        if req.payload.get("follow"):
            self.streams.add(req)
        else:
            req.end()
        return NO_REPLY

    @request("dmesg-cancel")
    @request("cancel")
    def cancel(self, req: Request) -> NoReply:
        """End a followed stream."""
        self.streams.cancel(req)
        return NO_REPLY

    @request("clear")
    def clear(self, req: Request) -> None:
        """Empty the ring."""
        self.ring.clear()
