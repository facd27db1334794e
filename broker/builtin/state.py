"""``state-machine.*`` and ``overlay.*``: who is online, when the instance runs and ends."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from broker.runlevel import BEFORE_RUN, Runlevel
from broker.service import NO_REPLY, NoReply, Reply, Request, Service, event, request
from flux.constants import IDSET_FLAG_BRACKETS, IDSET_FLAG_RANGE
from flux.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from broker.context import Context
    from broker.overlay.network import Overlay
    from broker.router import Router
    from flux.wire.message import Message


FLAGS = IDSET_FLAG_RANGE | IDSET_FLAG_BRACKETS
NO_LINKS: Mapping[str, object] = {"parent": -1, "children": []}
NO_TRAFFIC: Mapping[str, object] = dict.fromkeys(
    ("child-count", "child-connected", "parent-count", "parent-rpc", "child-rpc"), 0
)
"""What there is to say of a broker that is alone."""


class StateMachineService(Service):
    """Gathers on rank 0 which brokers are online, and tells the others when the instance runs and
    when it ends.
    """

    name = "state-machine"

    def __init__(
        self, ctx: Context, runlevel: Runlevel, router: Router, on_online: Callable[[], None]
    ) -> None:
        super().__init__(ctx)
        self.runlevel = runlevel
        self.router = router
        self.online: set[int] = set()
        self._on_online = on_online
        self._waiting: list[Request] = []

    @request("online")
    def rank_online(self, req: Request) -> Reply:
        """A broker finished rc1; answered when the instance runs."""
        rank = req.get("rank", int)
        if rank not in self._below(req):
            raise OSError(
                errno.EINVAL, f"rank {str(rank)[:12]} is not below the broker that sent this"
            )
        self.add_online(rank)
        if self.runlevel.state in BEFORE_RUN:
            self._waiting.append(req)
            return NO_REPLY
        return None

    def _below(self, req: Request) -> range | set[int]:
        """Return the ranks that a request may speak for: those of the subtree it came from, or this
        broker's own.
        """
        hop = req.message.routes[0] if req.message.routes else ""
        for rank, link in self.router.children.items():
            if link.id == hop:
                return set(self.router.topology.subtree(rank))
        return range(self.ctx.rank, self.ctx.rank + 1)

    def add_online(self, rank: int) -> None:
        """Count a rank as online."""
        if rank not in self.online:
            self.online.add(rank)
            self.ctx.spawn(self._announce("overlay.online", {rank}), "announce")
            self._on_online()

    def lose(self, ranks: set[int]) -> None:
        """Ranks have gone, orderly or not."""
        lost = ranks & self.online
        if lost:
            self.online -= lost
            self.ctx.spawn(self._announce("overlay.offline", lost), "announce")

    async def _announce(self, topic: str, ranks: set[int]) -> None:
        await self.ctx.handle.publish(topic, {"idset": str(IDset(sorted(ranks)))})

    def release(self) -> None:
        """Answer the brokers that wait for the instance to run."""
        for req in self._waiting:
            req.respond()
        self._waiting.clear()

    @request("quorum-get", allow="guest")
    def quorum_get(self, req: Request) -> Reply:
        """Return the ranks that are online, as ``idset``; brackets when there are several. Rank 0
        knows them.
        """
        if self.ctx.rank != 0:
            raise OSError(errno.EPROTO, "quorum-get RPC is only available on rank 0")
        return {"idset": IDset(self.online, FLAGS).encode()}

    # The state

    def entered(self) -> None:
        """The broker has entered a state: tell those who monitor it."""
        for req, _ in self.streams:
            req.respond({"state": self.runlevel.number})

    async def stop(self) -> None:
        for req, _ in self.streams:
            req.end()

    @request("monitor", allow="guest")
    def monitor(self, req: Request) -> Reply:
        """Return the number of this broker's ``state``; a streaming request gets it again with each
        change, until the broker ends.
        """
        state = {"state": self.runlevel.number}
        if not req.streaming:
            return state
        req.respond(state)
        self.streams.add(req)
        return NO_REPLY

    @request("monitor-cancel", allow="guest")
    def monitor_cancel(self, req: Request) -> NoReply:
        """End the sender's stream with match tag ``matchtag``."""
        self.streams.cancel(req)
        return NO_REPLY

    @request("get", allow="guest")
    def get(self, req: Request) -> Reply:
        """Return this broker's state and, on rank 0, who is online."""
        return {"state": self.runlevel.state, "online": str(IDset(sorted(self.online)))}

    @request("lost")
    def lost(self, req: Request) -> None:
        """A broker noticed that ranks below it are gone."""
        try:
            ranks = IDset(req.get("idset", str))
        except ValueError:
            raise OSError(errno.EPROTO, "malformed idset") from None
        below = self._below(req)
        if ranks and (ranks.last() >= self.ctx.size or not set(ranks) <= set(below)):
            raise OSError(
                errno.EINVAL, "not all ranks of the idset are below the broker that sent this"
            )
        self.lose(set(ranks))

    @request("shutdown")
    def shutdown(self, req: Request) -> None:
        """End the instance (rank 0) or this broker."""
        if not self.runlevel.post("shutdown"):
            raise OSError(errno.EALREADY, "shutdown is already in progress")

    @event("state-machine.shutdown")
    def on_shutdown(self, msg: Message) -> None:
        """Rank 0 ends the instance."""
        if self.ctx.rank > 0:
            self.runlevel.post("shutdown")


class OverlayService(Service):
    """What can be asked of the tree network."""

    name = "overlay"

    def __init__(self, ctx: Context, overlay: Overlay | None, state: StateMachineService) -> None:
        """``overlay`` is None for a broker that is alone."""
        super().__init__(ctx)
        self.overlay = overlay
        self.state = state

    @request("health", allow="guest")
    def health(self, req: Request) -> Reply:
        """Return this broker's links and, on rank 0, the ranks online."""
        return {
            "rank": self.ctx.rank,
            "idset": str(IDset(sorted(self.state.online))),
            **(self.overlay.stats() if self.overlay is not None else NO_LINKS),
        }

    def stats(self) -> Mapping[str, object]:
        """Return how many children this broker may have and has, whether it has a parent, and how
        many requests wait for an answer from there.
        """
        if self.overlay is None:
            return NO_TRAFFIC
        return self.overlay.counts()
