"""``state-machine.*``: who is online, when the instance runs and ends."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from typing import TYPE_CHECKING, Final

from broker.builtin.gathering import Gathering
from broker.builtin.health import TreeHealth
from broker.runlevel import BEFORE_RUN, Runlevel
from broker.service import NO_REPLY, NoReply, Reply, Request, Service, event, request
from broker.todays_attributes import CRITICAL, critical_ranks
from flux.constants import IDSET_FLAG_BRACKETS, IDSET_FLAG_RANGE
from flux.idset import IDset
from flux.wire.errors import error_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.context import Context
    from broker.router import Router
    from flux.wire.message import Message


ONLINE: Final = "broker.online"
FLAGS = IDSET_FLAG_RANGE | IDSET_FLAG_BRACKETS


class StateMachineService(Service):
    """Gathers on rank 0 which brokers are online, and tells the others when the instance runs and
    when it ends.
    """

    name = "state-machine"
    unlisted = ("groups",)

    def __init__(
        self, ctx: Context, runlevel: Runlevel, router: Router, on_change: Callable[[], None]
    ) -> None:
        super().__init__(ctx)
        self.runlevel = runlevel
        self.router = router
        self.online: set[int] = set()
        self.gone: set[int] = set()
        self.exit_code = 0
        """Why the instance ends, if it has to: not 0 if that is a failure."""
        self.health: TreeHealth | None = None
        """Rank 0's knowledge of the tree."""
        if ctx.rank == 0:
            self.health = TreeHealth(router.topology, ctx.loop_time())
        self._on_change = on_change
        self.on_status: Callable[[str], None] = lambda text: None
        """What is called with a line about this broker for systemd."""
        self._waiting: list[Request] = []
        attrs = ctx.attrs
        self._critical = critical_ranks(attrs)
        self._gathering = Gathering(
            int(attrs.get("hello.hwm") or 0), float(attrs.get("hello.timeout") or 0)
        )
        self._told: list[Callable[[OSError | None], None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._news: dict[str, set[int]] = {"overlay.online": set(), "overlay.offline": set()}

    @request("online")
    def ranks_online(self, req: Request) -> Reply:
        """Brokers, as ``idset``, finished rc1; answered when the instance runs."""
        ranks = self._ranks_below(req)
        if self.ctx.rank:
            self._gather(ranks, lambda exc: req.fail(exc) if exc else req.respond())
            return NO_REPLY
        self.add_online(ranks)
        if self.runlevel.state in BEFORE_RUN:
            self._waiting.append(req)
            return NO_REPLY
        return None

    def _ranks_below(self, req: Request) -> set[int]:
        """Return the ranks of a request; raises OSError if it may not speak for them."""
        try:
            ranks = IDset(req.get("idset", str))
        except ValueError:
            raise OSError(errno.EPROTO, "malformed idset") from None
        below = self._below(req)
        if ranks and (ranks.last() >= self.ctx.size or not set(ranks) <= set(below)):
            raise OSError(
                errno.EINVAL, "not all ranks of the idset are below the broker that sent this"
            )
        return set(ranks)

    async def go_online(self) -> None:
        """Tell rank 0, together with those below, that this broker is online, and wait until the
        instance runs; raises OSError if that cannot be told.
        """
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(exc: OSError | None) -> None:
            if told.done():
                return
            if exc is None:
                told.set_result(None)
            else:
                told.set_exception(exc)

        self._gather({self.ctx.rank}, done)
        await told

    def _gather(self, ranks: set[int], told: Callable[[OSError | None], None]) -> None:
        self._told.append(told)
        self._gathering.add(ranks, self.ctx.loop_time())
        wait = self._gathering.wait(self.ctx.loop_time())
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if wait is None else self.ctx.call_later(wait, self._pass_up)

    def _pass_up(self) -> None:
        """Send what was gathered at once, so that a later word of loss cannot overtake it."""
        ranks, told = self._gathering.take(), self._told
        self._told = []

        def pass_on(failure: OSError | None) -> None:
            for tell in told:
                tell(failure)

        def answered(msg: Message) -> None:
            pass_on(error_of(msg) if msg.aux1 else None)

        payload = {"idset": str(IDset(sorted(ranks)))}
        try:
            self.ctx.handle.post("state-machine.online", payload, answered, upstream=True)
        except OSError as exc:
            pass_on(exc)

    def _below(self, req: Request) -> range | set[int]:
        """Return the ranks that a request may speak for: those of the subtree it came from, or this
        broker's own.
        """
        hop = req.message.routes[0] if req.message.routes else ""
        for rank, link in self.router.children.items():
            if link.id == hop:
                return set(self.router.topology.subtree(rank))
        return range(self.ctx.rank, self.ctx.rank + 1)

    def add_online(self, ranks: set[int]) -> None:
        """Count ranks as online, on rank 0."""
        new = ranks - self.online
        if self.health is not None:
            self.health.came(new, self.ctx.loop_time())
        if new:
            self.online |= new
            self.gone -= new
            self._tell_all("overlay.online", new)
            self._on_change()

    def lose(self, ranks: set[int], orderly: bool = False) -> None:
        """Ranks below have gone, orderly or not; rank 0 tells of those that had not been online yet
        as well, for nobody else knows that they will not be.
        """
        if self.health is None:
            # Not past the word that they are online, which may wait on its way up.
            self._gathering.drop(ranks)
            payload = {"idset": str(IDset(sorted(ranks))), "orderly": orderly}
            with contextlib.suppress(OSError):  # this broker is about to end, too
                self.ctx.handle.post("state-machine.lost", payload, lambda _: None, upstream=True)
            return
        self.health.went(ranks, orderly, self.ctx.loop_time())
        lost = ranks - self.gone
        if lost:
            self.online -= lost
            self.gone |= lost
            self._tell_all("overlay.offline", lost)
            critical = self._critical & lost
            if critical and not orderly:
                self.ctx.log.crit(f"{CRITICAL}: {IDset(sorted(critical))} lost, the instance ends")
                self.exit_code = self.exit_code or 1
                self.runlevel.post("shutdown")
            self._on_change()

    def _tell_all(self, topic: str, ranks: set[int]) -> None:
        """Publish who came or went; what happens in one turn of the loop is one event."""
        opposite = "overlay.offline" if topic == "overlay.online" else "overlay.online"
        if not any(self._news.values()):
            self.ctx.call_soon(self._publish_news)
        elif self._news[opposite] & ranks:
            self._publish_news()
            self.ctx.call_soon(self._publish_news)
        self._news[topic] |= ranks

    def _publish_news(self) -> None:
        for topic, ranks in self._news.items():
            if ranks:
                payload = {"idset": str(IDset(sorted(ranks)))}
                self.ctx.spawn(self.ctx.handle.publish(topic, payload), "announce")
                self._news[topic] = set()

    def release(self) -> None:
        """Answer the brokers that wait for the instance to run."""
        for req in self._waiting:
            req.respond()
        self._waiting.clear()

    @request("quorum-get", allow="guest")
    def quorum_get(self, req: Request) -> Reply:
        """Return the ranks that are online, as ``idset``, brackets when there are several, and the
        idset ``lost`` if some went and are not back. Rank 0 knows them.
        """
        if self.ctx.rank != 0:
            raise OSError(errno.EPROTO, "quorum-get RPC is only available on rank 0")
        lost = {"lost": IDset(sorted(self.gone)).encode()} if self.gone else {}
        return {"idset": IDset(self.online, FLAGS).encode(), **lost}

    @request("groups.get", absolute=True, allow="guest")
    def group(self, req: Request) -> Reply:
        """Return the ``members`` of a group of ranks: those that are online for ``broker.online``,
        nobody for any other. Rank 0 knows them.
        """
        name = req.get("name", str)
        if self.ctx.rank != 0:
            raise OSError(errno.EPROTO, "this RPC is only available on rank 0")
        return {"members": str(IDset(sorted(self.online if name == ONLINE else ())))}

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
        """Return this broker's state, for how many seconds it has been so (``duration``) and, on
        rank 0, who is online.
        """
        online = str(IDset(sorted(self.online)))
        return {
            "state": self.runlevel.state,
            "duration": self.runlevel.seconds,
            "online": online,
        }

    @request("sd-notify")
    def sd_notify(self, req: Request) -> None:
        """Tell systemd {status}: what a command does for this broker."""
        self.on_status(req.get("status", str))

    @request("lost")
    def lost(self, req: Request) -> None:
        """A broker noticed that ranks below it are gone; with ``orderly`` true they had ended."""
        self.lose(self._ranks_below(req), req.payload.get("orderly") is True)

    @request("shutdown")
    def shutdown(self, req: Request) -> None:
        """End the instance (rank 0) or this broker, which exits with ``exit_code`` if that is given
        and nothing else fails.
        """
        self.exit_code = self.exit_code or req.get("exit_code", int, 0)
        if not self.runlevel.post("shutdown"):
            raise OSError(errno.EALREADY, "shutdown is already in progress")

    @event("state-machine.shutdown")
    def on_shutdown(self, msg: Message) -> None:
        """Rank 0 ends the instance."""
        if self.ctx.rank > 0:
            self.runlevel.post("shutdown")
