"""``overlay.*``: what can be asked of the tree network (flux-overlay)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from broker.service import NO_REPLY, NoReply, Request, Service, request
from broker.tracing import Tracer
from flux.overlay import LOST, LOST_CONNECTION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broker.builtin.state import StateMachineService
    from broker.context import Context
    from broker.overlay.network import Overlay
    from broker.service import Reply
    from flux.overlay import Health, SubtreeHealth

NO_TRAFFIC: Mapping[str, object] = dict.fromkeys(
    ("child-count", "child-connected", "parent-count", "parent-rpc", "child-rpc"), 0
)
"""What there is to say of a broker that is alone."""


class OverlayService(Service):
    """The health and the shape of the tree; rank 0 knows the health, others ask it."""

    name = "overlay"

    def __init__(self, ctx: Context, overlay: Overlay | None, state: StateMachineService) -> None:
        """``overlay`` is None for a broker that is alone."""
        super().__init__(ctx)
        self.overlay = overlay
        self.state = state
        self._tracer = Tracer(ctx.now, self._rest)
        self._topology = state.router.topology

    @request("health", allow="guest")
    async def health(self, req: Request) -> Reply:
        """Return how whole the subtree of this broker, or of ``rank``, is: its ``status``, for how
        many seconds that has been so, the ``error`` of one that is lost, and the same of each
        child.
        """
        rank = self._rank(req, self.ctx.rank)
        health = self.state.health
        if health is None:
            return dict(await self.ctx.handle.rpc("overlay.health", {"rank": rank}, nodeid=0))
        now = self.ctx.loop_time()

        def of(one: int) -> SubtreeHealth:
            status, duration = health.status(one), health.duration(one, now)
            found: SubtreeHealth = {"rank": one, "status": status, "duration": duration}
            if status == LOST:
                found["error"] = LOST_CONNECTION
            return found

        answer: Health = {**of(rank), "children": [of(one) for one in self._children(rank)]}
        return answer

    @request("topology", allow="guest")
    def topology(self, req: Request) -> Reply:
        """Return the tree below ``rank``: each rank with the size of its subtree and its
        children.
        """
        return self._tree(self._rank(req, self.ctx.rank))

    @request("disconnect-subtree")
    def disconnect_subtree(self, req: Request) -> None:
        """End the link to the child of ``rank``, so that it and what is below it end."""
        rank = req.get("rank", int)
        if self.overlay is None:
            raise OSError(errno.ENOENT, f"rank {rank} is no child that is connected")
        self.overlay.disconnect(rank)

    @request("trace", streaming=True)
    def trace(self, req: Request) -> NoReply:
        """Stream the messages from and to the neighbours of this broker, or ``nodeid``, of the
        types in ``typemask`` and with a topic like ``topic_glob``, with their payload if ``full``
        is true.
        """
        self._tracer.add(req)
        if self.overlay is not None:
            self.overlay.watch_messages(
                lambda way, msg, rank: self._tracer.saw(way, msg, rank=rank)
            )
        return NO_REPLY

    @request("trace-cancel")
    def trace_cancel(self, req: Request) -> NoReply:
        """End the sender's trace with match tag ``matchtag``."""
        self._tracer.cancel(req)
        return NO_REPLY

    def _rest(self) -> None:
        if self.overlay is not None:
            self.overlay.watch_messages(None)

    def on_disconnect(self, sender: str) -> None:
        """A client went away, its trace with it."""
        self._tracer.forget(sender)

    async def stop(self) -> None:
        """End the traces."""
        self._tracer.end()

    def stats(self) -> Mapping[str, object]:
        """Return how many children this broker may have and has, whether it has a parent, and how
        many requests wait for an answer from there.
        """
        if self.overlay is None:
            return NO_TRAFFIC
        return self.overlay.counts()

    def _rank(self, req: Request, default: int) -> int:
        rank = req.get("rank", int) if "rank" in req.payload else default
        if not 0 <= rank < self.ctx.size:
            raise OSError(errno.EINVAL, f"{rank} is not a valid rank in this instance")
        return rank

    def _children(self, rank: int) -> range:
        fanout = self._topology.fanout
        return range(
            min(rank * fanout + 1, self.ctx.size), min(rank * fanout + fanout + 1, self.ctx.size)
        )

    def _tree(self, rank: int) -> dict[str, object]:
        return {
            "rank": rank,
            "size": len(self._topology.subtree(rank)),
            "children": [self._tree(child) for child in self._children(rank)],
        }
