"""Version 1 of R: cores and GPUs by broker rank (RFC 20; flux.resource.Rlist in the manual)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from flux.constants import IDSET_FLAG_BRACKETS, IDSET_FLAG_RANGE
from flux.constraint.match import check_property
from flux.hostlist import Hostlist, HostlistLike
from flux.idset import IDset, IDsetLike
from flux.resource.ResourceSetImplementation import ResourceSetImplementation
from flux.wire import json
from flux.wire.text import as_seconds

if TYPE_CHECKING:
    from flux.job.types import ExecutionProperties, RankResources, ResourceExtras, ResourceObject
    from flux.wire.json import JsonMapping

_SHORT = IDSET_FLAG_RANGE | IDSET_FLAG_BRACKETS


class _Node:
    """One rank: its host, the ids of its resources by type, and its properties."""

    __slots__ = ("children", "host", "properties")

    def __init__(
        self,
        host: str | None,
        children: Mapping[str, IDset],
        properties: frozenset[str] = frozenset(),
    ) -> None:
        self.host = host
        self.children = {name: ids.copy() for name, ids in children.items()}
        self.properties = properties

    def key(self) -> tuple[tuple[str, str], ...]:
        """Return what nodes of one R_lite entry have in common."""
        return tuple((name, ids.encode(IDSET_FLAG_RANGE)) for name, ids in self.children.items())

    def kept(self, children: Mapping[str, IDset]) -> _Node | None:
        """Return this node with other children, None if none is left."""
        left = {name: ids for name, ids in children.items() if len(ids)}
        return _Node(self.host, left, self.properties) if left else None


def _malformed(reason: str) -> ValueError:
    return ValueError(f"R: {reason}")


class Rlist(ResourceSetImplementation):
    """Resources by rank, made from R as JSON text or as the decoded object (RFC 20), None for an
    empty set. Raises ValueError if R is malformed or not of version 1.
    """

    version = 1

    def __init__(self, rstring: str | bytes | Mapping[str, object] | None = None) -> None:
        self._nodes: dict[int, _Node] = {}
        self.starttime = 0.0
        self.expiration = 0.0
        self._extra: ResourceExtras = {}
        if rstring is not None:
            self._load(json.loads(rstring) if isinstance(rstring, str | bytes) else rstring)

    def _load(self, r: object) -> None:
        if not isinstance(r, Mapping) or "version" not in r:
            raise _malformed("missing version key")
        if r["version"] != 1:
            raise _malformed(f"invalid version: {r['version']}")
        execution = r.get("execution")
        if not isinstance(execution, Mapping) or not isinstance(execution.get("R_lite"), list):
            raise _malformed("missing execution.R_lite")
        self.starttime = float(execution.get("starttime", 0.0))
        self.expiration = float(execution.get("expiration", 0.0))
        if "scheduling" in r:
            self._extra["scheduling"] = r["scheduling"]
        if "attributes" in r:
            self._extra["attributes"] = r["attributes"]
        for entry in execution["R_lite"]:
            self._load_entry(entry)
        self._load_properties(execution.get("properties") or {})
        hosts = Hostlist(execution.get("nodelist", []))
        if len(hosts):
            if len(hosts) != len(self._nodes):
                raise _malformed("nodelist does not match the number of ranks")
            for rank, host in zip(sorted(self._nodes), hosts, strict=True):
                self._nodes[rank].host = host

    def _load_properties(self, properties: object) -> None:
        if not isinstance(properties, Mapping):
            raise _malformed("properties must be an object")
        for name, ranks in properties.items():
            self.set_property(str(name), str(ranks))

    def _load_entry(self, entry: JsonMapping) -> None:
        try:
            ranks = IDset(str(entry["rank"]))
            children = {str(name): IDset(str(ids)) for name, ids in entry["children"].items()}
        except (KeyError, TypeError, AttributeError):
            raise _malformed("an entry of R_lite needs rank and children") from None
        for rank in ranks:
            if rank in self._nodes:
                raise _malformed(f"rank {rank} appears twice")
            self._nodes[rank] = _Node(entry.get("node"), children)

    # Times

    def get_starttime(self) -> float:
        """Return when the set may be used from, seconds since the epoch, 0 for always."""
        return self.starttime

    def get_expiration(self) -> float:
        """Return until when the set may be used, seconds since the epoch, 0 for ever."""
        return self.expiration

    def set_starttime(self, starttime: float) -> None:
        """Set when the set may be used from."""
        self.starttime = as_seconds(starttime, "starttime")

    def set_expiration(self, expiration: float) -> None:
        """Set until when the set may be used."""
        self.expiration = as_seconds(expiration, "expiration")

    # Output

    def _groups(self) -> list[tuple[IDset, _Node]]:
        """Return the ranks that have equal children, in order of their first rank."""
        groups: dict[tuple[tuple[str, str], ...], tuple[list[int], _Node]] = {}
        for rank in sorted(self._nodes):
            node = self._nodes[rank]
            groups.setdefault(node.key(), ([], node))[0].append(rank)
        return [(IDset(ranks), node) for ranks, node in groups.values()]

    def to_dict(self) -> ResourceObject:
        """Return R as an object for JSON."""
        entries: list[RankResources] = [
            {"rank": str(ranks), "children": dict(node.key())} for ranks, node in self._groups()
        ]
        return {
            "version": 1,
            "execution": {
                "R_lite": entries,
                "starttime": self.starttime,
                "expiration": self.expiration,
                "nodelist": [self.nodelist().encode()],
                **self._encoded_properties(),
            },
            **self._extra,
        }

    def _encoded_properties(self) -> ExecutionProperties:
        found = {name: ranks.encode() for name, ranks in self.properties().items()}
        return {"properties": found} if found else {}

    def encode(self) -> str:
        """Return R as JSON text."""
        return json.dumps(self.to_dict()).decode("utf-8")

    def dumps(self) -> str:
        """Return the short form, such as ``rank[0-1]/core[0-3],gpu0``."""
        parts = []
        for ranks, node in self._groups():
            children = ",".join(
                f"{name}{ids.encode(_SHORT)}" for name, ids in node.children.items()
            )
            parts.append(f"rank{ranks.encode(_SHORT)}/{children}")
        return " ".join(parts)

    def __str__(self) -> str:
        return self.dumps()

    # Queries

    def nnodes(self) -> int:
        """Return the number of ranks."""
        return len(self._nodes)

    def nodelist(self) -> Hostlist:
        """Return the hosts in rank order; ranks without a host are left out."""
        hosts = (self._nodes[rank].host for rank in sorted(self._nodes))
        return Hostlist([host for host in hosts if host])

    def ranks(self, hosts: HostlistLike | None = None) -> IDset:
        """Return the ranks, of `hosts` only if given; ValueError if a host is not in the set."""
        if hosts is None:
            return IDset(self._nodes)
        by_host: dict[str, list[int]] = {}
        for rank, node in self._nodes.items():
            by_host.setdefault(node.host or "", []).append(rank)
        result = IDset()
        for host in Hostlist(hosts):
            if host not in by_host:
                raise ValueError(f"{host}: Invalid hostname")
            result.add(by_host[host])
        return result

    def properties(self) -> dict[str, IDset]:
        """Return the ranks that have each property, by name."""
        found: dict[str, IDset] = {}
        for rank in sorted(self._nodes):
            for name in sorted(self._nodes[rank].properties):
                found.setdefault(name, IDset()).add(rank)
        return dict(sorted(found.items()))

    def count(self, name: str) -> int:
        """Return the number of resources of a type: ``core``, ``gpu``, or ``node`` for the
        ranks.
        """
        if name == "node":
            return self.nnodes()
        return sum(
            len(node.children[name]) for node in self._nodes.values() if name in node.children
        )

    # Changes

    def add_rank(self, rank: int, hostname: str | None = None, cores: IDsetLike = "0") -> Rlist:
        """Add a rank with cores; None names it after this host. ValueError if the rank exists."""
        if rank in self._nodes:
            raise ValueError(f"rank {rank} exists already")
        if hostname is None:
            from socket import gethostname

            hostname = gethostname()
        self._nodes[rank] = _Node(hostname, {"core": IDset(cores)})
        return self

    def set_property(self, name: str, ranks: IDsetLike | None = None) -> Rlist:
        """Give some ranks a property, None for all; ValueError if it may not be called so, or there
        is no such rank.
        """
        check_property(name)
        for rank in self._nodes if ranks is None else IDset(ranks):
            if rank not in self._nodes:
                raise ValueError(f"property {name}: rank {rank} does not exist")
            node = self._nodes[rank]
            node.properties |= {name}
        return self

    def add_child(self, rank: int, name: str, ids: IDsetLike) -> Rlist:
        """Add resources of a type to a rank; ValueError if there is no such rank."""
        if rank not in self._nodes:
            raise ValueError(f"rank {rank} does not exist")
        self._nodes[rank].children.setdefault(name, IDset()).add(ids)
        return self

    def remove_ranks(self, ranks: IDsetLike) -> Rlist:
        """Remove ranks with all their resources."""
        doomed = IDset(ranks)
        self._nodes = {rank: node for rank, node in self._nodes.items() if rank not in doomed}
        return self

    def remap(self) -> Rlist:
        """Number the ranks from 0 and the ids of each resource type of a rank from 0."""
        nodes = [self._nodes[rank] for rank in sorted(self._nodes)]
        for node in nodes:
            node.children = {name: IDset(range(len(ids))) for name, ids in node.children.items()}
        self._nodes = dict(enumerate(nodes))
        return self

    def rerank(self, hosts: HostlistLike) -> Rlist:
        """Number the ranks by the places of their hosts in ``hosts``; ValueError unless these are
        the hosts of this set, each once.
        """
        order = {host: place for place, host in enumerate(Hostlist(hosts))}
        here = [node.host for node in self._nodes.values()]
        if len(order) != len(here):
            word = "many" if len(order) > len(here) else "few"
            raise ValueError(f"Too {word} hosts specified (expected {len(here)})")
        if set(here) != set(order):
            raise ValueError("failed to find one or more provided hosts in R")
        self._nodes = {order[node.host or ""]: node for node in self._nodes.values()}
        return self

    # Set operations

    def copy(self) -> Rlist:
        """Return an independent copy, with times and scheduling data."""
        made = self._like(
            {
                rank: _Node(node.host, node.children, node.properties)
                for rank, node in self._nodes.items()
            }
        )
        made._extra = self._extra.copy()
        return made

    def _like(self, nodes: dict[int, _Node]) -> Rlist:
        made = Rlist()
        made._nodes = nodes
        made.starttime, made.expiration = self.starttime, self.expiration
        return made

    def append(self, other: Rlist) -> Rlist:
        """Add a set that shares no resource with this one; ValueError if it does."""
        shared = other.intersect(self)
        if shared.nnodes():
            raise ValueError(f"append: {shared.dumps()} exists already")
        return self._merge(other)

    def add(self, other: Rlist) -> Rlist:
        """Add those resources of another set that are not in this one."""
        return self._merge(other)

    def _merge(self, other: Rlist) -> Rlist:
        # What there is already is not looked at: many small sets are added to a large one.
        for rank, node in other._nodes.items():
            mine = self._nodes.get(rank)
            if mine is None:
                self._nodes[rank] = _Node(node.host, node.children, node.properties)
                continue
            mine.properties |= node.properties
            for name, ids in node.children.items():
                mine.children.setdefault(name, IDset()).add(ids)
        return self

    def union(self, other: Rlist) -> Rlist:
        """Return the resources of either set."""
        made = self.copy()
        made._extra = {}
        return made._merge(other)

    def diff(self, other: Rlist) -> Rlist:
        """Return the resources of this set that are not in `other`."""
        nodes = {}
        for rank, node in self._nodes.items():
            there = other._nodes.get(rank)
            taken = there.children if there else {}
            left = node.kept(
                {name: ids.difference(taken.get(name, ())) for name, ids in node.children.items()}
            )
            if left is not None:
                nodes[rank] = left
        return self._like(nodes)

    def intersect(self, other: Rlist) -> Rlist:
        """Return the resources of both sets."""
        nodes = {}
        for rank, node in self._nodes.items():
            there = other._nodes.get(rank)
            taken = there.children if there else {}
            left = node.kept(
                {name: ids.intersect(taken.get(name, ())) for name, ids in node.children.items()}
            )
            if left is not None:
                nodes[rank] = left
        return self._like(nodes)
