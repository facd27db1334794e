"""The rows of ``flux resource status`` and of the list of ``flux resource drain`` in 0.29."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """The ranks of a state, of those of one reason or in the same queues, if these are shown."""

    state: str
    ranks: IDset
    nodelist: Hostlist
    reason: str = ""
    queue: str = ""

    @property
    def nnodes(self) -> int:
        """Number of ranks."""
        return len(self.ranks)


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
    return {**vars(row), "ranks": ranks, "nodelist": nodes, "nnodes": row.nnodes}


def status_rows(
    answer: ResourceStatus, wanted: list[str], empty: bool, reasons: bool
) -> Iterator[StatusRow]:
    """Yield the rows of the ``wanted`` states, by default of those that have ranks, all of them if
    ``empty``; with ``reasons`` one for each reason why ranks are drained.
    """
    for state in wanted or ("avail", "offline", "exclude", "drain"):
        ranks = answer[state]
        if not wanted and state != "avail" and not len(ranks) and not empty:
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
