"""What rank 0 waits for before the instance runs, how long, and what it says meanwhile.

A rank of ``broker.quorum`` that is lost fails the start where a process manager started the
brokers, since it starts none of them again. Brokers that the configuration tells of each other
are started by their hosts, which may do so again: these are waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flux.duration import fsd, parse_fsd
from flux.hostlist import Hostlist
from flux.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from broker.attributes import Attributes

TIMEOUT = "broker.quorum-timeout"
WARN = "broker.quorum-warn"
DEFAULTS = {TIMEOUT: "none", WARN: "60s"}


def patience(attrs: Attributes, name: str) -> float:
    """Return the seconds that `TIMEOUT` or `WARN` says, infinite for ``none``.

    Raises OSError(EINVAL) if it is not a duration of RFC 23 above 0, nor ``none``.
    """
    text = attrs.get(name) or DEFAULTS[name]
    try:
        seconds = math.inf if text == "none" else parse_fsd(text)
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise OSError(errno.EINVAL, f"{name}: invalid value '{text[:100]}'")
    return seconds


def may_return(attrs: Attributes) -> bool:
    """Whether a broker that is lost may be started again: by its host, if the brokers find each
    other by the configuration.
    """
    return attrs.get("config.hostlist") is not None


def named(attrs: Attributes, ranks: Collection[int]) -> str:
    """Return ranks in words, such as ``rank 3 (fluke3)`` or ``ranks 2-3``, with the hosts if they
    are configured.
    """
    hosts = list(Hostlist(attrs.get("config.hostlist") or ""))
    there = [hosts[rank] for rank in sorted(ranks) if rank < len(hosts)]
    where = f" ({Hostlist(there).encode()})" if there else ""
    return f"rank{'s' if len(ranks) > 1 else ''} {IDset(sorted(ranks))}{where}"


@dataclass
class Schedule:
    """When to warn of a wait and when to give it up; times are in seconds since it began."""

    timeout: float
    warn: float
    warned: float = 0.0

    @classmethod
    def of(cls, attrs: Attributes) -> Schedule:
        """Return what the attributes say; raises OSError(EINVAL)."""
        return cls(patience(attrs, TIMEOUT), patience(attrs, WARN))

    def expired(self, elapsed: float) -> bool:
        """Whether the time is up."""
        return elapsed >= self.timeout

    def warns(self, elapsed: float) -> bool:
        """Whether a warning is due; the next one is a whole period later."""
        due = elapsed >= self.warned + self.warn
        if due:
            self.warned = elapsed
        return due

    def rest(self, elapsed: float) -> float | None:
        """Return how long there is nothing to do, None for ever."""
        at = min(self.timeout, self.warned + self.warn)
        return None if math.isinf(at) else max(0.0, at - elapsed)


class QuorumWait:
    """Rank 0's wait; ``online`` and ``lost`` return the ranks that are, ``warn`` takes a line for
    the log, which whoever started the instance should see.
    """

    def __init__(
        self,
        attrs: Attributes,
        online: Callable[[], set[int]],
        lost: Callable[[], set[int]],
        warn: Callable[[str], None],
    ) -> None:
        self._attrs = attrs
        self._online = online
        self._lost = lost
        self._warn = warn
        self._news = asyncio.Event()
        self._over = False

    def changed(self) -> None:
        """A rank came or went."""
        self._news.set()

    def end(self) -> None:
        """The instance ends: wait no longer."""
        self._over = True
        self._news.set()

    async def reached(self) -> bool:
        """Wait until all ranks of the quorum are online; false if the wait was ended.

        Raises OSError: EHOSTUNREACH if one of them is lost for good, ETIMEDOUT if they take longer
        than ``broker.quorum-timeout``.
        """
        wanted = set(IDset(self._attrs.get("broker.quorum") or "0"))
        schedule, loop = Schedule.of(self._attrs), asyncio.get_running_loop()
        began = loop.time()
        while not self._over:
            self._news.clear()
            missing = wanted - self._online()
            if not missing:
                return True
            elapsed = loop.time() - began
            self._check(missing, schedule, elapsed)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(schedule.rest(elapsed)):
                    await self._news.wait()
        return False

    def _check(self, missing: set[int], schedule: Schedule, elapsed: float) -> None:
        lost = missing & self._lost()
        if lost and not may_return(self._attrs):
            who = named(self._attrs, lost)
            verb = "were" if len(lost) > 1 else "was"
            raise OSError(
                errno.EHOSTUNREACH, f"{who} of broker.quorum {verb} lost before the instance ran"
            )
        if schedule.expired(elapsed):
            verb = "are" if len(missing) > 1 else "is"
            raise OSError(
                errno.ETIMEDOUT,
                f"{named(self._attrs, missing)} {verb} not online after {TIMEOUT},"
                f" {fsd(schedule.timeout)}",
            )
        if schedule.warns(elapsed):
            self._warn(f"quorum: waiting for {named(self._attrs, missing)} since {fsd(elapsed)}")
