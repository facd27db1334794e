"""Resource sets independent of the version of R (flux.resource.ResourceSet in the manual)."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias, Union

from flux.hostlist import Hostlist, HostlistLike
from flux.idset import IDset, IDsetLike
from flux.resource.ResourceSetImplementation import ResourceSetImplementation
from flux.resource.Rlist import Rlist
from flux.wire import json

if TYPE_CHECKING:
    from flux.job.types import ResourceObject

ResourceSetLike: TypeAlias = Union[
    "ResourceSet", ResourceSetImplementation, str, bytes, Mapping[str, object], None
]
"""Whatever a resource set can be made of: R as text or object, another set, None for the empty one.
"""


class ResourceSet:
    """A set of nodes, cores and GPUs (RFC 20).

    It is made from R as JSON text or as the decoded object, from another ResourceSet, or from an
    implementation such as `Rlist`; None makes an empty set of the R version ``version``, of which
    there is only 1; further keywords are for other versions. Raises ValueError if R is malformed or
    of an unknown version, TypeError for an argument of another kind.
    """

    def __init__(
        self,
        arg: ResourceSetLike = None,
        version: int = 1,
        **kwargs: object,
    ) -> None:
        self._state: str | None = None
        self.impl: ResourceSetImplementation
        if version != 1:
            raise ValueError(f"R version {version} not supported")
        if arg is None or isinstance(arg, str | bytes | Mapping):
            self.impl = Rlist(arg)
        elif isinstance(arg, ResourceSet):
            self.impl = arg.impl.copy()
            self._state = arg._state
        elif isinstance(arg, ResourceSetImplementation):
            self.impl = arg
        else:
            raise TypeError(f"ResourceSet cannot be initialized with {type(arg).__name__}")
        self.version: int = self.impl.version

    def _other(self, arg: ResourceSetLike) -> ResourceSetImplementation:
        return (arg if isinstance(arg, ResourceSet) else ResourceSet(arg)).impl

    def dumps(self) -> str:
        """Return the short form, such as ``rank[0-1]/core[0-3]``."""
        return self.impl.dumps()

    def encode(self) -> str:
        """Return R as JSON text."""
        return self.impl.encode()

    def __str__(self) -> str:
        return self.dumps()

    def copy(self) -> ResourceSet:
        """Return an independent copy."""
        return ResourceSet(self)

    def count(self, name: str) -> int:
        """Return the number of resources of a type, e.g. ``core``."""
        return self.impl.count(name)

    def append(self, *args: ResourceSetLike) -> ResourceSet:
        """Add disjoint sets to this one; ValueError if they share resources; return self."""
        for arg in args:
            self.impl.append(self._other(arg))
        return self

    def add(self, *args: ResourceSetLike) -> ResourceSet:
        """Add those resources of other sets that are not in this one; return self."""
        for arg in args:
            self.impl.add(self._other(arg))
        return self

    def copy_ranks(self, ranks: IDsetLike) -> ResourceSet:
        """Return a copy with nothing but some ranks."""
        return ResourceSet(self.impl.copy_ranks(IDset(ranks)))

    def copy_constraint(self, constraint: str | bytes | Mapping[str, object]) -> ResourceSet:
        """Return a copy with those ranks that a constraint (RFC 31), an object or its JSON text,
        allows; raises ValueError for one that is malformed.
        """
        from flux.constraint.match import Place, compile_constraint

        if isinstance(constraint, str | bytes):
            constraint = json.loads(constraint)
        allows = compile_constraint(constraint)
        hosts = dict(zip(self.ranks, self.nodelist, strict=False))
        properties = self.properties_by_rank()
        ranks = self.ranks
        found = [
            rank for rank in ranks if allows(Place(rank, hosts.get(rank, ""), properties[rank]))
        ]
        return self.copy_ranks(found)

    def host_ranks(self, hosts: HostlistLike, ignore_nomatch: bool = False) -> list[int]:
        """Return the ranks of hosts, in their order.

        Raises FileNotFoundError for a host that is not in the set, unless ``ignore_nomatch`` is
        set.
        """
        known = dict(zip(self.nodelist, self.ranks, strict=False))
        wanted = list(Hostlist(hosts))
        for host in wanted:
            if host not in known and not ignore_nomatch:
                raise FileNotFoundError(errno.ENOENT, f"host '{host}' not found")
        return [known[host] for host in wanted if host in known]

    def to_dict(self) -> ResourceObject:
        """Return R as an object."""
        found: ResourceObject = json.loads(self.encode())
        return found

    def get_properties(self) -> str:
        """Return the properties as JSON text: an object of idsets of ranks by name (RFC 20)."""
        return self.impl.get_properties()

    def set_property(self, name: str, ranks: IDsetLike | None = None) -> ResourceSet:
        """Give ranks, None for all of them, a property; return self. Raises ValueError for a name
        that RFC 20 does not allow, or ranks that are not in the set.
        """
        if not isinstance(self.impl, Rlist):
            raise TypeError(f"{type(self.impl).__name__} has no properties")
        self.impl.set_property(name, None if ranks is None else IDset(ranks))
        return self

    @property
    def starttime(self) -> float:
        """When the set may be used from, seconds since the epoch, 0 for always."""
        return self.impl.get_starttime()

    @starttime.setter
    def starttime(self, starttime: float) -> None:
        self.impl.set_starttime(starttime)

    @property
    def expiration(self) -> float:
        """Until when the set may be used, seconds since the epoch, 0 for ever."""
        return self.impl.get_expiration()

    @expiration.setter
    def expiration(self, expiration: float) -> None:
        self.impl.set_expiration(expiration)

    def remove_ranks(self, ranks: IDsetLike) -> ResourceSet:
        """Remove ranks (an IDset, its string, a number or an iterable of numbers); return self."""
        self.impl.remove_ranks(IDset(ranks))
        return self

    def union(self, *args: ResourceSetLike) -> ResourceSet:
        """Return the resources of this set and all others."""
        impl = self.impl.copy()
        for arg in args:
            impl = impl.union(self._other(arg))
        return ResourceSet(impl)

    def diff(self, *args: ResourceSetLike) -> ResourceSet:
        """Return the resources of this set that are in none of the others."""
        impl = self.impl.copy()
        for arg in args:
            impl = impl.diff(self._other(arg))
        return ResourceSet(impl)

    def intersect(self, *args: ResourceSetLike) -> ResourceSet:
        """Return the resources that are in all sets."""
        impl = self.impl.copy()
        for arg in args:
            impl = impl.intersect(self._other(arg))
        return ResourceSet(impl)

    def __or__(self, other: ResourceSetLike) -> ResourceSet:
        return self.union(other)

    def __and__(self, other: ResourceSetLike) -> ResourceSet:
        return self.intersect(other)

    def __sub__(self, other: ResourceSetLike) -> ResourceSet:
        return self.diff(other)

    def __add__(self, other: ResourceSetLike) -> ResourceSet:
        return self.union(other)

    @property
    def nodelist(self) -> Hostlist:
        """The hosts, in rank order."""
        return self.impl.nodelist()

    @property
    def ranks(self) -> IDset:
        """The broker ranks."""
        return self.impl.ranks()

    @property
    def properties(self) -> str:
        """The names of the properties that any of the ranks has, joined by commas."""
        return ",".join(self.impl.properties())

    def properties_by_rank(self) -> dict[int, frozenset[str]]:
        """Return the properties of each rank."""
        found: dict[int, set[str]] = {rank: set() for rank in self.ranks}
        for name, ranks in self.impl.properties().items():
            for rank in ranks:
                found[rank].add(name)
        return {rank: frozenset(names) for rank, names in found.items()}

    @property
    def nnodes(self) -> int:
        """Number of nodes."""
        return self.impl.nnodes()

    @property
    def ncores(self) -> int:
        """Number of cores."""
        return self.count("core")

    @property
    def ngpus(self) -> int:
        """Number of GPUs."""
        return self.count("gpu")

    @property
    def rlist(self) -> ResourceSetImplementation:
        """The implementation."""
        return self.impl

    @property
    def state(self) -> str | None:
        """A state that goes with the set, such as ``up``."""
        return self._state

    @state.setter
    def state(self, state: str | None) -> None:
        self._state = state
