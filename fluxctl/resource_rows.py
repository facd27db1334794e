"""The rows of today's ``flux resource list``: one for the resources that look the same in the
fields that are shown, such as their queues and properties.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final

from flux.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from flux.resource.list import SchedResourceList
    from flux.resource.ResourceSet import ResourceSet

QUEUE_FIELDS: Final = frozenset(("queue", "properties", "propertiesx"))
"""Fields for which the queues have to be asked for."""


class ResourceRow:
    """Some resources in one state, with their queues and properties; ``propertiesx`` are those that
    are not also names of queues.
    """

    def __init__(
        self,
        state: str,
        part: ResourceSet,
        queue: str = "",
        properties: Collection[str] = (),
        known: Collection[str] = (),
    ) -> None:
        self.state = state
        self.queue = queue
        self.properties = ",".join(sorted(properties))
        self.propertiesx = ",".join(sorted(set(properties).difference(known)))
        self._part = part

    def add(self, other: ResourceRow) -> None:
        """Show the resources of another row, too."""
        self._part = self._part.union(other._part)

    def __getattr__(self, name: str) -> object:
        return getattr(self._part, name)


def resource_rows(
    resources: SchedResourceList,
    states: Iterable[str],
    fields: Collection[str],
    queues: Mapping[int, tuple[str, ...]],
    known: Collection[str],
    wanted: Collection[str],
) -> list[ResourceRow]:
    """Return the rows of some states for a format with these ``fields``.

    ``queues`` are those of each rank, ``known`` the names of all, and ``wanted`` those that have a
    row each in a state without resources.
    """
    queues_shown = "queue" in fields
    split = not QUEUE_FIELDS.isdisjoint(fields)
    rows: list[ResourceRow] = []
    for state in dict.fromkeys(states):
        whole = resources[state]
        groups: dict[tuple[str, frozenset[str]], list[int]] = {}
        for rank, properties in whole.properties_by_rank().items() if split else ():
            groups.setdefault((",".join(queues.get(rank, ())), properties), []).append(rank)
        for (names, properties), ranks in groups.items():
            part = whole.copy_ranks(IDset(ranks))
            rows.append(ResourceRow(state, part, names, properties, known))
        if not groups:
            names_shown = list(wanted) if queues_shown and not whole.nnodes else []
            rows += [ResourceRow(state, whole, name) for name in names_shown or [""]]
    return _merged(rows, fields)


_SUMS: Final = frozenset(("nnodes", "ncores", "ngpus", "ranks", "nodelist", "rlist"))


def _merged(rows: Iterable[ResourceRow], fields: Collection[str]) -> list[ResourceRow]:
    """Return one row for those that look the same in the fields that are no sums."""
    shown = [attrgetter(name) for name in fields if name not in _SUMS]
    found: dict[tuple[str, ...], ResourceRow] = {}
    for row in rows:
        first = found.setdefault(tuple(value(row) for value in shown), row)
        if first is not row:
            first.add(row)
    return list(found.values())
