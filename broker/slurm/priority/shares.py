"""What users have used and what they are promised, together: the fair-share factor of each, and
what of it is kept beyond a restart. No I/O, but that the names of users are looked up.
"""

from __future__ import annotations

import math
import pwd
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from broker.configuration.priority import half_life_rate
from broker.slurm.priority.fair_share import ShareHolder, fair_share
from broker.slurm.priority.usage import Association, UsageTable, decayed, reset_after

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broker.configuration.priority import PriorityConfig
    from flux.wire.json import JsonMapping, JsonObject


@lru_cache(maxsize=1 << 16)
def user_name(userid: int) -> str:
    """Return the name of a user, the number of one without a name."""
    try:
        return pwd.getpwuid(userid).pw_name
    except (KeyError, OverflowError):
        return str(userid)


class Shares:
    """The usage of all users and the factors computed of it.

    ``now`` stands for the time of day, ``clock`` for the loop's time, which never goes back: both
    in seconds.
    """

    def __init__(self, config: PriorityConfig, now: float) -> None:
        self._config = config
        self.usage = UsageTable(half_life_rate(config))
        self.factors: dict[ShareHolder, float] = {}
        self._next_reset = reset_after(config.usage_reset_period, now)

    def configure(self, config: PriorityConfig, now: float, clock: float) -> None:
        """Go by another configuration; a reset period ``now`` has all usage forgotten."""
        self._config = config
        self.usage.set_rate(half_life_rate(config), clock)
        self._next_reset = reset_after(config.usage_reset_period, now)
        if config.usage_reset_period == "now":
            self.usage.reset(clock)

    def refresh(self, members: Iterable[ShareHolder], now: float, clock: float) -> None:
        """Compute the factors of everybody with usage and of ``members``; usage is forgotten first
        if it is time.
        """
        if now >= self._next_reset:
            self.usage.reset(clock)
            self._next_reset = reset_after(self._config.usage_reset_period, now)
        used = self.usage.read(clock)
        self.factors.clear()
        if self._config.weight.fairshare:
            named: dict[ShareHolder, float] = {}
            for association, amount in used.items():
                member = ShareHolder(association.account, user_name(association.userid))
                named[member] = named.get(member, 0.0) + amount
            self.factors.update(fair_share(self._config, named, members))

    def kept(self, now: float, clock: float) -> JsonObject:
        """Return what a restarted instance is to know."""
        used = self.usage.read(clock).items()
        rows = [[account, userid, amount] for (account, userid), amount in used if amount]
        return {"time": now, "usage": rows}

    def take(self, kept: JsonMapping, now: float, clock: float) -> None:
        """Take what an earlier instance has kept, less what has decayed since; raises ValueError,
        TypeError, KeyError or AttributeError if it makes no sense.
        """
        then = float(kept["time"])
        period = self._config.usage_reset_period
        if period == "now" or reset_after(period, then) <= now:
            return
        rate = half_life_rate(self._config)
        found: dict[Association, float] = {}
        for account, userid, used in kept["usage"]:
            amount = float(used)
            if not 0 <= amount < math.inf:
                raise ValueError(f"usage of {amount}")
            found[Association(str(account), int(userid))] = decayed(amount, now - then, rate)
        self.usage.load(found, clock)


KEY: Final = "job-manager.priority-multifactor"
"""Where usage is kept in the KVS."""
