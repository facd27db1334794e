"""What the clients of a history saw, and whether it can be true: no brokers and no clocks here."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.faults.linearizable import INITIAL, Op
from tests.faults.linearizable import check as linearizable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True)
class Write:
    """A put of a unique value; ``rootseq`` is None and ``end`` infinite if it was not
    acknowledged.
    """

    key: str
    value: str
    sync: bool
    start: float
    end: float
    rootseq: int | None
    who: str

    @property
    def acknowledged(self) -> bool:
        return self.rootseq is not None


@dataclass(frozen=True)
class Read:
    """A read of a key through rank 0."""

    key: str
    value: str
    start: float
    end: float
    who: str


@dataclass(frozen=True)
class Fence:
    """One member's part in a fence: when it was acknowledged, with which root; None if it was
    not.
    """

    number: int
    member: int
    rootseq: int | None


@dataclass(frozen=True)
class Snapshot:
    """The text of the appended key as one client saw it."""

    text: str
    start: float
    end: float
    who: str
    leader: bool


@dataclass
class Life:
    """What happened between two starts of the leader.

    ``versions`` and ``watched`` hold one list for each client and watcher; ``counters`` has the
    values that each counter began with.
    """

    initial: dict[str, str] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    fences: list[Fence] = field(default_factory=list)
    appends: list[Write] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    versions: list[list[int]] = field(default_factory=list)
    counted: list[Write] = field(default_factory=list)
    watched: list[tuple[str, list[int]]] = field(default_factory=list)


def registers(life: Life) -> list[str]:
    """Check that the reads through rank 0 are linearizable, key by key."""
    found = []
    for key in sorted({write.key for write in life.writes} | {read.key for read in life.reads}):
        ops = [Op(True, w.value, w.start, w.end, w.who) for w in life.writes if w.key == key]
        ops += [Op(False, r.value, r.start, r.end, r.who) for r in life.reads if r.key == key]
        found += [f"{key}: {text}" for text in linearizable(ops, life.initial.get(key, INITIAL))]
    return found


def versions(life: Life) -> list[str]:
    """Check that no client saw the root's sequence number go back."""
    found = []
    for seen in life.versions:
        steps = pairwise(seen)
        found += [f"version {later} after version {one}" for one, later in steps if later < one]
    return found


def watchers(life: Life, complete: bool) -> list[str]:
    """Check that watchers saw every value of a counter, once and in order, and all if ``complete``.

    A counter is put by one client, each value after the acknowledgement of the one before, so each
    value was a root of its own.
    """
    found = []
    for key, seen in life.watched:
        steps = pairwise(seen)
        found += [f"{key}: {b} after {a} for a watcher" for a, b in steps if b != a + 1]
        last = max(
            (int(w.value) for w in life.counted if w.key == key and w.acknowledged), default=0
        )
        if seen and complete and seen[-1] < last:
            found.append(f"{key}: a watcher saw no more than {seen[-1]} of {last}")
    return found


def fences(life: Life, members: int) -> list[str]:
    """Check that the members of a fence were all given the same root."""
    roots: dict[int, set[int]] = {}
    for fence in life.fences:
        if fence.rootseq is not None:
            roots.setdefault(fence.number, set()).add(fence.rootseq)
    return [
        f"fence {number}: its {members} members were told roots {sorted(told)}"
        for number, told in roots.items()
        if len(told) > 1
    ]


def whole_fences(present: Mapping[int, int], members: int) -> list[str]:
    """Check that of each fence all members' keys are there or none; ``present`` counts them."""
    return [
        f"fence {number}: {count} of {members} keys are there"
        for number, count in present.items()
        if count not in (0, members)
    ]


def appended(life: Life, final: str) -> list[str]:
    """Check the appended key: every acknowledged token once, each client's in order, nothing else.

    ``final`` is the text after the last append; a restart may have taken unsynced tokens away.
    """
    known = {append.value for append in life.appends}
    found = list(_tokens(final, known))
    for one, later in _pairs(life.snapshots):
        if not later.text.startswith(one.text):
            found.append(f"{later.who}: the appended text changed otherwise than by growing")
    for shot in life.snapshots:
        found += _tokens(shot.text, known)
        if shot.leader:
            there = set(shot.text.split(";"))
            due = (w for w in life.appends if w.acknowledged and w.end < shot.start)
            found += [
                f"{w.value} was acknowledged and is not read" for w in due if w.value not in there
            ]
    return found


def _pairs(shots: Sequence[Snapshot]) -> Iterable[tuple[Snapshot, Snapshot]]:
    last: dict[str, Snapshot] = {}
    for shot in shots:
        if shot.who in last:
            yield last[shot.who], shot
        last[shot.who] = shot


def _tokens(text: str, known: set[str]) -> Iterable[str]:
    tokens = text.split(";")
    if tokens.pop():
        yield "the appended text ends within a token"
    counts = Counter(tokens)
    yield from (f"{token} was appended {n} times" for token, n in counts.items() if n > 1)
    yield from (f"{token} was appended by nobody" for token in counts if token not in known)
    numbers: dict[str, int] = {}
    for token in tokens:
        who, _, number = token.rpartition(":")
        if int(number or 0) < numbers.get(who, -1):
            yield f"{token} stands after {who}:{numbers[who]}"
        numbers[who] = int(number or 0)


def missing_tokens(life: Life, final: str, sync_only: bool) -> list[str]:
    """Return the acknowledged tokens that are not in ``final``; after a kill only synced ones
    count.
    """
    there = set(final.split(";"))
    due = (w for w in life.appends if w.acknowledged and (w.sync or not sync_only))
    return [f"{w.value} was acknowledged and is gone" for w in due if w.value not in there]


def restored(life: Life, found: Mapping[str, str], complete: bool) -> list[str]:
    """Check what is there after a restart: one root of the life, with all that was synced in it.

    ``found`` has the value of each register; ``complete`` asks for everything acknowledged.
    """
    by_value = {write.value: write for write in life.writes}
    acknowledged = [write for write in life.writes if write.rootseq is not None]
    floor = max((w.rootseq or 0 for w in acknowledged if w.sync or complete), default=-1)
    root_of: dict[str, int | None] = {}
    faults = []
    for key, value in found.items():
        write = by_value.get(value)
        if write is not None:
            root_of[key] = write.rootseq
        elif value == life.initial.get(key, INITIAL):
            root_of[key] = -1
        else:
            faults.append(f"{key} is {value}, which nobody wrote since the last start")
    floor = max([floor, *(root for root in root_of.values() if root is not None)])
    for write in acknowledged:
        root = root_of.get(write.key)
        if root is not None and root < (write.rootseq or 0) <= floor:
            faults.append(
                f"{write.key} is back at {found[write.key]} (root {root}) though {write.value} "
                f"of root {write.rootseq} was acknowledged and root {floor} is there"
            )
    return faults


def counters_restored(life: Life, found: Mapping[str, int], synced: str) -> list[str]:
    """Check the counters after a restart: the ``synced`` one is where anybody saw it or further."""
    faults = []
    for key, value in found.items():
        tried = max((int(w.value) for w in life.counted if w.key == key), default=0)
        if value > max(tried, life.counters.get(key, 0)):
            faults.append(f"{key} is {value}, nobody put more than {tried}")
        seen = [int(w.value) for w in life.counted if w.key == key and w.acknowledged]
        seen += [number for name, numbers in life.watched if name == key for number in numbers]
        if key == synced and seen and value < max(seen):
            faults.append(f"{key} is back at {value} though {max(seen)} was told to somebody")
    return faults


def unfinished() -> float:
    """Return the end of an operation whose outcome is not known."""
    return math.inf
