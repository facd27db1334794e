"""The life of a job out of its eventlog."""

from __future__ import annotations

from typing import Any

import pytest

from tui.model.states import Status
from tui.model.story import (
    MARKS_KEPT,
    Phase,
    Story,
    cell_of,
    known_story,
    placed,
    spread_cells,
)
from tui.model.table import JobTable


def entry(stamp: float, name: str, **context: Any) -> dict[str, Any]:
    return {"timestamp": stamp, "name": name, "context": context}


def story(*entries: dict[str, Any]) -> Story:
    made = Story()
    made.take(entries)
    return made


COMPLETE = (
    entry(10.0, "submit", userid=1, urgency=16),
    entry(11.0, "depend"),
    entry(12.0, "priority", priority=16),
    entry(20.0, "alloc"),
    entry(20.5, "start"),
    entry(50.0, "finish", status=0),
    entry(51.0, "clean"),
)


def test_phases_are_what_the_states_were() -> None:
    told = story(*COMPLETE)
    assert told.phases == [
        Phase("depend", Status.DEPEND, 10.0, 11.0),
        Phase("priority", Status.PRIORITY, 11.0, 12.0),
        Phase("queued", Status.SCHED, 12.0, 20.0),
        Phase("run", Status.RUN, 20.0, 50.0),
        Phase("cleanup", Status.CLEANUP, 50.0, 51.0),
    ]
    assert (told.submitted, told.ended, list(told.marks)) == (10.0, 51.0, [])


def test_a_phase_grows_while_it_goes_on() -> None:
    told = story(*COMPLETE[:5])
    assert told.phases[-1] == Phase("run", Status.RUN, 20.0, None)
    assert told.phases[-1].seconds(26.0) == 6.0
    assert told.phases[-1].seconds(1.0) == 0.0
    assert told.ended is None


def test_a_change_of_urgency_is_a_mark_and_no_phase() -> None:
    told = story(
        *COMPLETE[:3],
        entry(13.0, "urgency", urgency=31, userid=1),
        entry(13.1, "priority", priority=31),
        *COMPLETE[3:4],
    )
    assert [phase.name for phase in told.phases] == ["depend", "priority", "queued", "run"]
    assert told.phases[2] == Phase("queued", Status.SCHED, 12.0, 20.0)
    assert [(mark.at, mark.text) for mark in told.marks] == [(13.0, "urgency 31")]


def test_an_exception_is_told_with_who_and_when() -> None:
    told = story(
        *COMPLETE[:3],
        entry(14.0, "exception", type="oom", severity=2, note="a node is short"),
        entry(15.0, "exception", type="cancel", severity=0, note="no\x1b[2J use", userid=7),
        entry(16.0, "exception", type="exec", severity=0),
    )
    assert told.raised is not None
    assert told.raised == (15.0, "cancel", 0, "no\\u001b[2J use", 7)
    assert [mark.text for mark in told.marks] == ["oom", "cancel", "exec"]
    assert told.phases[-1].name == "cleanup"


def test_events_of_plugins_are_marks_and_those_for_debugging_are_not() -> None:
    told = story(
        *COMPLETE[:4], entry(20.1, "prolog-start"), entry(20.2, "debug.x"), entry(20.3, "memo")
    )
    assert [mark.text for mark in told.marks] == ["prolog-start"]


def test_marks_do_not_grow_for_ever() -> None:
    told = story(*(entry(float(i), "urgency", urgency=i % 32) for i in range(1000)))
    assert len(told.marks) == MARKS_KEPT
    assert told.marks[-1].at == 999.0


@pytest.mark.parametrize(
    ("job", "names"),
    [
        ({"state": 8, "t_submit": 5.0}, [("queued", 5.0, None)]),
        ({"state": 2, "t_submit": 5.0}, [("depend", 5.0, None)]),
        (
            {"state": 64, "result": 1, "t_submit": 5.0, "t_run": 6.0, "t_cleanup": 8.0,
             "t_inactive": 9.0},
            [("queued", 5.0, 6.0), ("run", 6.0, 8.0), ("cleanup", 8.0, 9.0)],
        ),
        (
            {"state": 64, "result": 4, "t_submit": 5.0, "t_cleanup": 8.0, "t_inactive": 9.0},
            [("queued", 5.0, 8.0), ("cleanup", 8.0, 9.0)],
        ),
    ],
)  # fmt: skip
def test_the_table_knows_a_coarser_story(
    job: dict[str, Any], names: list[tuple[str, float, float | None]]
) -> None:
    table = JobTable()
    table.load([{"id": 1, **job}])
    phases = known_story(table, 0).phases
    assert [(phase.name, phase.start, phase.end) for phase in phases] == names


def test_cells_go_by_time_and_none_is_empty() -> None:
    assert spread_cells([0.01, 0.01, 0.08, 18.9, 0.1], 78) == [1, 1, 1, 73, 2]
    assert spread_cells([1.0, 1.0], 11) == [6, 5]
    assert spread_cells([0.0, 0.0], 10) == [9, 1]
    assert spread_cells([], 10) == []
    for width in (5, 8, 100):
        assert sum(spread_cells([3.0, 0.0, 1.0, 7.0, 0.5], width)) == width


def test_a_time_has_its_cell() -> None:
    told = story(*COMPLETE)
    cells = [1, 1, 8, 30, 1]
    assert [cell_of(told, cells, at, 60.0) for at in (10.0, 12.0, 16.0, 20.0, 35.0, 51.0)] == [
        0, 2, 6, 10, 25, 40,
    ]  # fmt: skip


def test_labels_stand_near_their_cell_and_never_on_each_other() -> None:
    assert placed([(0, 12), (1, 14), (60, 5)], 80) == [0, 14, 60]
    assert placed([(0, 12), (75, 14)], 80) == [0, 66]
    assert placed([(0, 12), (3, 14), (4, 9)], 30) == [0, 14, None]
