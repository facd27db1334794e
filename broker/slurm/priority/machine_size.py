"""How much an instance has, and each of its queues, as the resource module tells it. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.slurm.priority.factors import MachineTotals
from flux.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flux.wire.json import JsonMapping


def totals_of(resources: JsonMapping, ranks: IDset | None = None) -> MachineTotals:
    """Return the totals of an R (RFC 20), or of some of its ranks; raises ValueError, KeyError,
    TypeError or AttributeError if it is malformed.
    """
    nodes = cores = gpus = 0
    for entry in resources["execution"]["R_lite"]:
        own = IDset(str(entry["rank"]))
        count = len(own if ranks is None else own.intersect(ranks))
        children = entry["children"]
        nodes += count
        cores += count * _count(children.get("core"))
        gpus += count * _count(children.get("gpu"))
    return MachineTotals(nodes, cores, gpus)


def _count(ids: object) -> int:
    return len(IDset(str(ids))) if ids not in (None, "") else 0


def queue_totals(
    resources: JsonMapping, requires: Mapping[str, Iterable[str]]
) -> dict[str, MachineTotals]:
    """Return the totals of each queue that requires properties of its nodes, by its name."""
    properties = resources["execution"].get("properties") or {}
    found = {}
    for name, required in requires.items():
        ranks: IDset | None = None
        for one in required:
            own = IDset(str(properties.get(one, "")))
            ranks = own if ranks is None else ranks.intersect(own)
        if ranks is not None:
            found[name] = totals_of(resources, ranks)
    return found
