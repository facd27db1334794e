"""Rank 0's wait for the reports of all ranks, from which R is made if nothing else says what there
is.

A rank that is lost before it reported is waited for only where it may be started again; what
takes too long is given up (``broker.quorum-timeout``), so that the others can be used. Jobs wait
meanwhile, and the log says for whom (``broker.quorum-warn``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.quorum import Schedule, may_return, named
from flux.duration import fsd

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

    from broker.context import Context
    from broker.services.resource.state import Resources

LATE = "came after R was made without it"
"""Why a rank is drained that was given up; the next start of the instance finds it."""


class Discovery:
    """Gives up ranks of ``state`` and calls ``settled`` when it has."""

    def __init__(self, ctx: Context, state: Resources, settled: Callable[[], None]) -> None:
        self._ctx = ctx
        self._state = state
        self._settled = settled
        self._began = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._schedule: Schedule | None = None

    def begin(self, lost: Iterable[int]) -> None:
        """Start to wait; ``lost`` are ranks that are known to be so."""
        self._schedule = Schedule.of(self._ctx.attrs)
        self._began = self._ctx.loop_time()
        self.lose(lost)
        self._arm()

    def end(self) -> None:
        """Wait no longer."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._schedule = None

    def lose(self, ranks: Iterable[int]) -> None:
        """Ranks are lost: those that have not reported are given up if they cannot come back."""
        if self._schedule is None or may_return(self._ctx.attrs):
            return
        self._give_up(self._state.awaited.intersection(ranks), "lost before reporting")

    def _give_up(self, ranks: set[int], why: str) -> None:
        if self._state.give_up(ranks):
            who = named(self._ctx.attrs, ranks)
            self._ctx.log.err(f"R is made without {who}: {why}")
            self._settled()

    def _arm(self) -> None:
        if self._schedule is not None:
            rest = self._schedule.rest(self._elapsed)
            self._timer = None if rest is None else self._ctx.call_later(rest, self._due)

    @property
    def _elapsed(self) -> float:
        return self._ctx.loop_time() - self._began

    def _due(self) -> None:
        schedule, elapsed, awaited = self._schedule, self._elapsed, self._state.awaited
        if schedule is None or not awaited:
            return
        if schedule.expired(elapsed):
            self._give_up(awaited, f"no report after {fsd(schedule.timeout)}")
            return
        if schedule.warns(elapsed):
            who = named(self._ctx.attrs, awaited)
            self._ctx.log.err(f"jobs wait for the resources of {who} since {fsd(elapsed)}")
        self._arm()
