"""The lines of today's ``flux resource status`` and ``drain``: what is drained, draining or idle,
with ``*`` behind the states of ranks that are offline. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from flux.idset import IDset
from flux.output_values import UNCOLORED, mark_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from flux.hostlist import Hostlist
    from flux.output_values import Mark, SignCodes, TerminalCode
    from flux.resource.list import ResourceStatus

DRAINS: Final = ("draining", "drained")
"""The states that ``drain`` means: with and without a job that goes on."""
_ORDER: Final = ("avail", "exclude", "allocated", "torpid", "housekeeping", *DRAINS)


@dataclass(frozen=True, slots=True)
class RankLine:
    """Ranks in one state that are all ``online`` or not, and drained, if they are, for one
    ``reason`` since ``timestamp``, in whole seconds since the epoch.
    """

    name: str
    online: bool
    ranks: IDset
    nodelist: Hostlist
    reason: str = ""
    timestamp: float | str = ""
    queue: str = ""
    codes: SignCodes = UNCOLORED

    @property
    def state(self) -> str:
        """The state, marked if the ranks are offline."""
        return self.name if self.online else f"{self.name}*"

    @property
    def status(self) -> str:
        """Whether the ranks are online, in a word."""
        return "online" if self.online else "offline"

    @property
    def up(self) -> Mark:
        """Whether the ranks are online, as a sign."""
        return mark_of(self.online)

    @property
    def nnodes(self) -> int:
        """Number of ranks."""
        return len(self.ranks)

    @property
    def color_up(self) -> TerminalCode:
        """What begins the color of `up`."""
        return self.codes.good if self.online else self.codes.bad

    @property
    def color_off(self) -> TerminalCode:
        """What ends a color."""
        return self.codes.off

    def facts(self) -> dict[str, object]:
        """Return the fields as plain values."""
        return {
            "state": self.name,
            "status": self.status,
            "nnodes": self.nnodes,
            "ranks": str(self.ranks),
            "nodelist": str(self.nodelist),
            "reason": self.reason,
            "timestamp": self.timestamp or None,
        }


def rank_lines(
    answer: ResourceStatus, wanted: Collection[str] = (), codes: SignCodes = UNCOLORED
) -> Iterator[RankLine]:
    """Yield the lines of the ``wanted`` states, by default of all but allocated ranks.

    ``online`` and ``offline`` choose ranks of the others. There is a line without ranks for a state
    that has none: of ranks that are online unless ``offline`` alone is wanted.
    """
    sides = [True] * ("online" in wanted) + [False] * ("offline" in wanted) or [True, False]
    for name in _states(wanted):
        drains = name in DRAINS
        lines = []
        for ranks, reason, when in _parts(answer, name):
            for online in sides:
                known = answer.online if online else answer.offline
                here = ranks.intersect(known)
                if len(here) or not (drains or (not online and "offline" not in wanted)):
                    nodes = answer.hosts_of(here)
                    lines.append(RankLine(name, online, here, nodes, reason, when, codes=codes))
        if not lines and True in sides:
            lines = [RankLine(name, True, IDset(), answer.hosts_of(IDset()), codes=codes)]
        yield from lines


def _states(wanted: Collection[str]) -> list[str]:
    named = set(wanted) - {"online", "offline"}
    if "all" in named:
        return list(_ORDER)
    if not named:
        return [name for name in _ORDER if name != "allocated"]
    if "drain" in named:
        named.update(DRAINS)
    return [name for name in _ORDER if name in named]


def _parts(answer: ResourceStatus, name: str) -> list[tuple[IDset, str, float | str]]:
    """Return the ranks of a state, those that are drained by reason and time."""
    if name == "avail":  # offline ones, too: those get a star
        return [(answer.all.difference(answer.exclude, answer.drain), "", "")]
    if name not in DRAINS:
        return [(answer[name], "", "")]
    return [
        (ranks.intersect(answer[name]), reason, float(round(when)))
        for ranks, when, reason in answer.drain_info
    ]


def by_queue(
    line: RankLine, answer: ResourceStatus, queues: Mapping[int, tuple[str, ...]]
) -> list[RankLine]:
    """Return a line for the ranks of each set of queues, or the line itself without ranks."""
    groups: dict[str, IDset] = {}
    for rank in line.ranks:
        groups.setdefault(",".join(queues.get(rank, ())), IDset()).add(rank)
    return [
        replace(line, queue=names, ranks=ranks, nodelist=answer.hosts_of(ranks))
        for names, ranks in groups.items()
    ] or [line]


_SETS: Final = frozenset(("ranks", "nodelist", "nnodes"))


def merged(
    lines: Collection[RankLine], fields: Collection[str], answer: ResourceStatus
) -> list[RankLine]:
    """Return one line for those that look the same in the ``fields`` that a format shows."""
    shown = [attrgetter(name) for name in fields if name not in _SETS]
    groups: dict[tuple[str, ...], list[RankLine]] = {}
    for line in lines:
        groups.setdefault(tuple(str(value(line)) for value in shown), []).append(line)
    found = []
    for first, *others in groups.values():
        ranks = first.ranks.union(*(line.ranks for line in others))
        found.append(replace(first, ranks=ranks, nodelist=answer.hosts_of(ranks)))
    return found
