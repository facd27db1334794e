"""How a broker learns its rank, its size and where its peers are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass
class Bootstrap:
    """What wire-up told this broker of its neighbours.

    ``parent`` is the parent's endpoint and public key, None at the root; ``child_keys`` are the
    children's public keys by rank.
    """

    parent: tuple[str, str] | None = None
    child_keys: dict[int, str] = field(default_factory=dict)


class Pmi(Protocol):
    """PMI-1 as one process uses it, whatever carries it.

    Values are without blanks, which some process managers cut them at.
    """

    rank: int
    size: int

    def put(self, key: str, value: str) -> None:
        """Store a pair, visible to the others after a barrier; raises OSError."""

    def get(self, key: str) -> str:
        """Return a value; raises OSError(ENOENT) if there is none."""

    def barrier(self) -> None:
        """Wait until every process of the group is here."""

    def finalize(self) -> None:
        """End the use of PMI."""
