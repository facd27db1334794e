"""Is a history of writes and reads of one register linearizable?

Every value is written once, so a history says of each read which write it saw, and the question
has an exact answer in n log n (Gibbons and Korach, "Testing shared memories", 1997). The operations
on one value are its cluster: its write and the reads of it. With f the earliest response and s the
latest invocation in a cluster, its zone is the time between the two. If f < s the zone is
*forward*: the value was the register's for all of that time. Else it is *backward*: there is an
instant between s and f at which all of the cluster can have happened. A history is linearizable if
no read ends before its write begins, no two forward zones overlap, and no backward zone lies
inside a forward one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

INITIAL = "the initial value"


@dataclass(frozen=True)
class Op:
    """A write or read of ``value``, from its invocation to its response on one monotonic clock.

    ``end`` is infinite for a write whose outcome is not known: it may have happened at any time
    since, or never.
    """

    write: bool
    value: str
    start: float
    end: float
    who: str = ""

    def __str__(self) -> str:
        kind = "write" if self.write else "read"
        return f"{kind} of {self.value} by {self.who} [{self.start:.6f}, {self.end:.6f}]"


@dataclass(frozen=True)
class _Zone:
    low: float
    high: float
    forward: bool
    value: str


def check(ops: Sequence[Op], initial: str = INITIAL) -> list[str]:
    """Return what makes a history not linearizable, nothing if it is.

    ``initial`` is the value before all writes. Raises ValueError if a value is written twice.
    """
    writes: dict[str, Op] = {initial: Op(True, initial, -math.inf, -math.inf, "nobody")}
    for op in ops:
        if op.write:
            if op.value in writes:
                raise ValueError(f"{op.value} is written twice: the checker needs unique values")
            writes[op.value] = op
    reads: dict[str, list[Op]] = {}
    for op in ops:
        if not op.write:
            reads.setdefault(op.value, []).append(op)
    found = list(_strange_reads(writes, reads))
    if found:
        return found
    return list(_conflicts(_zones(writes, reads)))


def _strange_reads(writes: dict[str, Op], reads: dict[str, list[Op]]) -> Iterable[str]:
    for value, readers in reads.items():
        write = writes.get(value)
        for read in readers:
            if write is None:
                yield f"{read}: nobody wrote that"
            elif read.end < write.start:
                yield f"{read}: before the {write}"


def _zones(writes: dict[str, Op], reads: dict[str, list[Op]]) -> list[_Zone]:
    zones = []
    for value, write in writes.items():
        readers = reads.get(value, [])
        if math.isinf(write.end) and write.end > 0 and not readers:
            continue  # unknown outcome and never seen: it need not have happened
        first_end = min(op.end for op in (write, *readers))
        last_start = max(op.start for op in (write, *readers))
        forward = first_end < last_start
        low, high = sorted((first_end, last_start))
        zones.append(_Zone(low, high, forward, value))
    return zones


def _conflicts(zones: list[_Zone]) -> Iterable[str]:
    forward = sorted((zone for zone in zones if zone.forward), key=lambda zone: zone.low)
    last: _Zone | None = None
    for zone in forward:
        if last is not None and zone.low < last.high:
            yield (
                f"{last.value} was the value from {last.low:.6f} to {last.high:.6f}, "
                f"but {zone.value} was it from {zone.low:.6f} to {zone.high:.6f}"
            )
        if last is None or zone.high > last.high:
            last = zone
    yield from _enclosed(forward, [zone for zone in zones if not zone.forward])


def _enclosed(forward: list[_Zone], backward: list[_Zone]) -> Iterable[str]:
    """Yield the backward zones inside forward ones, which do not overlap or have been told of."""
    place = 0
    for zone in sorted(backward, key=lambda zone: zone.low):
        while place < len(forward) and forward[place].high <= zone.low:
            place += 1
        if place < len(forward):
            around = forward[place]
            if around.low < zone.low and zone.high < around.high:
                yield (
                    f"{zone.value} must have been the value between {zone.low:.6f} and "
                    f"{zone.high:.6f}, but {around.value} was it all the time from "
                    f"{around.low:.6f} to {around.high:.6f}"
                )
