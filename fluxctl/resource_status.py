"""The rows of ``flux resource status`` and of the list of ``flux resource drain``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from flux.hostlist import Hostlist
    from flux.idset import IDset
    from flux.resource.list import ResourceStatus


@dataclass
class DrainRow:
    """Ranks that are drained for one reason, since ``timestamp``, in seconds since the epoch."""

    timestamp: float
    ranks: IDset
    reason: str
    nodelist: Hostlist

    @property
    def nnodes(self) -> int:
        """Number of ranks."""
        return len(self.ranks)


@dataclass
class StatusRow:
    """The ranks of a state, of those of one reason, in the same queues, or all ``online`` or not,
    if these are shown.
    """

    state: str
    ranks: IDset
    nodelist: Hostlist
    reason: str = ""
    queue: str = ""
    online: bool | None = None

    @property
    def up(self) -> str:
        """The sign whether the ranks are online; empty where they were not told apart."""
        if self.online is None:
            return ""
        from flux.output_values import mark_of

        return mark_of(self.online)

    @property
    def nnodes(self) -> int:
        """Number of ranks."""
        return len(self.ranks)


UP_FIELDS: Final = frozenset(("up", "up.ascii"))
"""Fields that say whether ranks are online."""


def split_by_up(row: StatusRow, answer: ResourceStatus, fields: Collection[str]) -> list[StatusRow]:
    """Return a row for those ranks that are online, and one for the others, if one of the
    ``fields`` tells; both may be without ranks if ``row`` is.
    """
    if UP_FIELDS.isdisjoint(fields):
        return [row]
    off = answer["offline"]
    parts = [(False, row.ranks.intersect(off)), (True, row.ranks.difference(off))]
    if not len(row.ranks):
        parts = [(row.state != "offline", row.ranks)]
    return [
        replace(row, ranks=ranks, nodelist=answer.hosts_of(ranks), online=online)
        for online, ranks in reversed(parts)
        if len(ranks) or not len(row.ranks)
    ]


def split_by_queue(
    row: StatusRow, answer: ResourceStatus, queues: dict[int, tuple[str, ...]] | None
) -> list[StatusRow]:
    """Return a row for the ranks of each set of queues, one without ranks if there are none."""
    if queues is None:
        return [row]
    from flux.idset import IDset

    groups: dict[tuple[str, ...], list[int]] = {}
    for rank in row.ranks:
        if rank in queues:
            groups.setdefault(queues[rank], []).append(rank)
    return [
        replace(
            row, ranks=IDset(ranks), nodelist=answer.hosts_of(IDset(ranks)), queue=",".join(names)
        )
        for names, ranks in (groups or {(): []}).items()
    ]


def row_facts(row: DrainRow | StatusRow) -> dict[str, object]:
    """Return the fields of a row as plain values."""
    ranks, nodes = str(row.ranks), str(row.nodelist)
    facts = {**vars(row), "ranks": ranks, "nodelist": nodes, "nnodes": row.nnodes}
    facts.pop("online", None)  # signs for a person, which other states tell
    return facts


def status_rows(
    answer: ResourceStatus, wanted: list[str] | None, empty: bool, reasons: bool
) -> Iterator[StatusRow]:
    """Yield the rows of the ``wanted`` states, by default of those that have ranks, all of them if
    ``empty``; with ``reasons`` one for each reason why ranks are drained.
    """
    for state in wanted or ("avail", "offline", "exclude", "drain"):
        ranks = answer[state]
        if wanted is None and state != "avail" and not len(ranks) and not empty:
            continue
        if state == "drain" and reasons and len(ranks):
            for group, _, why in answer.drain_info:
                yield StatusRow(state, group, answer.hosts_of(group), why)
        else:
            yield StatusRow(state, ranks, answer.hosts_of(ranks))


def drain_rows(status: ResourceStatus) -> list[DrainRow]:
    """Return a row for each reason why ranks are drained."""
    return [
        DrainRow(when, ranks, why, status.hosts_of(ranks)) for ranks, when, why in status.drain_info
    ]
