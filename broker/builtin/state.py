"""``state-machine.*`` and ``overlay.*``: who is online, when the instance runs and ends."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from broker.runlevel import BEFORE_RUN, Runlevel
from broker.service import NO_REPLY, Reply, Request, Service, event, request
from flux.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from broker.context import Context
    from broker.overlay.network import Overlay
    from broker.router import Router
    from flux.wire.message import Message


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

    def __init__(self, ctx: Context, overlay: Overlay, state: StateMachineService) -> None:
        super().__init__(ctx)
        self.overlay = overlay
        self.state = state

    @request("health", allow="guest")
    def health(self, req: Request) -> Reply:
        """Return this broker's links and, on rank 0, the ranks online."""
        return {
            "rank": self.ctx.rank,
            "idset": str(IDset(sorted(self.state.online))),
            **self.overlay.stats(),
        }

    def stats(self) -> Mapping[str, object]:
        """Return the links."""
        return self.overlay.stats()
