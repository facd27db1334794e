"""The factors of a priority; the numbers are those that Slurm 22.05 gives on four nodes of eight
processors.
"""

from __future__ import annotations

import pytest

from broker.configuration.priority import parse_priority
from broker.slurm.constants import NICE_OFFSET
from broker.slurm.priority.factors import (
    MOST,
    Factors,
    JobExtent,
    MachineTotals,
    age_factor,
    priority_of,
    size_factor,
)

FOUR = MachineTotals(4, 32, 8)


@pytest.mark.parametrize(
    ("size", "plain", "by_time"),
    [
        (JobExtent(1, 1, 0, 600), 0.140625, 0.025),
        (JobExtent(1, 8, 0, 600), 0.25, 0.025),
        (JobExtent(2, 2, 0, 600), 0.28125, 0.05),
        (JobExtent(2, 16, 0, 600), 0.5, 0.05),
        (JobExtent(4, 32, 0, 60), 1.0, 1.0),
        (JobExtent(1, 1, 0, 30), 0.140625, 0.25),
        (JobExtent(1, 1, 0, 90), 0.140625, 0.125),
        (JobExtent(1, 8, 0, 420), 0.25, 0.0357142857),
        (JobExtent(1, 1), 0.140625, 0.0),
        (JobExtent(8, 64), 1.0, 0.0),
        (JobExtent(1, 9, 0, 600), 0.265625, 0.028125),
        (JobExtent(1, 20, 0, 3600), 0.4375, 0.0104166667),
    ],
)
def test_job_size(size: JobExtent, plain: float, by_time: float) -> None:
    config = parse_priority({})
    assert size_factor(size, FOUR, config) == pytest.approx(plain)
    relative = parse_priority({"flags": ["SMALL_RELATIVE_TO_TIME"]})
    assert size_factor(size, FOUR, relative) == pytest.approx(by_time, abs=1e-9)
    small = parse_priority({"favor-small": True})
    assert size_factor(size, FOUR, small) == pytest.approx(1 - plain)


def test_nothing_is_known_of_the_machine_yet() -> None:
    assert size_factor(JobExtent(2, 2), MachineTotals(), parse_priority({})) == 0.0


def test_age() -> None:
    assert age_factor(30, 60) == 0.5
    assert age_factor(90, 60) == 1.0
    assert age_factor(-90, 60) == 0.0


def test_the_sum_is_cut_and_neither_holds_nor_expedites() -> None:
    assert priority_of(1416.89, 0, 0) == 1416
    assert priority_of(43750.0, 77, 100) == 43727
    assert priority_of(0.0, 0, 0) == 1
    assert priority_of(21875.0, -100000000, 0) == 1
    assert priority_of(2.5, 100 - NICE_OFFSET, 0) == 1, "without NICE_OFFSET"
    assert priority_of(2e10, 0, 0) == MOST == 0xFFFFFFFE


WEIGHTS = {"partition": 100, "qos": 10, "assoc": 1000, "job-size": 0}
TABLE = {
    "weight": WEIGHTS,
    "queue": {"all": 10, "hot": 40, "cold": 0},
    "qos": {"low": {"priority": 1}, "high": {"priority": 4}},
    "account": {"a": {"priority": 5}, "b": {"priority": 10}},
}
QUEUES = ("all", "hot", "cold", "plain")


def test_factors_of_the_configuration() -> None:
    factors = Factors(parse_priority(TABLE), FOUR, {}, QUEUES)
    fixed = factors.fixed_part(JobExtent(), "all", "low", "a")
    assert (fixed.partition, fixed.qos, fixed.assoc) == (0.25, 0.25, 0.5)
    assert fixed.total == 25 + 2.5 + 500
    assert factors.fixed_part(JobExtent(), "hot", "high", "b").total == 1110
    nothing = factors.fixed_part(JobExtent(), "cold", "unknown", "c")
    assert nothing.total == 0
    assert factors.fixed_part(JobExtent(), "plain", "", "").partition == 1 / 40


def test_factors_that_are_not_normalized() -> None:
    factors = Factors(parse_priority({**TABLE, "flags": ["NO_NORMAL_ALL"]}), FOUR, {}, QUEUES)
    fixed = factors.fixed_part(JobExtent(), "all", "low", "a")
    assert (fixed.partition, fixed.qos, fixed.assoc) == (10, 1, 5)
    assert fixed.total == 1000 + 10 + 5000


def test_a_queue_without_factors_has_1() -> None:
    for queues in ((), ("batch", "debug")):
        factors = Factors(parse_priority({"weight": {"partition": 7}}), FOUR, {}, queues)
        assert factors.fixed_part(JobExtent(), queues[0] if queues else "", "", "").total == 7


def test_trackable_resources() -> None:
    table = {"weight": {"tres": {"cpu": 100, "node": 10, "gres/gpu": -8}}}
    small = {"debug": MachineTotals(1, 8, 0)}
    factors = Factors(parse_priority(table), FOUR, small, ())
    assert factors.tres_names == ("cpu", "node", "gres/gpu")
    fixed = factors.fixed_part(JobExtent(2, 16, 4), "", "", "")
    assert fixed.tres == (0.5, 0.5, 0.5)
    assert fixed.total == 50 + 5 - 4
    assert factors.fixed_part(JobExtent(1, 8, 4), "debug", "", "").tres == (1.0, 1.0, 0.0)
    raw = Factors(parse_priority({**table, "flags": ["NO_NORMAL_TRES"]}), FOUR, small, ())
    assert raw.fixed_part(JobExtent(2, 16, 4), "debug", "", "").total == 1600 + 20 - 32


def test_nice_and_urgency() -> None:
    factors = Factors(parse_priority({"weight": {"urgency": 100}}), FOUR, {}, ())
    assert factors.nice(5, 16) == 5
    assert factors.nice(5, 20) == -395
    assert factors.nice(-5, 1) == 1495
