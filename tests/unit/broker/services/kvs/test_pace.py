"""How soon the leader goes on: rest after work, a bound on the rate of directories."""

from __future__ import annotations

import pytest

from broker.services.kvs.pace import (
    DIRECTORY_BURST,
    DIRECTORY_RATE,
    GATHERING,
    REST_MAX,
    REST_MIN,
    REST_SHARE,
    Pace,
)


def test_a_cheap_batch_is_followed_at_once() -> None:
    pace = Pace(10.0)
    assert pace.wait(10.0) == 0.0
    pace.worked(10.0, 10.0 + REST_MIN, 100)
    assert pace.wait(10.0 + REST_MIN) == 0.0


def test_an_expensive_batch_is_followed_by_a_share_of_its_time() -> None:
    pace = Pace(10.0)
    pace.worked(10.0, 10.08, 100)
    assert pace.wait(10.08) == pytest.approx(0.08 * REST_SHARE)
    assert pace.wait(10.08 + 0.08 * REST_SHARE) == 0.0


def test_nobody_waits_longer_than_the_most() -> None:
    pace = Pace(0.0)
    pace.worked(0.0, 60.0, int(1e12))
    assert pace.wait(60.0) == pytest.approx(REST_MAX)


def test_directories_beyond_the_burst_are_paid_for_in_time() -> None:
    pace = Pace(0.0)
    pace.worked(0.0, 0.0, int(DIRECTORY_BURST))
    assert pace.wait(0.0) == 0.0
    pace.worked(0.0, 0.0, int(DIRECTORY_RATE * 0.05))
    assert pace.wait(0.0) == pytest.approx(0.05)


def test_time_pays_off_the_debt() -> None:
    pace = Pace(0.0)
    pace.worked(0.0, 0.0, int(DIRECTORY_BURST))
    pace.worked(1.0, 1.0, 0)
    assert pace.debt == 0.0


def test_what_may_wait_gathers_with_what_comes_soon_after_the_last_batch() -> None:
    pace = Pace(0.0)
    pace.worked(9.999, 10.0, 100)
    assert pace.wait(10.0, lazy=True) == pytest.approx(GATHERING)
    assert pace.wait(10.0) == 0.0
    assert pace.wait(10.0 + GATHERING, lazy=True) == 0.0
    pace.worked(10.0, 70.0, 100)  # a rest longer than that is enough
    assert pace.wait(70.0, lazy=True) == pytest.approx(REST_MAX)
