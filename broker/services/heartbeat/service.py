"""The heartbeat module: publishes ``heartbeat.pulse`` at a fixed period on rank 0."""

from __future__ import annotations

import asyncio
import errno
import math
from typing import TYPE_CHECKING

from broker.service import Reply, Request, Service, request
from flux.util import parse_fsd

if TYPE_CHECKING:
    from broker.context import Context

DEFAULT_PERIOD = 2.0


class HeartbeatService(Service):
    """What periodic work of the instance synchronises to.

    The module argument ``period=FSD``, otherwise the broker attribute ``heartbeat.period``, sets
    the time between two pulses; other arguments are refused with EINVAL.
    """

    name = "heartbeat"

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._period = DEFAULT_PERIOD

    @classmethod
    def check_args(cls, args: list[str]) -> None:
        period_of(args)

    async def start(self, args: list[str]) -> None:
        self._period = period_of(args, self.ctx.attrs.get("heartbeat.period"))
        if self.ctx.rank == 0:
            self.ctx.spawn(self._beat(), "heartbeat")

    async def _beat(self) -> None:
        due = self.ctx.loop_time()
        while True:
            due += self._period
            await asyncio.sleep(max(0.0, due - self.ctx.loop_time()))
            await self.ctx.handle.publish("heartbeat.pulse")

    @request("get", allow="guest")
    def get(self, req: Request) -> Reply:
        """Return the ``period`` between two pulses, in seconds."""
        return {"period": self._period}


def period_of(args: list[str], attribute: str | None = None) -> float:
    """Return the seconds that the module arguments ask for, or else the attribute; raises
    OSError(EINVAL).
    """
    text = attribute
    for arg in args:
        key, _, value = arg.partition("=")
        if key != "period":
            raise OSError(errno.EINVAL, f"{arg}: unknown module option")
        text = value
    if text is None:
        return DEFAULT_PERIOD
    try:
        period = parse_fsd(text)
    except ValueError:
        raise OSError(errno.EINVAL, f"period={text}: not a duration") from None
    if not 0 < period < math.inf:
        raise OSError(errno.EINVAL, f"period={text}: must be positive and finite")
    return period
