"""What a log of starts and ends tells of an instance."""

from __future__ import annotations

import pytest

from flux.startlog import FINISH, START, Run, ended_well, runs_of

V1 = {"version": 1, "core_version": "0.88.0"}


def log(*names: str) -> list[dict[str, object]]:
    """Events of such names, one a second."""
    return [
        {"timestamp": float(number), "name": name, "context": V1}
        for number, name in enumerate(names)
    ]


def test_runs() -> None:
    runs = runs_of(log(START, FINISH, START, START))
    assert runs == [Run(0, "0.88.0", 1), Run(2, "0.88.0", None, True), Run(3, "0.88.0")]


def test_what_is_passed_over() -> None:
    events = [
        {"timestamp": 0.0, "name": FINISH, "context": V1},
        {"timestamp": 1.0, "name": START},
        {"timestamp": 2.0, "name": START, "context": {"version": 2}},
        {"timestamp": 3.0, "name": START, "context": {"version": 1}},
        {"timestamp": 4.0, "name": "upgrade", "context": V1},
        {"timestamp": 5.0, "name": FINISH},
        {"timestamp": 6.0, "name": FINISH, "context": V1},
        {"timestamp": 7.0, "name": FINISH, "context": V1},
    ]
    assert runs_of(events) == [Run(3, "", 6)]


@pytest.mark.parametrize(
    ("names", "well"),
    [
        ((), True),
        ((START,), True),
        ((START, START), False),
        ((START, START, FINISH), True),
        ((START, START, FINISH, START), True),
        ((START, FINISH, START, START), False),
    ],
)
def test_the_end_before_the_present_start_counts(names: tuple[str, ...], well: bool) -> None:
    assert ended_well(runs_of(log(*names))) == well
