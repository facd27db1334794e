"""What the execution service knows of a running job, without I/O: its shells, their barriers, its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flux.idset import IDset

KILL_TIMEOUT = 5.0


def ranks_of(resources: dict[str, Any]) -> list[int]:
    """Return the broker ranks of an R version 1 object (RFC 20), sorted; raise ValueError when it is malformed."""
    ranks = IDset("")
    try:
        for item in resources["execution"]["R_lite"]:
            ranks = ranks | IDset(str(item["rank"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError("malformed R") from error
    return ranks.expand()


def time_limit(jobspec: dict[str, Any], resources: dict[str, Any], now: float) -> float | None:
    """Return the seconds a job may run from `now`: until R's expiration, else the jobspec's duration, None for no limit."""
    execution = resources.get("execution", {})
    expiration = float(execution.get("expiration") or 0)
    if expiration > 0:
        return max(expiration - now, 0.0)
    duration = float(jobspec.get("attributes", {}).get("system", {}).get("duration") or 0)
    return duration if duration > 0 else None


@dataclass
class Barrier:
    """A barrier of a job's shells and the data they brought."""

    entered: set[int] = field(default_factory=set)
    data: dict[str, Any] = field(default_factory=dict)


class JobState:
    """The shells of one job.

    Args:
        ranks: broker ranks, in order of shell rank; the first is the leader.
    """

    def __init__(self, ranks: list[int]) -> None:
        self.ranks = ranks
        self.running = set(ranks)
        self.status = 0
        self.killed = 0
        self.finished = False
        self._barriers: dict[str, Barrier] = {}

    @property
    def leader(self) -> int:
        """Broker rank of the leader shell."""
        return self.ranks[0]

    def exited(self, rank: int, status: int) -> bool:
        """Take note of a shell's end with wait `status`; True when it was the last."""
        if rank not in self.running:
            return False
        self.running.discard(rank)
        self.status = max(self.status, status)
        return not self.running

    def enter(self, rank: int, name: str, data: dict[str, Any]) -> dict[str, Any] | None:
        """Let the shell on `rank` enter the barrier `name`; return the merged data once all are in."""
        barrier = self._barriers.setdefault(name, Barrier())
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
