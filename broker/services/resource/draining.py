"""Ranks taken out of scheduling: by administrators, and those that are not what R says."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from broker.service import Request, request
from broker.services.resource.discovery import LATE
from broker.services.resource.state import ranks_of
from broker.services.resource.stored import lacking
from flux.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from broker.context import Context
    from broker.services.resource.reslog import ResourceLog
    from broker.services.resource.state import Inventory, Resources
    from flux.job.types import ResourceObject

MAX_REASON = 1 << 14


def require_leader(ctx: Context) -> None:
    """Raise OSError(EPROTO) on another rank than 0."""
    if ctx.rank != 0:
        raise OSError(errno.EPROTO, f"{ctx.name}: this request is for rank 0")


class Draining:
    """The part of the resource module that drains; ``changed`` tells the scheduler."""

    def __init__(
        self, ctx: Context, state: Resources, log: ResourceLog, changed: Callable[[], None]
    ) -> None:
        self._ctx = ctx
        self._state = state
        self._log = log
        self._changed = changed

    def _require_leader(self) -> None:
        """Raise OSError(ENOSYS) on another rank than 0, which has no such service."""
        if self._ctx.rank != 0:
            raise OSError(errno.ENOSYS, "Unknown service method")

    @request("drain")
    async def drain(self, req: Request) -> None:
        """Take ``targets`` (idset or hostlist) out of scheduling for ``reason``."""
        self._require_leader()
        ranks = self._state.targets(req.get("targets", str))
        reason, now = req.get("reason", str, ""), self._ctx.now()
        if len(reason) > MAX_REASON:
            raise OSError(errno.EINVAL, f"a reason has at most {MAX_REASON} characters")
        self._state.drain(ranks, reason, now)
        self._changed()
        await self._record(ranks, "drain", {"idset": ranks.encode(), "reason": reason}, now)

    @request("undrain")
    async def undrain(self, req: Request) -> None:
        """Give drained ``targets`` back to the scheduler."""
        self._require_leader()
        ranks = self._state.targets(req.get("targets", str))
        self._state.undrain(ranks)
        self._changed()
        await self._record(ranks, "undrain", {"idset": ranks.encode()}, self._ctx.now())

    async def _record(
        self, ranks: IDset, name: str, context: Mapping[str, object], timestamp: float
    ) -> None:
        """Log what has been done to ``ranks`` so that a restart knows of it; raises OSError saying
        that it will not.
        """
        try:
            await self._log.post(name, context, timestamp, durable=True)
        except OSError as exc:
            text = f"ranks {ranks.encode()} are {name}ed, but this is not on disk: {exc.strerror}"
            raise OSError(exc.errno, text) from exc

    def late(self, rank: int) -> None:
        """Drain a rank that R is without; not on record, since the next start finds it."""
        if rank not in self._state.drained:
            self._ctx.log.err(f"draining: rank {rank} {LATE}")
            self._state.drain(IDset(rank), LATE, self._ctx.now())

    def verify(self, given: ResourceObject, item: Inventory) -> None:
        """Drain a rank that lacks what the given R says of it."""
        problem = lacking(given, item)
        if problem and item.rank not in self._state.drained:
            now = self._ctx.now()
            absent = item.rank not in ranks_of(given)
            who = f"rank {item.rank}" if absent else f"rank {item.rank} ({item.host})"
            self._ctx.log.err(f"draining: {who} {problem}")
            self._state.drain(IDset(item.rank), problem, now)
            self._log.post("drain", {"idset": str(item.rank), "reason": problem}, now)
