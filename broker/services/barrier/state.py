"""Barriers as data: who is inside, how many are known, what has to travel towards rank 0.

Each rank counts the clients that entered there and the counts its children reported; what is not
yet reported goes upstream in one message per barrier. Rank 0 alone sees the total and ends the
barrier for everybody by an event.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterable


class Barrier(Struct):
    """One barrier on one rank."""

    name: str
    nprocs: int
    userid: int
    count: int = 0
    unreported: int = 0
    is_complete: bool = False
    members: set[str] = field(default_factory=set)


class Report(Struct, frozen=True):
    """How many processes entered below a rank since its last report."""

    name: str
    count: int
    nprocs: int
    userid: int


class BarrierTable:
    """The barriers one rank knows of."""

    def __init__(self) -> None:
        self._barriers: dict[str, Barrier] = {}

    def __len__(self) -> int:
        return len(self._barriers)

    def __contains__(self, name: str) -> bool:
        return name in self._barriers

    def enter(self, name: str, nprocs: int, userid: int, member: str) -> bool:
        """Let client ``member`` enter; returns whether the barrier is new here.

        Raises OSError: EINVAL for a process count that is not positive or differs from the others',
        EPERM for another user's barrier, EEXIST for a client already inside.
        """
        created = name not in self._barriers
        barrier = self._admit(name, nprocs, userid)
        if member in barrier.members:
            raise OSError(errno.EEXIST, f"barrier {name}: already entered by this client")
        barrier.members.add(member)
        self._add(barrier, 1)
        return created

    def add(self, report: Report) -> bool:
        """Add a child's report; returns whether the barrier is new here. Raises as `enter` does."""
        created = report.name not in self._barriers
        self._add(self._admit(report.name, report.nprocs, report.userid), report.count)
        return created

    def _admit(self, name: str, nprocs: int, userid: int) -> Barrier:
        if nprocs < 1:
            raise OSError(errno.EINVAL, f"barrier {name}: the number of processes must be positive")
        barrier = self._barriers.get(name)
        if barrier is None:
            barrier = self._barriers[name] = Barrier(name, nprocs, userid)
        elif barrier.userid != userid:
            raise OSError(errno.EPERM, f"barrier {name}: belongs to another user")
        elif barrier.nprocs != nprocs:
            raise OSError(
                errno.EINVAL,
                f"barrier {name}: {nprocs} processes, but others expect {barrier.nprocs}",
            )
        return barrier

    @staticmethod
    def _add(barrier: Barrier, count: int) -> None:
        barrier.count += count
        barrier.unreported += count

    def take_reports(self) -> list[Report]:
        """Return what has to go upstream and count it as reported."""
        reports = []
        for barrier in self._barriers.values():
            if barrier.unreported:
                reports.append(
                    Report(barrier.name, barrier.unreported, barrier.nprocs, barrier.userid)
                )
                barrier.unreported = 0
        return reports

    def complete(self, names: Iterable[str]) -> list[str]:
        """Return which of ``names`` have all their processes now, each barrier once (meaningful on
        rank 0).
        """
        full = [
            barrier
            for barrier in filter(None, map(self._barriers.get, names))
            if barrier.count >= barrier.nprocs and not barrier.is_complete
        ]
        for barrier in full:
            barrier.is_complete = True
        return [barrier.name for barrier in full]

    def entered_by(self, member: str) -> list[str]:
        """Return the barriers client ``member`` is inside of."""
        return [barrier.name for barrier in self._barriers.values() if member in barrier.members]

    def end(self, name: str) -> int | None:
        """Forget a barrier; returns the number of processes it was for, None if it is not known
        here.
        """
        barrier = self._barriers.pop(name, None)
        return None if barrier is None else barrier.nprocs
