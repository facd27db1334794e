"""Job ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.services.job_ingest.fluid import MAX_SEQUENCE, FluidGenerator, timestamp_of


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_parts_of_an_id() -> None:
    clock = Clock()
    ids = FluidGenerator(3, 5, clock)
    clock.now += 0.0105
    first, second = ids.next(), ids.next()
    assert timestamp_of(first) == 15
    assert first >> 10 & 0x3FFF == 3
    assert second == first + 1


def test_a_millisecond_never_blocks() -> None:
    ids = FluidGenerator(0, 0, Clock())
    made = [ids.next() for _ in range(3 * MAX_SEQUENCE)]
    assert made == sorted(set(made))
    assert timestamp_of(made[-1]) == 2


@pytest.mark.parametrize("generator", [-1, 1 << 14])
def test_generator_out_of_range(generator: int) -> None:
    with pytest.raises(OSError, match="out of range"):
        FluidGenerator(generator, 0, Clock())


def test_the_end_of_time() -> None:
    ids = FluidGenerator(0, (1 << 40) - 1, Clock())
    assert ids.next() < 1 << 64
    for _ in range(MAX_SEQUENCE):
        ids.next()
    with pytest.raises(OSError, match="used up"):
        ids.next()


@given(st.lists(st.floats(-5, 5), max_size=50))
def test_always_growing_whatever_the_clock_does(steps: list[float]) -> None:
    clock = Clock()
    ids = FluidGenerator(1, 7, clock)
    last = -1
    for step in steps:
        clock.now += step
        id = ids.next()
        assert id > last
        last = id
