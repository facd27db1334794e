"""The nodes of an instance: their state, their cores and who is on them.

Cores of a node are a mask, bit N for core N: sets of 10,000 nodes cost little so, and most nodes
share theirs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from flux.hostlist import Hostlist
from flux.idset import IDset
from tui.model import format as fmt
from tui.model.listing import ListColumn, Listing
from tui.model.states import RUNNING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from flux.wire.json import JsonMapping
    from tui.model.table import JobTable

UP: Final = "up"
DRAINED: Final = "drained"
DRAINING: Final = "draining"
EXCLUDED: Final = "excluded"
DOWN: Final = "down"
STATES: Final = (DOWN, DRAINING, DRAINED, EXCLUDED, UP)
"""All states, those to look at first first."""

_PLACE: Final = re.compile(r"rank(\[[\d,-]+\]|\d+)/((?:(?:core|gpu)(?:\[[\d,-]+\]|\d+),?)+)")
_CHILD: Final = re.compile(r"(core|gpu)(\[[\d,-]+\]|\d+)")


class Children(NamedTuple):
    """Cores and GPUs of one rank, as masks."""

    cores: int = 0
    gpus: int = 0

    def __or__(self, other: Children) -> Children:
        return Children(self.cores | other.cores, self.gpus | other.gpus)


NONE: Final = Children()
MOST_RANKS: Final = 1 << 20
MOST_CORES: Final = 1 << 14
"""Ranks, and cores or GPUs of a node, above which nothing is believed."""
AT_ONCE: Final = 500
"""Jobs that are taken in without a pause."""


@dataclass(frozen=True, slots=True)
class NodeRow:
    """One node; ``since`` is when it was drained, 0 if it is not."""

    rank: int
    host: str
    state: str
    reason: str
    since: float
    there: Children
    used: Children
    jobs: int = 0
    drained: bool = False
    lost: str = ""
    """That the tree network has lost it."""

    @property
    def ncores(self) -> int:
        """How many cores it has."""
        return self.there.cores.bit_count()

    @property
    def nused(self) -> int:
        """How many of them jobs have."""
        return self.used.cores.bit_count()

    @property
    def ngpus(self) -> int:
        """How many GPUs it has."""
        return self.there.gpus.bit_count()

    @property
    def state_text(self) -> str:
        """The state in words."""
        return f"{self.state}, drained" if self.drained and self.state == DOWN else self.state

    @property
    def why(self) -> str:
        """Why it is not in use."""
        parts = [self.lost, self.reason]
        return "; ".join(part for part in parts if part)


def _within(ids: str, most: int) -> IDset:
    """Return an idset; raises ValueError for what is none, or has ids of ``most`` and above: short
    as it is written, it may stand for more than there is memory for.
    """
    found = IDset(ids)
    if found and found.last() >= most:
        raise ValueError(f"{ids}: there are less than {most}")
    return found


@lru_cache(maxsize=65536)
def mask(ids: str) -> int:
    """Return an idset, or one id, as a mask; raises ValueError for what is none or beyond what a
    node can have.
    """
    found = 0
    for first, last in _within(ids, MOST_CORES).ranges():
        found |= (1 << (last + 1)) - (1 << first)
    return found


def by_rank(resources: object) -> dict[int, Children]:
    """Return what an R object (RFC 20) has on each rank; nothing for anything else."""
    found: dict[int, Children] = {}
    execution = resources.get("execution") if isinstance(resources, dict) else None
    entries = execution.get("R_lite") if isinstance(execution, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        inside = entry.get("children") or {}
        children = Children(mask(str(inside.get("core", ""))), mask(str(inside.get("gpu", ""))))
        for rank in _within(str(entry["rank"]), MOST_RANKS):
            found[rank] = found[rank] | children if rank in found else children
    return found


def host_names(resources: object, ranks: Iterable[int]) -> dict[int, str]:
    """Return the hosts that an R object names, by rank."""
    execution = resources.get("execution") if isinstance(resources, dict) else None
    names = execution.get("nodelist") if isinstance(execution, dict) else None
    if not isinstance(names, list):
        return {}
    hosts = Hostlist(",".join(map(str, names)))
    return dict(zip(sorted(ranks), map(fmt.printable, hosts), strict=False))


class DrainNote(NamedTuple):
    """When a node was drained, and why."""

    since: float
    reason: str


def drains(status: JsonMapping) -> dict[int, DrainNote]:
    """Return who is drained, of an answer of ``resource.status``."""
    found: dict[int, DrainNote] = {}
    for ranks, told in (status.get("drain") or {}).items():
        note = DrainNote(
            float(told.get("timestamp") or 0), fmt.printable(str(told.get("reason") or ""))
        )
        found.update(dict.fromkeys(IDset(ranks), note))
    return found


def nodes(
    status: JsonMapping,
    scheduler: JsonMapping,
    jobs: Mapping[int, int],
    lost: Mapping[int, str],
) -> list[NodeRow]:
    """Return the nodes of the answers of ``resource.status`` and ``sched.resource-status``;
    ``jobs`` has how many jobs there are on which rank, ``lost`` what is to
    be said of ranks that the tree has lost.
    """
    there = by_rank(status.get("R"))
    used = by_rank(scheduler.get("allocated"))
    hosts = host_names(status.get("R"), there)
    drained, offline = drains(status), IDset(str(status.get("offline") or ""))
    excluded = IDset(str(status.get("exclude") or ""))
    away, out = set(offline), set(excluded)
    found = []
    for rank in sorted(there):
        busy = used.get(rank, NONE)
        note = drained.get(rank, DrainNote(0.0, ""))
        if rank in away:
            state = DOWN
        elif rank in drained:
            state = DRAINING if busy.cores else DRAINED
        else:
            state = EXCLUDED if rank in out else UP
        found.append(
            NodeRow(
                rank,
                hosts.get(rank, ""),
                state,
                note.reason,
                note.since,
                there[rank],
                busy,
                jobs.get(rank, 0),
                rank in drained,
                lost.get(rank, ""),
            )
        )
    return found


# Who is on them


@lru_cache(maxsize=16384)
def summary(text: str) -> tuple[tuple[str, Children], ...]:
    """Return what a scheduler's resource summary says, ``rank[0-1]/core[0-3],gpu0``: pairs of ranks
    and what is used on each of them; empty if it is not written so, or cannot be true: users may
    have written it.
    """
    found = []
    try:
        for ranks, inside in _PLACE.findall(text):
            children = NONE
            for kind, ids in _CHILD.findall(inside):
                here = mask(ids)
                children |= Children(here, 0) if kind == "core" else Children(0, here)
            _within(ranks, MOST_RANKS)
            found.append((ranks, children))
    except ValueError:
        return ()
    return tuple(found)


@dataclass(slots=True)
class Occupants:
    """Which running job has which cores: as the scheduler's annotation says, or as ``resources``,
    by job, have it, which are asked for where there is no such annotation.
    """

    on: dict[int, dict[int, Children]] = field(default_factory=dict)
    """By rank and job."""
    unknown: list[int] = field(default_factory=list)
    """Jobs that nothing is known of yet."""
    resources: dict[int, dict[int, Children]] = field(default_factory=dict)
    _placed: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """The ranks of each job that was taken in."""

    def read(self, table: JobTable) -> None:
        """Take them from the jobs that run."""
        for _ in self.update(table):
            pass

    def update(self, table: JobTable) -> Iterator[None]:
        """Take in which jobs run now and did not before, and the other way round; yields now and
        then, so that 100,000 of them can be taken in without stopping everything else.
        """
        ids, status = table.ids, table.status
        running = {ids[row] for row in table.active if status[row] in RUNNING}
        for jobid in self._placed.keys() - running:
            for rank in self._placed.pop(jobid):
                here = self.on[rank]
                del here[jobid]
                if not here:
                    del self.on[rank]
            self.resources.pop(jobid, None)
        self.unknown = []
        for number, jobid in enumerate(sorted(running - self._placed.keys()), 1):
            self._place(table, jobid)
            if number % AT_ONCE == 0:
                yield

    def _place(self, table: JobTable, jobid: int) -> None:
        parts = summary(table.where[table.row_of[jobid]])
        if parts:
            places = [(rank, children) for ranks, children in parts for rank in IDset(ranks)]
        elif jobid in self.resources:
            places = list(self.resources[jobid].items())
        else:
            self.unknown.append(jobid)
            return
        for rank, children in places:
            here = self.on.setdefault(rank, {})
            here[jobid] = here[jobid] | children if jobid in here else children
        self._placed[jobid] = tuple({rank for rank, _ in places})

    def counts(self) -> dict[int, int]:
        """Return how many jobs are on each rank."""
        return {rank: len(jobs) for rank, jobs in self.on.items()}

    def cells(self, node: NodeRow) -> list[int]:
        """Return, for each core of a node in order, the job that has it: 0 for none, -1 for one
        that is not known.
        """
        here = self.on.get(node.rank, {})
        found = []
        left = node.there.cores
        while left:
            bit = left & -left
            left ^= bit
            job = next((job for job, has in here.items() if has.cores & bit), 0)
            found.append(job or (-1 if node.used.cores & bit else 0))
        return found


def totals(found: Iterable[NodeRow]) -> dict[str, int]:
    """Return how many nodes are in which state; states that no node is in are left out."""
    counts = dict.fromkeys(STATES, 0)
    for node in found:
        counts[node.state] += 1
    return {state: number for state, number in counts.items() if number}


def node_listing() -> Listing[NodeRow]:
    """Return the list of nodes, without any."""
    state_order = {state: place for place, state in enumerate(STATES)}
    columns = (
        ListColumn[NodeRow]("rank", "RANK", 6, lambda n: str(n.rank), lambda n: n.rank, right=True),
        ListColumn[NodeRow]("host", "HOST", 10, lambda n: n.host, grow=1),
        ListColumn[NodeRow](
            "state", "STATE", 13, lambda n: n.state_text, lambda n: state_order[n.state]
        ),
        ListColumn[NodeRow](
            "cores",
            "CORES",
            18,
            lambda n: f"{n.nused}/{n.ncores}",
            lambda n: -n.nused / max(1, n.ncores),
            grow=1,
        ),
        ListColumn[NodeRow](
            "gpus",
            "GPUS",
            5,
            lambda n: f"{n.used.gpus.bit_count()}/{n.ngpus}" if n.ngpus else "-",
            lambda n: n.used.gpus.bit_count(),
            right=True,
            rank=2,
        ),
        ListColumn[NodeRow](
            "jobs", "JOBS", 5, lambda n: str(n.jobs), lambda n: -n.jobs, right=True
        ),
        ListColumn[NodeRow]("since", "SINCE", 12, lambda n: "", lambda n: -n.since, rank=1),
        ListColumn[NodeRow]("why", "REASON", 14, lambda n: n.why, grow=3),
    )
    return Listing(columns, lambda node: node.rank, sort="rank")
