"""A broker, the leader, ``flux start``, or space on the disk is lost: everybody learns of it."""

from __future__ import annotations

import pytest

from tests.faults import diskfull
from tests.faults.brokers import START, lose_broker, lose_leader
from tests.faults.fast import hold, seed
from tests.faults.outcome import Outcome
from tests.faults.soak import soak


@pytest.mark.parametrize(("rank", "action"), [(1, "kill"), (6, "stop"), (3, "delay")])
def test_loss_of_a_broker_is_learned(rank: int, action: str) -> None:
    outcome = Outcome("brokers", seed())
    lose_broker(outcome, rank, action)
    outcome.verify()


@pytest.mark.parametrize("victim", [0, START], ids=["rank 0", "flux start"])
def test_nothing_outlives_the_leader(victim: int) -> None:
    outcome = Outcome("brokers", seed())
    lose_leader(outcome, victim)
    outcome.verify()


def test_a_full_disk_is_told_of() -> None:
    try:
        with diskfull.small_disk():
            pass
    except diskfull.Unavailable as exc:
        pytest.skip(str(exc))
    hold(diskfull.diskfull, rounds=1)


def test_nothing_breaks_under_everything_at_once() -> None:
    hold(soak, rounds=1, minutes=0.1)
