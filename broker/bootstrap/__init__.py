"""How a broker learns its rank, its size and where its peers are."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Bootstrap:
    """What wire-up told this broker of its neighbours.

    ``parent`` is the parent's endpoint and public key, None at the root; ``child_keys`` are the
    children's public keys by rank.
    """

    parent: tuple[str, str] | None = None
    child_keys: dict[int, str] = field(default_factory=dict)
