"""The lines of ``flux overlay status``."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flux.overlay import DEGRADED, FULL, LOST, OFFLINE, PARTIAL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flux.core.handle import Flux
    from flux.overlay import Health
    from fluxctl.color import Role

RANK_FORMAT = "{rank:>6} {host:<20} {status:<10} {duration!F:>10}"
RANK_HEADINGS = {
    "rank": "RANK",
    "host": "HOST",
    "status": "STATUS",
    "duration": "SINCE",
    "parent": "PARENT",
    "depth": "DEPTH",
    "ms": "ANSWER",
}
"""The columns of ``flux overlay status`` with a format: a line for each rank, ``duration`` in
seconds, ``ms`` how long the answer took.
"""
COLORS = {PARTIAL: "33", DEGRADED: "33", LOST: "31", OFFLINE: "90"}
GONE = (LOST, OFFLINE)


@dataclass(frozen=True, slots=True)
class Look:
    """What is shown of the tree, and how. It is drawn as `today` has it if that is True: with why
    ranks are lost, without ``pretty`` not indented, only what is not whole if ``down``, and with
    the ranks of ``marked`` made to stand out.
    """

    level: int = 0
    hostnames: bool = False
    times: bool = False
    pretty: bool = False
    ghost: bool = False
    color: bool = False
    today: bool = False
    since: bool = False
    down: bool = False
    marked: frozenset[int] = frozenset()


class OverlayTree:
    """The tree of brokers as they answer; each gets ``timeout`` seconds if that is positive.

    Its methods raise OSError: ETIMEDOUT, or EHOSTUNREACH for a rank that is not there.
    """

    def __init__(self, handle: Flux, timeout: float, look: Look, hosts: list[str]) -> None:
        self._handle = handle
        self._timeout = timeout
        self._look = look
        self._hosts = hosts

    def health(self, rank: int) -> Health:
        """Return what ``rank`` says of itself and its children."""
        future = self._handle.rpc("overlay.health", nodeid=rank).wait_for(self._timeout)
        answer: Health = future.get()
        return answer

    def _of_one_gone(self, rank: int) -> Health:
        future = self._handle.rpc("overlay.health", {"rank": rank}, nodeid=0)
        answer: Health = future.wait_for(self._timeout).get()
        return answer

    def lines(self, rank: int) -> Iterator[str]:
        """Yield the lines to print for the subtree of ``rank``."""
        began = time.monotonic()
        health = self.health(rank)
        taken = time.monotonic() - began
        named = self._look.level >= 2 or self._look.hostnames
        if not (self._look.down and health["status"] == FULL):
            yield self._line(health, taken, named)
        if self._look.level >= 2:
            yield from self._below(health, "")

    def rows(self, rank: int, *, below: bool = True) -> Iterator[dict[str, object]]:
        """Yield the facts about ``rank`` and, ``below`` it, about its subtree."""
        began = time.monotonic()
        health = self.health(rank)
        yield self._row(health, None, 0, time.monotonic() - began)
        if below:
            yield from self._rows_below(health, 1)

    def errors(self) -> dict[str, list[int]]:
        """Return the ranks that are lost, or do not say how they are, by what is wrong with them;
        those below them are not asked.
        """
        found: dict[str, list[int]] = {}
        waiting = [0]
        while waiting:
            rank = waiting.pop()
            try:
                children = self.health(rank)["children"]
            except OSError as exc:
                found.setdefault(exc.strerror or str(exc), []).append(rank)
                continue
            for child in children:
                if "error" in child:
                    found.setdefault(child["error"], []).append(child["rank"])
                elif child["status"] not in (FULL, *GONE):
                    waiting.append(child["rank"])
        return {error: sorted(ranks) for error, ranks in found.items()}

    def _rows_below(self, health: Health, depth: int) -> Iterator[dict[str, object]]:
        if health["status"] in GONE and not self._look.ghost:
            return
        for child in health["children"]:
            gone = child["status"] in GONE
            began = time.monotonic()
            found = self._of_one_gone(child["rank"]) if gone else self.health(child["rank"])
            taken = None if gone else time.monotonic() - began
            yield self._row(found, health["rank"], depth, taken)
            yield from self._rows_below(found, depth + 1)

    def _row(
        self, health: Health, parent: int | None, depth: int, taken: float | None
    ) -> dict[str, object]:
        rank = health["rank"]
        return {
            "rank": rank,
            "host": self._hosts[rank] if rank < len(self._hosts) else None,
            "status": health["status"],
            "duration": health["duration"],
            "parent": parent,
            "depth": depth,
            "ms": None if taken is None else round(taken * 1000, 3),
        }

    def _below(self, health: Health, indent: str) -> Iterator[str]:
        """Yield the lines of the children, those that are whole only if all are to be shown."""
        look, children = self._look, health["children"]
        whole = look.level >= 3 and not look.down
        shown = [child for child in children if whole or child["status"] != FULL]
        if health["status"] in GONE and not look.ghost:
            return
        # As there, a branch goes on to children that are not shown.
        end = (children if look.today else shown)[-1:]
        plain = "" if look.today else "  "
        for child in shown:
            last = child is end[0]
            branch = ("└─ " if last else "├─ ") if look.pretty else plain
            further = ("   " if last else "│  ") if look.pretty else plain
            gone = child["status"] in GONE
            began = time.monotonic()
            found = self._of_one_gone(child["rank"]) if gone else self.health(child["rank"])
            taken = None if gone else time.monotonic() - began
            # What is behind one that is lost is lost with it.
            behind = health["status"] in GONE
            why = child.get("error", "") if look.today and not behind else ""
            yield f"{indent}{branch}{self._line(found, taken, True)}{why and f' {why}'}"
            yield from self._below(found, indent + further)

    def _line(self, health: Health, taken: float | None, named: bool) -> str:
        status, rank = health["status"], health["rank"]
        words = status
        if self._look.color and status in COLORS:
            words = f"\033[{COLORS[status]}m{status}\033[0m"
        if self._look.times or self._look.since or self._look.level == 1:
            words += f" for {health['duration']:.6g}s"
        if self._look.times and taken is not None:
            words += f" ({taken * 1000:.3f} ms)"
        if not named:
            return words
        host = f" {self._hosts[rank]}" if rank < len(self._hosts) else ""
        name = f"{rank}{host}"
        if rank in self._look.marked:
            name = f"\033[01;34m{name}\033[0m" if self._look.color else f"<<{name}>>"
        return f"{name}: {words}"


def health_role(row: Mapping[str, object]) -> Role:
    """Return the color of a rank's row: what is not whole stands out."""
    roles: dict[object, Role] = {PARTIAL: "warn", DEGRADED: "warn", LOST: "bad", OFFLINE: "faint"}
    return roles.get(row["status"], "")
