"""A few kills: nothing acknowledged is lost, no told result runs again, the KVS has one history."""

from __future__ import annotations

from tests.faults.crash_jobs import crash_jobs
from tests.faults.crash_kvs import crash_kvs
from tests.faults.fast import hold
from tests.faults.history import history


def test_acknowledged_puts_survive() -> None:
    hold(crash_kvs, rounds=3)


def test_acknowledged_jobs_survive_and_told_results_stand() -> None:
    hold(crash_jobs, rounds=3)


def test_what_clients_see_is_one_history() -> None:
    hold(history, rounds=2)
