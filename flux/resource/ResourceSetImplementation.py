"""The interface that a version of R implements (flux.resource.ResourceSetImplementation in the
manual).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

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
