"""Resource sets independent of the version of R (flux.resource.ResourceSet in the manual)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias, Union

from flux.idset import IDset, IDsetLike
from flux.resource.ResourceSetImplementation import ResourceSetImplementation
from flux.resource.Rlist import Rlist

if TYPE_CHECKING:
    from flux.hostlist import Hostlist

ResourceSetLike: TypeAlias = Union[
    "ResourceSet", ResourceSetImplementation, str, bytes, Mapping[str, object], None
]
"""Whatever a resource set can be made of: R as text or object, another set, None for the empty one.
"""


class ResourceSet:
    """A set of nodes, cores and GPUs (RFC 20).

    It is made from R as JSON text or as the decoded object, from another ResourceSet, or from an
    implementation such as `Rlist`; None makes an empty set of the R version ``version``, of which
    there is only 1. Raises ValueError if R is malformed or of an unknown version, TypeError for an
    argument of another kind.
    """

    def __init__(
        self,
        arg: ResourceSetLike = None,
        version: int = 1,
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
