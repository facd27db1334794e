"""Queues as the dashboard shows them."""

from __future__ import annotations

from typing import Any

import pytest

from tui.model.queues import QueueCounts, count_all, limits, queue
from tui.model.rates import Rates
from tui.model.table import JobTable

CONFIG: dict[str, Any] = {
    "policy": {
        "limits": {"duration": "24h", "job-size": {"max": {"nnodes": 8}}},
        "jobspec": {"defaults": {"system": {"queue": "batch"}}},
    },
    "queues": {
        "batch": {},
        "debug": {
            "policy": {
                "limits": {
                    "duration": 60,
                    "job-size": {"min": {"ncores": 2}, "max": {"nnodes": 1, "ncores": 4}},
                }
            }
        },
        "gpu": {"policy": {"limits": {"job-size": {"min": {"ngpus": 1}, "max": {"nnodes": -1}}}}},
    },
}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("batch", "24h, 8 nodes"),
        ("debug", "60s, 1 node, 2-4 cores"),
        ("gpu", "24h, at least 1 GPU"),
        ("", "24h, 8 nodes"),
    ],
)
def test_limits(name: str, text: str) -> None:
    assert limits(CONFIG, name) == text


def test_no_limits_and_nonsense() -> None:
    assert limits({}, "x") == ""
    assert limits({"policy": 3, "queues": []}, "x") == ""


def test_a_queue_says_why_it_is_off() -> None:
    status = {
        "enable": False,
        "disable_reason": "tonight\x1b[2J",
        "start": False,
        "stop_reason": "full",
    }
    found = queue("batch", status, CONFIG, QueueCounts(1, 2, 3, 4))
    assert found.title == "batch*"
    assert found.why.startswith("disabled: tonight")
    assert found.why.endswith("; stopped: full")
    assert "\x1b" not in found.why
    assert found.counts.over == 7
    unnamed = queue("", {"enable": True, "start": True}, {}, QueueCounts())
    assert (unnamed.title, unnamed.why) == ("the queue", "")


def test_counts_of_all_jobs() -> None:
    table = JobTable()
    states = [(16, 0), (8, 0), (2, 0), (64, 1), (64, 2), (64, 4)]
    table.load([{"id": i + 1, "state": s, "result": r} for i, (s, r) in enumerate(states)])
    assert count_all(table) == QueueCounts(1, 2, 2, 1)  # canceled is done, as in the table


def test_rates_are_means_of_the_last_seconds() -> None:
    rates = Rates()
    assert rates.note("x", 100, 0.0) is None
    assert rates.note("x", 105, 0.1) is None  # too soon to tell
    assert rates.note("x", 110, 2.0) == 5.0
    assert rates.note("x", 110, 2.0) == 5.0
    for second in range(3, 40):
        last = rates.note("x", 110, float(second))
    assert last == 0.0
    assert rates.note("x", 5, 41.0) is None  # reset
    assert rates.note("x", 6, 42.0) == 1.0
    rates.keep(["y"])
    assert rates.note("x", 100, 43.0) is None
