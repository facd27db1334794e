"""The interface that a version of R implements (flux.resource.ResourceSetImplementation in the
manual).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from flux.wire import json

if TYPE_CHECKING:
    from flux.hostlist import Hostlist, HostlistLike
    from flux.idset import IDset, IDsetLike


class ResourceSetImplementation(ABC):
    """What ResourceSet needs from the class that stores resources."""

    version: int

    @abstractmethod
    def dumps(self) -> str:
        """Return the short, human-readable form."""

    @abstractmethod
    def encode(self) -> str:
        """Return the JSON text of R."""

    @abstractmethod
    def nnodes(self) -> int:
        """Return the number of nodes."""

    @abstractmethod
    def ranks(self, hosts: HostlistLike | None = None) -> IDset:
        """Return the broker ranks, of the given hosts only if any are given."""

    @abstractmethod
    def nodelist(self) -> Hostlist:
        """Return the hosts in rank order."""

    @abstractmethod
    def count(self, name: str) -> int:
        """Return how many resources of a type there are."""

    def properties(self) -> dict[str, IDset]:
        """Return the ranks that have each property, by name; none unless the class has them."""
        return {}

    def get_properties(self) -> str:
        """Return the properties as JSON text: an object of idsets of ranks by name (RFC 20)."""
        found = {name: ranks.encode() for name, ranks in self.properties().items()}
        return json.dumps_str(found)

    def get_starttime(self) -> float:
        """Return when the set may be used from, seconds since the epoch, 0 for always."""
        return 0.0

    def get_expiration(self) -> float:
        """Return until when the set may be used, seconds since the epoch, 0 for ever."""
        return 0.0

    def set_starttime(self, starttime: float) -> None:
        """Set when the set may be used from; raises TypeError where it has no time."""
        raise TypeError(f"{type(self).__name__} has no times")

    def set_expiration(self, expiration: float) -> None:
        """Set until when the set may be used; raises TypeError where it has no time."""
        raise TypeError(f"{type(self).__name__} has no times")

    def copy_ranks(self, ranks: IDsetLike) -> Self:
        """Return a copy with nothing but some ranks."""
        made = self.copy()
        made.remove_ranks(made.ranks().difference(ranks))
        return made

    def add(self, rset: Self) -> Self:
        """Add the resources of another set that are not in this one; return self."""
        return self.append(rset.diff(self))

    @abstractmethod
    def copy(self) -> Self:
        """Return an independent copy."""

    @abstractmethod
    def union(self, rset: Self) -> Self:
        """Return the resources of either set."""

    @abstractmethod
    def diff(self, rset: Self) -> Self:
        """Return the resources of this set that are not in the other."""

    @abstractmethod
    def intersect(self, rset: Self) -> Self:
        """Return the resources of both sets."""

    @abstractmethod
    def append(self, rset: Self) -> Self:
        """Add the resources of a disjoint set."""

    @abstractmethod
    def remove_ranks(self, ranks: IDsetLike) -> Self:
        """Remove whole ranks."""
