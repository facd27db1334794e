"""The job that stands for a set."""

from __future__ import annotations

import pytest

from tui.model.example import example
from tui.model.table import JobTable


@pytest.mark.parametrize(
    ("states", "row", "words"),
    [
        ([(8, 0), (8, 0)], 0, "one of 2 jobs: 2 sched"),
        ([(8, 0), (16, 0), (64, 1)], 1, "one of 3 jobs: 1 sched, 1 run, 1 completed"),
        ([(16, 0), (64, 2), (64, 8)], 1, "one of 3 jobs: 1 run, 1 failed, 1 timeout"),
        ([(64, 1), (64, 8)], 1, "one of 2 jobs: 1 completed, 1 timeout"),
    ],
)
def test_what_is_worth_a_look_comes_first(
    states: list[tuple[int, int]], row: int, words: str
) -> None:
    table = JobTable()
    table.load(
        [
            {"id": number + 1, "state": state, "result": result, "t_submit": 1.0}
            for number, (state, result) in enumerate(states)
        ]
    )
    assert example(table, range(len(states))) == (row, words)
