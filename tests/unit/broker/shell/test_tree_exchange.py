"""Exchanges of pairs from shell to shell, whatever is delivered first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from broker.shell.tree_exchange import TreeExchange

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random


class Wire:
    """Carries messages between the shells of a job; those from one shell to another keep their
    order.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.relays: list[dict[str, Callable[[Any], None]]] = [{} for _ in range(size)]
        self.queues: dict[tuple[int, int], list[tuple[str, Any]]] = {}
        self.lengths: list[int] = []

    def deliver_one(self, random: Random) -> bool:
        waiting = [pair for pair, queue in sorted(self.queues.items()) if queue]
        if not waiting:
            return False
        pair = random.choice(waiting)
        name, data = self.queues[pair].pop(0)
        self.relays[pair[1]][name](data)
        return True


class End:
    """One shell's side of the wire."""

    def __init__(self, wire: Wire, rank: int) -> None:
        self._wire, self._rank = wire, rank
        self.size = wire.size
        self.relays = wire.relays[rank]

    def relay(self, to: int, name: str, data: Any) -> None:
        assert to != self._rank
        self._wire.queues.setdefault((self._rank, to), []).append((name, data))


def trees(wire: Wire, fanout: int) -> list[TreeExchange]:
    ends: list[Any] = [End(wire, rank) for rank in range(wire.size)]
    return [TreeExchange(end, rank, fanout) for rank, end in enumerate(ends)]


@given(st.integers(1, 20), st.integers(1, 8), st.randoms(use_true_random=False))
def test_every_shell_gets_the_pairs_of_all(size: int, fanout: int, random: Random) -> None:
    wire = Wire(size)
    made = trees(wire, fanout)
    got: list[list[Any]] = [[] for _ in range(size)]
    rounds = 3

    def enter(rank: int) -> None:
        """Enter the next exchange, at once when one has ended."""
        number = len(got[rank])

        def done(data: Any) -> None:
            got[rank].append(data)
            if len(got[rank]) < rounds:
                enter(rank)

        made[rank].exchange({f"{number}-{rank}": "x"}, done)

    waiting = list(range(size))
    random.shuffle(waiting)
    while waiting:
        enter(waiting.pop())
        while random.random() < 0.5 and wire.deliver_one(random):
            pass
    while wire.deliver_one(random):
        pass
    for number in range(rounds):
        whole = {f"{number}-{rank}": "x" for rank in range(size)}
        assert [data[number] for data in got] == [whole] * size


@given(st.integers(1, 100), st.integers(1, 10))
def test_the_tree_has_every_shell_once(size: int, fanout: int) -> None:
    made = trees(Wire(size), fanout)
    children = [child for tree in made for child in tree.children]
    assert children == list(range(1, size))
    assert all(len(tree.children) <= fanout for tree in made)
    assert all(rank in made[made[rank].parent].children for rank in range(1, size))


def test_nobody_leaves_before_all_have_entered() -> None:
    wire = Wire(3)
    made = trees(wire, 2)
    got: list[Any] = []
    for rank in (0, 1):
        made[rank].exchange({str(rank): "x"}, got.append)
    for queue in wire.queues.values():
        for name, data in queue:
            wire.relays[0][name](data)
        queue.clear()
    assert got == []
