"""R objects (RFC 20) put together and taken apart by rank, as the parts of a broker do. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux.hostlist import Hostlist
from flux.idset import IDset
from flux.resource.configured import make_r

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flux.job.types import RankResources, ResourceObject


class _Rank:
    """What there is of one rank."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.children: dict[str, set[int]] = {}
        self.properties: set[str] = set()


def combined(parts: Iterable[ResourceObject], ranks: IDset | None = None) -> ResourceObject:
    """Return an R of all resources that are in one of ``parts``, of ``ranks`` only if given, that
    does not expire. Raises ValueError or KeyError for a malformed one.
    """
    found: dict[int, _Rank] = {}
    for part in parts:
        _add(found, part, ranks)
    groups: dict[tuple[tuple[str, str], ...], list[int]] = {}
    properties: dict[str, list[int]] = {}
    for rank in sorted(found):
        children = found[rank].children
        text = tuple((kind, IDset(children[kind]).encode()) for kind in sorted(children))
        groups.setdefault(text, []).append(rank)
        for name in found[rank].properties:
            properties.setdefault(name, []).append(rank)
    entries: list[RankResources] = [
        {"rank": IDset(members).encode(), "children": dict(text)}
        for text, members in groups.items()
    ]
    hosts = [found[rank].host for rank in sorted(found)]
    named = {name: IDset(properties[name]).encode() for name in sorted(properties)}
    return make_r(entries, hosts, properties=named)


def _add(found: dict[int, _Rank], part: ResourceObject, ranks: IDset | None) -> None:
    execution = part["execution"]
    all_ranks = IDset()
    for entry in execution["R_lite"]:
        all_ranks.add(str(entry["rank"]))
    hosts = dict(zip(all_ranks, Hostlist(list(execution.get("nodelist") or [])), strict=False))
    for entry in execution["R_lite"]:
        children = {kind: IDset(str(ids)).expand() for kind, ids in entry["children"].items()}
        for rank in IDset(str(entry["rank"])):
            if ranks is None or ranks.test(rank):
                there = found.setdefault(rank, _Rank(hosts.get(rank, "")))
                for kind, ids in children.items():
                    there.children.setdefault(kind, set()).update(ids)
    for name, members in (execution.get("properties") or {}).items():
        for rank in IDset(members):
            if rank in found:
                found[rank].properties.add(name)
