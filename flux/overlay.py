"""The states of a subtree of the overlay network, as ``overlay.health`` names them."""

from __future__ import annotations

from typing import Final, NotRequired, TypedDict

FULL: Final = "full"
PARTIAL: Final = "partial"
DEGRADED: Final = "degraded"
LOST: Final = "lost"
OFFLINE: Final = "offline"

LOST_CONNECTION: Final = "lost connection"
"""The error of a broker that is lost."""

STATES: Final = (FULL, PARTIAL, DEGRADED, LOST, OFFLINE)
"""All of them, the best first."""


class SubtreeHealth(TypedDict):
    """A broker as its parent sees it; ``duration`` is in seconds, ``error`` why it is lost."""

    rank: int
    status: str
    duration: float
    error: NotRequired[str]


class Health(SubtreeHealth):
    """A broker and its children."""

    children: list[SubtreeHealth]
