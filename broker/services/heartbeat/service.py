"""The heartbeat module: publishes ``heartbeat.pulse`` at a fixed period on rank 0."""

from __future__ import annotations

import asyncio
import errno
from typing import Any

from broker.service import Service
from flux.util import parse_fsd

DEFAULT_PERIOD = 2.0


class HeartbeatService(Service):
    """What periodic work of the instance synchronises to.

    The module argument ``period=FSD`` sets the seconds between two pulses; other arguments are refused with EINVAL.
    """

    name = "heartbeat"

    async def start(self, args: list[str]) -> None:
        self._period = period_of(args)
        self._count = 0
        if self.ctx.rank == 0:
            self.ctx.spawn(self._beat(), "heartbeat")

    async def _beat(self) -> None:
        due = self.ctx.loop_time()
        while True:
            due += self._period
            await asyncio.sleep(max(0.0, due - self.ctx.loop_time()))
            self._count += 1
            await self.ctx.handle.publish("heartbeat.pulse")

    def stats(self) -> dict[str, Any]:
        """The period in seconds and the pulses so far."""
        return {"period": self._period, "count": self._count}


def period_of(args: list[str]) -> float:
    """Return the period the module arguments ask for; raises OSError(EINVAL)."""
    period = DEFAULT_PERIOD
    for arg in args:
        key, _, value = arg.partition("=")
        if key != "period":
            raise OSError(errno.EINVAL, f"{arg}: unknown module option")
        try:
            period = parse_fsd(value)
        except ValueError as exc:
            raise OSError(errno.EINVAL, f"period={value}: not a duration") from exc
        if period <= 0:
            raise OSError(errno.EINVAL, "period must be positive")
    return period
