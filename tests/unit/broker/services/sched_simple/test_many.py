"""A hundred thousand requests of mixed sizes: a turn looks at few, however many wait.

Operations are counted, not timed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from broker.services.sched_simple import state
from broker.services.sched_simple.pool import ResourcePool
from broker.services.sched_simple.request import ResourceRequest
from broker.services.sched_simple.state import BACKFILL_DEPTH, EASY, FCFS, Scheduler, Shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broker.services.sched_simple.nodes import Allocation, Room
    from flux.job.types import ResourceObject

QUEUED = 100_000
NODES = 8
CORES = 16


R: ResourceObject = {
    "version": 1,
    "execution": {
        "R_lite": [{"rank": f"0-{NODES - 1}", "children": {"core": f"0-{CORES - 1}"}}],
        "nodelist": [f"n[0-{NODES - 1}]"],
    },
}


class CountingPool(ResourcePool):
    """Counts how often resources are looked for."""

    tries = 0

    def allocate(
        self,
        request: ResourceRequest,
        eligible: frozenset[int] | None = None,
        caps: Mapping[int, Room] | None = None,
    ) -> Allocation | None:
        self.tries += 1
        return super().allocate(request, eligible, caps)


def request(number: int) -> ResourceRequest:
    """Return one of many kinds: one to all nodes, one to all cores, any duration."""
    size = 1 + number * 7 % CORES
    nnodes = number * 5 % (NODES + 1)
    return ResourceRequest(nnodes, max(1, nnodes), size, duration=60.0 + number % 9973)


@pytest.mark.parametrize(("policy", "most"), [(FCFS, 1), (EASY, BACKFILL_DEPTH + 2)])
def test_a_turn_looks_at_few_of_many(
    policy: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Shape] = []

    def shape_of(request: ResourceRequest) -> Shape:
        looks.append(shape := known(request))
        return shape

    known = state.shape_of
    monkeypatch.setattr(state, "shape_of", shape_of)
    pool = CountingPool.from_resources(R)
    assert isinstance(pool, CountingPool)
    pool.set_up(range(NODES))
    sched = Scheduler(pool, policy)
    for number in range(QUEUED):
        assert sched.add(number, 16 + number % 3, request(number))
    running = [pending.jobid for pending, _ in sched.schedule(0.0)]
    for turn in range(1, 100):
        sched.free(running.pop(0))
        pool.tries = 0
        looks.clear()
        given = sched.schedule(float(turn))
        running += [pending.jobid for pending, _ in given]
        assert pool.tries <= len(given) + most
        assert len(looks) <= len(given) + 2 * most
    assert len(sched) > QUEUED - 1000
    waiting = sched.waiting()
    for jobid in (waiting[0], *waiting[500::1000], waiting[-1]):
        assert sched.cancel(jobid)
    assert len(sched) == len(sched.waiting()) < len(waiting)
    sched.prioritize(waiting[400], 31)
    assert sched.waiting()[0] == waiting[400]
