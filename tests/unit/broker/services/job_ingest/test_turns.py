"""When submissions are taken in."""

from __future__ import annotations

import pytest

from broker.services.job_ingest.turns import REST_MAX, REST_SHARE, IntakeTurns


def test_nothing_waits_while_no_job_runs() -> None:
    turns = IntakeTurns()
    for now in range(5):
        assert turns.wait(now) == 0
        turns.passed_on(100, now)
    turns.answered(500, False, 9.0)
    assert turns.wait(9.0) == 0
    assert turns.under_way == 0


def test_while_jobs_run_a_batch_goes_to_its_end_and_then_there_is_a_rest() -> None:
    turns = IntakeTurns()
    turns.answered(0, True, 0.0)
    assert turns.slice < IntakeTurns().slice
    turns.passed_on(10, 1.0)
    turns.passed_on(5, 1.002)
    assert turns.wait(1.5) is None
    turns.answered(10, True, 1.004)
    assert turns.wait(1.004) is None
    turns.answered(5, True, 1.01)
    wait = turns.wait(1.01)
    assert wait is not None
    assert wait == pytest.approx(REST_SHARE * 0.01)
    assert turns.wait(1.02) == 0


def test_a_rest_is_short_however_long_a_batch_took() -> None:
    turns = IntakeTurns()
    turns.passed_on(1, 0.0)
    turns.answered(1, True, 10.0)
    assert turns.wait(10.0) == pytest.approx(REST_MAX)


def test_the_last_job_to_end_frees_the_intake() -> None:
    turns = IntakeTurns()
    turns.passed_on(1, 0.0)
    turns.answered(1, True, 1.0)
    turns.passed_on(1, 2.0)
    turns.answered(1, False, 3.0)
    assert turns.wait(3.0) == 0
