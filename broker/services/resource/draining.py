"""Ranks taken out of scheduling: by administrators, and those that are not what R says."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from broker.service import Request, request
from broker.services.resource.discovery import LATE
from broker.services.resource.state import REASON_ONLY, ranks_of
from broker.services.resource.stored import lacking
from flux.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from broker.context import Context
    from broker.services.resource.reslog import ResourceLog
    from broker.services.resource.state import Inventory, Resources
    from flux.job.types import ResourceObject

MAX_REASON = 1 << 14
MODES: Final = ("", "update", "overwrite", "force-overwrite")


def require_leader(ctx: Context) -> None:
    """Raise OSError(EPROTO) on another rank than 0."""
    if ctx.rank != 0:
        raise OSError(errno.EPROTO, f"{ctx.name}: this request is for rank 0")


def _mode(req: Request) -> str:
    """Return how a request treats ranks that are as it wants them already; raises OSError(EPROTO)
    for a word that is no mode.
    """
    mode = req.get("mode", str, "")
    if mode not in MODES:
        raise OSError(errno.EPROTO, f"invalid mode: {mode[:40]}")
    return mode


def _reason(req: Request) -> str:
    reason = req.get("reason", str, "")
    if len(reason) > MAX_REASON:
        raise OSError(errno.EINVAL, f"a reason has at most {MAX_REASON} characters")
    return reason


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
        """Take ``targets`` (idset or hostlist) out of scheduling for ``reason``.

        Of those that are already, the ``mode`` update leaves the reason as it is, if there is one;
        overwrite changes it, and force-overwrite, as no mode, also since when they are drained.
        """
        self._require_leader()
        ranks = self._state.targets(req.get("targets", str))
        reason, now = _reason(req), self._ctx.now()
        mode = _mode(req)
        drained = self._state.drained
        if mode == "update":
            ranks = IDset([one for one in ranks if one not in drained or not drained[one].reason])
        if not len(ranks):
            return
        since = mode not in ("update", "overwrite")
        context = {"idset": ranks.encode(), "reason": reason}
        self._state.drain(ranks, reason, now, since)
        self._changed()
        await self._record(
            ranks, "drain", context | ({} if since else {"overwrite": REASON_ONLY}), now
        )

    @request("undrain")
    async def undrain(self, req: Request) -> None:
        """Give drained ``targets`` back to the scheduler, for a ``reason``; with the ``mode``
        update those of them that are drained, with overwrite or force-overwrite all: those that
        are not drained have another reason in the log.
        """
        self._require_leader()
        ranks = self._state.targets(req.get("targets", str))
        reason, mode = _reason(req), _mode(req)
        drained = self._state.undrain(ranks, any_of_them=bool(mode))
        if mode == "update":
            ranks = drained
        if not len(ranks):
            return
        self._changed()
        context = {"idset": ranks.encode()} | ({"reason": reason} if reason else {})
        await self._record(ranks, "undrain", context, self._ctx.now())

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
