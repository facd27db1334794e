"""Requests that wait until a number of ranks is up."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from broker.service import NO_REPLY, Reply, Request, request

if TYPE_CHECKING:
    from broker.context import Context
    from broker.services.resource.state import Resources


class WaitUp:
    """The part of the resource module that answers ``resource.monitor-waitup``."""

    def __init__(self, ctx: Context, state: Resources) -> None:
        self._ctx = ctx
        self._state = state
        self._waiting: list[tuple[int, Request]] = []

    @request("monitor-waitup", allow="guest")
    def monitor_waitup(self, req: Request) -> Reply:
        """Answer once ``up`` ranks are up; refused (EINVAL) if there are not as many."""
        if self._ctx.rank != 0:
            raise OSError(errno.EPROTO, "this RPC only works on rank 0")
        count = req.get("up", int)
        if not 0 <= count <= self._ctx.size:
            raise OSError(errno.EINVAL, f"{count} ranks cannot be up: there are {self._ctx.size}")
        if len(self._state.online) >= count:
            return None
        self._waiting.append((count, req))
        return NO_REPLY

    def changed(self) -> None:
        """Ranks came: answer who waited for as many."""
        up = len(self._state.online)
        waiting, self._waiting = self._waiting, []
        for count, req in waiting:
            if count <= up:
                req.respond()
            else:
                self._waiting.append((count, req))

    def forget(self, sender: str) -> None:
        """``sender`` has gone and waits for nothing any more."""
        self._waiting = [(count, req) for count, req in self._waiting if req.sender != sender]
