"""A barrier at which the shells of a job exchange pairs, from shell to shell in a tree.

Shell 0 is the root; shell r has the children k*r+1 to k*r+k, as far as there are so many. Each
shell sends its parent what it and all below it brought, once they have; the root then sends the
whole back down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.shell.peers import Peers
    from flux.wire.json import JsonObject

    OnData = Callable[[JsonObject], None]

UP: Final = "pmi-up"
DOWN: Final = "pmi-down"


class TreeExchange:
    """The shell ``rank``'s part in exchanges, one after the other, in a tree of ``fanout``.

    Messages of the next exchange may come before this one has ended here: a child that is faster.
    """

    def __init__(self, peers: Peers, rank: int, fanout: int) -> None:
        self._peers = peers
        self._rank = rank
        first = fanout * rank + 1
        self.children = range(min(first, peers.size), min(first + fanout, peers.size))
        self.parent = (rank - 1) // fanout
        self._entered = 0
        self._gathered: dict[int, JsonObject] = {}
        self._missing: dict[int, int] = {}
        self._callback: OnData | None = None
        peers.relays[UP] = self._came_up
        peers.relays[DOWN] = self._came_down

    def exchange(self, data: JsonObject, callback: OnData) -> None:
        """Enter the next exchange with some pairs; ``callback`` gets those of all shells."""
        self._entered += 1
        self._callback = callback
        self._add(self._entered, data)

    def _came_up(self, message: JsonObject) -> None:
        self._add(int(message["number"]), message["data"])

    def _add(self, number: int, data: JsonObject) -> None:
        """Take what this shell or a child brings to an exchange."""
        self._gathered.setdefault(number, {}).update(data)
        missing = self._missing[number] = self._missing.get(number, len(self.children) + 1) - 1
        if missing:
            return
        del self._missing[number]
        whole: JsonObject = {"number": number, "data": self._gathered.pop(number)}
        if self._rank == 0:
            self._came_down(whole)
        else:
            self._peers.relay(self.parent, UP, whole)

    def _came_down(self, message: JsonObject) -> None:
        for child in self.children:
            self._peers.relay(child, DOWN, message)
        callback, self._callback = self._callback, None
        if callback is not None:
            callback(message["data"])
