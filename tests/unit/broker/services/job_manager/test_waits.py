"""Who is told about the end of which job."""

from __future__ import annotations

import pytest

from broker.services.job_manager.states import Job
from broker.services.job_manager.waits import ANY_JOB, NO_MORE, NOT_WAITABLE, WaitTable, result_of


def ended(id: int, status: int = 0) -> Job:
    job = Job(id)
    job.status = status
    return job


def test_zombie_is_reaped_once() -> None:
    table: WaitTable[str] = WaitTable()
    table.add_job(1)
    assert table.ended(ended(1)) is None
    assert table.wait(1, "a") == {
        "id": 1,
        "success": True,
        "errstr": "task(s) exited with exit code 0",
    }
    with pytest.raises(OSError, match=NOT_WAITABLE):
        table.wait(1, "a")


def test_any_gets_the_zombies_in_order_then_no_more() -> None:
    table: WaitTable[str] = WaitTable()
    for id in (2, 1):
        table.add_job(id)
    table.ended(ended(2))
    table.ended(ended(1, 256))
    first, second = table.wait(ANY_JOB, "a"), table.wait(ANY_JOB, "a")
    assert first is not None
    assert second is not None
    assert (first["id"], second["id"], second["success"]) == (2, 1, False)
    with pytest.raises(OSError, match=NO_MORE):
        table.wait(ANY_JOB, "a")


def test_waiters_before_the_end() -> None:
    table: WaitTable[str] = WaitTable()
    for id in (1, 2):
        table.add_job(id)
    assert table.wait(2, "two") is None
    assert table.wait(ANY_JOB, "any") is None
    with pytest.raises(OSError, match=NO_MORE):
        table.wait(ANY_JOB, "too many")
    with pytest.raises(OSError, match=NOT_WAITABLE):
        table.wait(2, "second waiter")
    with pytest.raises(OSError, match=NOT_WAITABLE):
        table.wait(1, "one is promised to any")
    assert table.ended(ended(2)) == "two"
    assert table.ended(ended(1)) == "any"
    assert len(table) == 0


def test_dropped_waiter_leaves_a_zombie() -> None:
    table: WaitTable[str] = WaitTable()
    table.add_job(1)
    table.wait(ANY_JOB, "gone")
    table.drop("gone")
    assert table.waiters() == []
    assert table.ended(ended(1)) is None
    assert table.zombies[1] == result_of(ended(1))


def test_jobs_that_are_not_waitable() -> None:
    table: WaitTable[str] = WaitTable()
    assert table.ended(ended(7)) is None
    assert not table.zombies
