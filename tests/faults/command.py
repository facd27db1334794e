"""The command line that all instruments share: ``python -m tests.faults.NAME --rounds N --seed
S``.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.faults.outcome import Outcome


@dataclass(frozen=True)
class Settings:
    """How long an instrument runs and what its chances start from.

    ``rounds`` counts what the instrument repeats (its ``--help`` says what); ``minutes`` bounds
    instruments that run by time.
    """

    rounds: int
    seed: int
    minutes: float = 1.0

    def random(self) -> random.Random:
        """Return a generator of chances that begins with the seed."""
        return random.Random(self.seed)


Instrument = Callable[[Settings], Outcome]


def new_seed() -> int:
    """Return a seed for a run that was not given one."""
    return time.time_ns() % 1_000_000


def arguments(description: str | None, rounds: int, minutes: float) -> argparse.ArgumentParser:
    """Return a parser of the shared options."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rounds", type=int, default=rounds, help=f"how many rounds (default {rounds})"
    )
    parser.add_argument("--seed", type=int, default=None, help="repeat the run with this seed")
    parser.add_argument(
        "--minutes",
        type=float,
        default=minutes,
        help=f"length of what runs by time (default {minutes:g})",
    )
    return parser


def run(instrument: Instrument, settings: Settings) -> Outcome:
    """Run an instrument and print its report."""
    started = time.monotonic()
    outcome = instrument(settings)
    print("\n".join(outcome.lines()), f"\n  took {time.monotonic() - started:.1f} s", flush=True)
    return outcome


def main(
    instrument: Instrument,
    description: str | None,
    rounds: int,
    minutes: float = 1.0,
    argv: Sequence[str] | None = None,
) -> None:
    """Run one instrument from the command line; exits with 1 if it found faults."""
    options = arguments(description, rounds, minutes).parse_args(argv)
    seed = new_seed() if options.seed is None else options.seed
    settings = Settings(options.rounds, seed, options.minutes)
    signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(128 + signum))
    print(f"{instrument.__module__}: seed {seed}", flush=True)
    sys.exit(bool(run(instrument, settings).faults))
