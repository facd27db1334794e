"""The table of inactive jobs, against a plain list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from broker.services.job_manager.inactive import InactiveJobs, PurgeLimits

if TYPE_CHECKING:
    from random import Random

jobs = st.lists(
    st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 40).map(float)),
    unique_by=lambda job: job[0],
)


@given(
    jobs,
    jobs,
    st.none() | st.integers(0, 45).map(float),
    st.none() | st.integers(0, 30),
    st.integers(1, 40),
    st.randoms(),
)
def test_table(
    ended: list[tuple[int, float]],
    stored: list[tuple[int, float]],
    before: float | None,
    keep: int | None,
    batch: int,
    random: Random,
) -> None:
    table = InactiveJobs()
    for id, time in ended:
        table.add(id, time)
    assert not table.complete
    table.fill(dict(stored))
    assert table.complete
    known = {**dict(stored), **dict(ended)}
    assert len(table) == len(known)
    spared = {id for id in known if random.random() < 0.2}
    oldest = sorted(known, key=lambda id: (known[id], id))
    surplus = 0 if keep is None else max(0, len(known) - keep)
    expected = [
        id
        for place, id in enumerate(oldest)
        if (place < surplus or (before is not None and known[id] < before)) and id not in spared
    ]
    chosen = table.select(PurgeLimits(before, keep), batch, spared)
    assert chosen == expected[:batch]
    table.remove(chosen)
    assert len(table) == len(known) - len(chosen)
    assert not any(id in table for id in chosen)
    assert all(id in table for id in known if id not in chosen)


@given(jobs, st.integers(-1, 41).map(float))
def test_those_that_ended_since_a_time(ended: list[tuple[int, float]], since: float) -> None:
    table = InactiveJobs()
    for id, time in ended:
        table.add(id, time)
    found = table.ended_since(since)
    assert sorted(found) == sorted(id for id, time in ended if time >= since)
