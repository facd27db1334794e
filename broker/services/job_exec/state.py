"""What the execution service knows of a running job, without I/O: its shells, their barriers, its
end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from flux.idset import IDset

if TYPE_CHECKING:
    from flux.wire.json import JsonMapping, JsonObject

KILL_TIMEOUT = 5.0


def ranks_of(resources: JsonMapping) -> list[int]:
    """Return the broker ranks of an R version 1 object (RFC 20), sorted; raises ValueError if it is
    malformed.
    """
    ranks = IDset("")
    try:
        for item in resources["execution"]["R_lite"]:
            ranks = ranks | IDset(str(item["rank"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError("malformed R") from error
    return ranks.expand()


def time_limit(jobspec: JsonMapping, resources: JsonMapping, now: float) -> float | None:
    """Return the seconds a job may run from ``now``: until R's expiration, otherwise the jobspec's
    duration, None for no limit.
    """
    execution = resources.get("execution", {})
    expiration = float(execution.get("expiration") or 0)
    if expiration > 0:
        return max(expiration - now, 0.0)
    duration = float(jobspec.get("attributes", {}).get("system", {}).get("duration") or 0)
    return duration if duration > 0 else None


class ShellBarrier(Struct):
    """The shells that have entered a barrier and the data they brought."""

    entered: set[int] = field(default_factory=set)
    data: JsonObject = field(default_factory=dict)


class Shells:
    """The shells of one job, by their broker ranks in order of shell rank; the first is the leader.

    ``status`` is the largest wait status so far, ``killed`` the signal that the job is being ended
    with, 0 for none.
    """

    def __init__(self, ranks: list[int]) -> None:
        self.ranks = ranks
        self.running = set(ranks)
        self.status = 0
        self.killed = 0
        self.finished = False
        self._barriers: dict[str, ShellBarrier] = {}

    @property
    def leader(self) -> int:
        """Broker rank of the leader shell."""
        return self.ranks[0]

    def exited(self, rank: int, status: int) -> bool:
        """Take note of a shell's end with wait ``status``; returns whether it was the last."""
        if rank not in self.running:
            return False
        self.running.discard(rank)
        self.status = max(self.status, status)
        return not self.running

    def enter(self, rank: int, name: str, data: JsonMapping) -> JsonObject | None:
        """Let the shell on ``rank`` enter the barrier ``name``; returns the merged data once all
        are in.
        """
        barrier = self._barriers.setdefault(name, ShellBarrier())
        barrier.entered.add(rank)
        barrier.data.update(data)
        if len(barrier.entered) < len(self.ranks):
            return None
        del self._barriers[name]
        return barrier.data

    def targets(self, to: str | int) -> list[int]:
        """Return the broker ranks a relayed message is for: "leader", "all" or one shell rank."""
        if to == "leader":
            return [self.leader]
        if to == "all":
            return [rank for rank in self.ranks if rank in self.running]
        return [self.ranks[int(to)]] if 0 <= int(to) < len(self.ranks) else []
