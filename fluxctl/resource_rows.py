"""The rows of ``flux resource list`` where queues or properties are shown: one for the ranks that
have the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flux.resource.ResourceSet import ResourceSet


class QueueRow:
    """Some ranks in one state, with their queues and properties; ``propertiesx`` are those that
    are not also names of queues.
    """

    def __init__(
        self, state: str | None, part: ResourceSet, queues: tuple[str, ...], properties: set[str]
    ) -> None:
        self.state = state
        self.queue = ",".join(queues)
        self.properties = ",".join(sorted(properties))
        self.propertiesx = ",".join(sorted(properties.difference(queues)))
        self.nnodes, self.ncores, self.ngpus = part.nnodes, part.ncores, part.ngpus
        self.ranks, self.nodelist, self.rlist = part.ranks, part.nodelist, part.rlist


def queue_rows(resources: ResourceSet, queues: Mapping[int, tuple[str, ...]]) -> list[QueueRow]:
    """Return the rows of one state; one without resources if there are none.

    ``queues`` are those of each rank; ranks without an entry are left out.
    """
    groups: dict[tuple[tuple[str, ...], frozenset[str]], list[int]] = {}
    for rank, properties in resources.properties_by_rank().items():
        if rank in queues:
            groups.setdefault((queues[rank], properties), []).append(rank)
    rows = []
    for (names, properties), ranks in (groups or {((), frozenset()): []}).items():
        part = resources.copy().remove_ranks(resources.ranks.difference(IDset(ranks)))
        rows.append(QueueRow(resources.state, part, names, set(properties)))
    return rows
