"""How the tests run the instruments: a few rounds, with a seed that the environment may replace."""

from __future__ import annotations

import os

from tests.faults.command import Instrument, Settings


def seed() -> int:
    """Return the seed of the tests: FAULTS_SEED of the environment, else always the same."""
    return int(os.environ.get("FAULTS_SEED", "1"))


def hold(instrument: Instrument, rounds: int, minutes: float = 0.1) -> None:
    """Run an instrument; raises AssertionError with its report if it finds faults."""
    instrument(Settings(rounds, seed(), minutes)).verify()
