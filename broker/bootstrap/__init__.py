"""How a broker learns its rank, its size and where its peers are."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Bootstrap:
    """What wire-up gave this broker.

    ``parent`` is the parent's endpoint and public key; ``child_keys`` the children's public keys by rank; ``mapping`` the process
    mapping of RFC 13, empty if unknown.
    """

    rank: int = 0
    size: int = 1
    mapping: str = ""
    parent: tuple[str, str] | None = None
    child_keys: dict[int, str] = field(default_factory=dict)
