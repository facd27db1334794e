"""The order of the queue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.services.job_manager.queue import JobQueue


def test_best_is_highest_priority_then_oldest() -> None:
    queue = JobQueue()
    for id, priority in ((5, 16), (3, 16), (9, 31), (1, 2)):
        queue.add(id, priority)
    assert list(queue) == [9, 3, 5, 1]
    assert (queue.best(), queue.worst()) == (9, 1)
    queue.add(1, 99)
    assert queue.pop() == 1
    assert queue.discard(3)
    assert not queue.discard(3)
    assert 3 not in queue
    assert queue.priority(5) == 16


def test_empty_queue() -> None:
    queue = JobQueue()
    assert (queue.best(), queue.worst(), len(queue)) == (None, None, 0)
    with pytest.raises(IndexError):
        queue.pop()


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5), st.booleans())))
def test_always_sorted(steps: list[tuple[int, int, bool]]) -> None:
    queue, model = JobQueue(), dict[int, int]()
    for id, priority, add in steps:
        if add:
            queue.add(id, priority)
            model[id] = priority
        else:
            assert queue.discard(id) == (model.pop(id, None) is not None)
        assert list(queue) == sorted(model, key=lambda key: (-model[key], key))
