"""The scheduler against a simple model: any sequence of requests, ends, drains and clock ticks.

No core is ever given twice, nothing is given to a job that may not have it, a job that waits starts
in the end, and backfill never makes the first waiting job later than it was told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.services.sched_simple.pool import ResourcePool
from broker.services.sched_simple.request import ResourceRequest
from broker.services.sched_simple.state import EASY, FCFS, Scheduler

if TYPE_CHECKING:
    from broker.services.sched_simple.nodes import Allocation
    from flux.job.types import ResourceObject

NODES, CORES, GPUS = 5, 4, 1
LEFT, RIGHT = frozenset((0, 1)), frozenset((2, 3, 4))
CONSTRAINTS = {
    "": frozenset(range(NODES)),
    '{"properties":["left"]}': LEFT,
    '{"properties":["^left"]}': RIGHT,
    '{"ranks":["1-2"]}': frozenset((1, 2)),
}
HIGHEST = 31


def resources() -> ResourceObject:
    return {
        "version": 1,
        "execution": {
            "R_lite": [{"rank": f"0-{NODES - 1}", "children": {"core": "0-3", "gpu": "0"}}],
            "nodelist": [f"n[0-{NODES - 1}]"],
            "properties": {"left": "0-1"},
        },
    }


@st.composite
def requests(draw: st.DrawFn, *, limited: bool = False) -> ResourceRequest:
    nnodes = draw(st.integers(0, 3))
    per_node = draw(st.integers(1, 3))
    durations = st.integers(1, 40).map(float)
    return ResourceRequest(
        nnodes,
        per_node * (nnodes or 1),
        draw(st.integers(1, 3)),
        draw(st.integers(0, 1)),
        draw(durations if limited else st.one_of(st.just(0.0), durations)),
        draw(st.booleans()) if nnodes else False,
        draw(st.sampled_from(sorted(CONSTRAINTS))),
    )


STEPS = st.one_of(
    st.tuples(st.just("submit"), requests(), st.integers(1, HIGHEST)),
    st.tuples(st.just("end"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("tick"), st.integers(1, 20), st.just(0)),
    st.tuples(st.just("down"), st.integers(0, NODES - 1), st.just(0)),
    st.tuples(st.just("up"), st.integers(0, NODES - 1), st.just(0)),
    st.tuples(st.just("cancel"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("prioritize"), st.integers(0, 9), st.integers(1, HIGHEST)),
)


@dataclass
class Model:
    """The scheduler, what a plain account of cores says about it, and a clock."""

    policy: str
    now: float = 1000.0
    wanted: dict[int, ResourceRequest] = field(default_factory=dict)
    running: dict[int, Allocation] = field(default_factory=dict)
    started: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.sched = Scheduler(policy=self.policy)
        self.sched.replace_pool(ResourcePool.from_resources(resources()))
        self.sched.set_up(range(NODES), True)

    def turn(self) -> None:
        for pending, allocation in self.sched.schedule(self.now):
            jobid = pending.jobid
            assert jobid not in self.started, "started twice"
            self.started.add(jobid)
            self._check(self.wanted[jobid], allocation)
            self.running[jobid] = allocation

    def _check(self, request: ResourceRequest, allocation: Allocation) -> None:
        """The allocation is what was asked for, of what nobody has."""
        taken = {
            (rank, kind, number)
            for other in self.running.values()
            for rank, pair in other.nodes.items()
            for kind, ids in enumerate(pair)
            for number in ids
        }
        slots = 0
        for rank, (cores, gpus) in allocation.nodes.items():
            assert rank in CONSTRAINTS[request.constraint]
            assert self.sched.pool.nodes[rank].up
            assert len(set(cores)) == len(cores) <= CORES
            for kind, ids in enumerate((cores, gpus)):
                assert taken.isdisjoint((rank, kind, number) for number in ids)
            if request.exclusive:
                assert (len(cores), len(gpus)) == (CORES, GPUS)
            else:
                slots += len(cores) // request.slot_size
                assert len(gpus) >= len(cores) // request.slot_size * request.slot_gpus
        if request.nnodes:
            assert len(allocation.nodes) == request.nnodes
        if not request.exclusive:
            assert slots == request.nslots

    def end(self, jobid: int) -> None:
        del self.running[jobid]
        self.sched.free(jobid)

    def tick(self, seconds: float) -> None:
        """Let time pass; jobs end at their limits, and each end is a turn."""
        until = self.now + seconds
        while True:
            ends = sorted(
                (allocation.expiration, jobid)
                for jobid, allocation in self.running.items()
                if 0 < allocation.expiration <= until
            )
            if not ends:
                break
            self.now, jobid = max(ends[0][0], self.now), ends[0][1]
            self.end(jobid)
            self.turn()
        self.now = until

    def apply(self, step: tuple[str, object, int]) -> None:
        name, what, value = step
        if name == "submit":
            assert isinstance(what, ResourceRequest)
            jobid = len(self.wanted) + 1
            self.wanted[jobid] = what
            if not self.sched.add(jobid, value, what):
                self.started.add(jobid)  # it never will be, and may not be
            return
        assert isinstance(what, int)
        running = sorted(self.running)
        if name == "end" and running:
            self.end(running[what % len(running)])
        elif name == "tick":
            self.tick(what)
        elif name in ("up", "down"):
            self.sched.set_up([what], name == "up")
        elif name == "cancel":
            if self.sched.cancel(what):
                self.started.add(what)
        elif name == "prioritize":
            self.sched.prioritize(what, value)


@pytest.mark.parametrize("policy", [FCFS, EASY])
@settings(deadline=None, max_examples=150)
@given(steps=st.lists(STEPS, max_size=60))
def test_nothing_is_given_twice_and_nobody_is_forgotten(
    policy: str, steps: list[tuple[str, object, int]]
) -> None:
    model = Model(policy)
    for step in steps:
        model.apply(step)
        model.turn()
        for jobid in set(model.wanted) - model.started:
            assert model.sched.reason(jobid) is not None
    # Everything that runs ends sooner or later, and the nodes come back: then all have their turn.
    model.sched.set_up(range(NODES), True)
    for _ in range(2 * len(model.wanted) + 1):
        model.turn()
        for jobid in list(model.running):
            model.end(jobid)
    assert model.started == set(model.wanted)
    assert len(model.sched) == 0
    pool = model.sched.pool
    assert pool.free_up_cores == pool.total_cores


@settings(deadline=None, max_examples=200)
@given(
    jobs=st.lists(requests(limited=True), min_size=3, max_size=40),
    gaps=st.lists(st.integers(0, 6), min_size=40, max_size=40),
)
def test_the_first_that_waits_is_never_delayed(
    jobs: list[ResourceRequest], gaps: list[int]
) -> None:
    """Jobs of equal priority come one after the other; each estimate that was given holds."""
    model = Model(EASY)
    promised: dict[int, float] = {}

    def look() -> None:
        for jobid, time in model.sched.estimates.items():
            assert time <= promised.get(jobid, math.inf), "later than promised"
            promised[jobid] = time
        for jobid, time in promised.items():
            assert jobid in model.started or time >= model.now, "not started in time"

    for request, gap in zip(jobs, gaps, strict=False):
        model.apply(("submit", request, 16))
        model.turn()
        look()
        model.tick(gap)
        model.turn()
        look()
    for _ in range(len(jobs) + 1):
        model.tick(41.0)
        model.turn()
        look()
    assert model.started == set(model.wanted)


@settings(deadline=None, max_examples=100)
@given(jobs=st.lists(requests(limited=True), min_size=2, max_size=30))
def test_backfill_starts_the_first_that_waits_no_later_than_without(
    jobs: list[ResourceRequest],
) -> None:
    """All jobs come at once: what fcfs starts first, and the job that it then waits for, start with
    easy at the same time or before.
    """
    starts = {}
    for policy in (FCFS, EASY):
        model = Model(policy)
        for request in jobs:
            model.apply(("submit", request, 16))
        first: dict[int, float] = {}
        for _ in range(50 * len(jobs)):
            before = set(model.started)
            model.turn()
            first |= dict.fromkeys(model.started - before, model.now)
            model.tick(1.0)
        starts[policy] = first
    waits = [jobid for jobid, time in sorted(starts[FCFS].items()) if time > 1000.0]
    if waits:
        head = waits[0]
        assert starts[EASY][head] <= starts[FCFS][head]
