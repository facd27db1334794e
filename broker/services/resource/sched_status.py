"""``resource.sched-status``: all resources, those that jobs have and those that are down."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from broker.service import request
from broker.services.resource.state import NOTHING, ranks_of
from flux.resource.ResourceSet import ResourceSet

if TYPE_CHECKING:
    from broker.context import Context
    from broker.service import Request
    from broker.services.resource.state import Resources
    from flux.wire.json import JsonObject


class SchedStatus:
    """Has the scheduler answer while there is one, else tells what the resource module knows."""

    def __init__(self, ctx: Context, state: Resources) -> None:
        self._ctx = ctx
        self._state = state

    @request("sched-status", allow="guest")
    async def sched_status(self, req: Request) -> JsonObject:
        """Return R objects: {all, allocated, down} (flux-resource(1)), with a scheduler or without
        one.
        """
        if self._ctx.rank != 0:
            answer: JsonObject = await self._ctx.handle.rpc(req.topic, nodeid=0)
            return answer
        try:
            return await self._ask("sched.resource-status")
        except OSError as exc:
            if exc.errno != errno.ENOSYS:
                raise
        everything = self._state.resources or NOTHING
        down = ranks_of(everything).difference(self._state.up())
        return {
            "all": everything,
            "allocated": await self._allocated(),
            "down": ResourceSet().add(ResourceSet(everything).copy_ranks(down)).to_dict(),
        }

    async def _allocated(self) -> object:
        try:
            return (await self._ask("job-manager.resource-status"))["allocated"]
        except OSError as exc:
            if exc.errno != errno.ENOSYS:
                raise
            return NOTHING

    async def _ask(self, topic: str) -> JsonObject:
        answer: JsonObject = await self._ctx.handle.rpc(topic)
        return answer
