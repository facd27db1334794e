"""The tree of brokers, with what each is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flux.overlay import STATES
from tui.model import format as fmt
from tui.model.listing import ListColumn, Listing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flux.wire.json import JsonMapping

DEEPEST: Final = 64
"""Levels that are drawn."""


@dataclass(frozen=True, slots=True)
class TreeBroker:
    """One broker: ``size`` are the brokers of its subtree, itself among them; ``seconds`` is for
    how long its ``status`` has been so, -1 if that is not told; ``lines`` tells for each level
    above whether it goes on below, the last one being its own.
    """

    rank: int
    size: int
    status: str
    seconds: float
    lines: tuple[bool, ...] = ()


def broker_tree(shape: JsonMapping, health: Mapping[int, JsonMapping]) -> list[TreeBroker]:
    """Return the brokers of the answers of ``overlay.topology`` and, by rank, ``overlay.health``,
    each after its parent. A broker below one that is whole is whole.
    """
    top = health.get(int(shape["rank"]), {})
    status, seconds = str(top.get("status") or ""), float(top.get("duration", -1))
    found: list[TreeBroker] = []
    waiting: list[tuple[JsonMapping, str, float, tuple[bool, ...]]] = [(shape, status, seconds, ())]
    while waiting:
        place, status, seconds, lines = waiting.pop()
        rank = int(place["rank"])
        found.append(TreeBroker(rank, int(place["size"]), status, seconds, lines))
        told = {
            int(child["rank"]): (str(child["status"]), float(child.get("duration", -1)))
            for child in health.get(rank, {}).get("children") or ()
        }
        below = list(place.get("children") or ()) if len(lines) < DEEPEST else []
        last = len(below) - 1
        inherited = (status, -1.0) if status in ("full", "lost", "offline") else ("", -1.0)
        for number, child in reversed(list(enumerate(below))):
            state, since = told.get(int(child["rank"]), inherited)
            waiting.append((child, state, since, (*lines, number < last)))
    return found


def branch(broker: TreeBroker, plain: bool) -> str:
    """Return the lines of the tree that lead to a broker; ``plain`` is ASCII."""
    if not broker.lines:
        return ""
    through, corner, tee = ("|  ", "`- ", "|- ") if plain else ("│  ", "└─ ", "├─ ")
    above = "".join(through if goes_on else "   " for goes_on in broker.lines[:-1])
    return above + (tee if broker.lines[-1] else corner)


def broker_listing(plain: bool, host: Callable[[int], str]) -> Listing[TreeBroker]:
    """Return the list of brokers, without any; ``host`` tells on which host a rank is."""
    order = {state: place for place, state in enumerate(STATES)}
    columns = (
        ListColumn[TreeBroker](
            "broker", "BROKER", 26, lambda b: f"{branch(b, plain)}rank {b.rank}"
        ),
        ListColumn[TreeBroker]("host", "HOST", 12, lambda b: host(b.rank)),
        ListColumn[TreeBroker](
            "status", "STATUS", 10, lambda b: b.status or "-", lambda b: order.get(b.status, -1)
        ),
        ListColumn[TreeBroker]("since", "FOR", 8, lambda b: fmt.duration(b.seconds), right=True),
        ListColumn[TreeBroker]("size", "BELOW", 7, lambda b: fmt.count(b.size - 1), right=True),
    )
    return Listing(columns, lambda broker: broker.rank)
