"""A few thousand messages that mean no good, and clients that do not read."""

from __future__ import annotations

import random

import pytest

from tests.faults import readers
from tests.faults.fast import hold, seed
from tests.faults.fuzz import Fuzzer, fuzz
from tests.faults.fuzz_topics import ENDING, WAITING, Targets
from tests.faults.outcome import Outcome
from tests.faults.overlay import overlay


def test_every_topic_takes_anything() -> None:
    hold(fuzz, rounds=3)


def test_every_topic_takes_anything_on_three_brokers() -> None:
    outcome = Outcome("fuzz", seed())
    fuzzer = Fuzzer(outcome, random.Random(seed()), 3)
    with fuzzer.instance:
        fuzzer.boot()
        alive = fuzzer.burst() and fuzzer.burst()
        if alive:
            fuzzer.finish()
    outcome.verify()
    assert alive


def test_the_tables_of_topics_name_topics_that_exist() -> None:
    known = {target.topic for target in Targets(random.Random(1)).all}
    assert set(ENDING) | set(WAITING) <= known


def test_the_tree_network_takes_anything() -> None:
    hold(overlay, rounds=1)


@pytest.mark.parametrize("case", range(len(readers.cases(0, 0))))
def test_clients_that_do_not_read_cost_little(case: int) -> None:
    outcome = Outcome("readers", seed())
    readers.cases(96 << 20, readers.HALF)[case](outcome)
    outcome.verify()
