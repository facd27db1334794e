"""All instruments, one after the other, or those that are named.

    python -m tests.faults [--rounds N] [--seed S] [--minutes M] [NAME ...]

``--rounds`` is the number of kills of crash_kvs and crash_jobs and of bursts of 1,000 requests of
fuzz; the others take their share. ``--minutes`` is the length of soak. Exits with 1 if anything was
found.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

from tests.faults.brokers import brokers
from tests.faults.command import Instrument, Settings, arguments, new_seed, run
from tests.faults.crash_jobs import crash_jobs
from tests.faults.crash_kvs import crash_kvs
from tests.faults.diskfull import diskfull
from tests.faults.fuzz import fuzz
from tests.faults.history import history
from tests.faults.overlay import overlay
from tests.faults.readers import readers
from tests.faults.soak import soak

if TYPE_CHECKING:
    from collections.abc import Callable

INSTRUMENTS: dict[str, tuple[Instrument, Callable[[int], int]]] = {
    "crash_kvs": (crash_kvs, lambda rounds: rounds),
    "crash_jobs": (crash_jobs, lambda rounds: rounds),
    "fuzz": (fuzz, lambda rounds: rounds),
    "history": (history, lambda rounds: max(1, rounds // 4)),
    "brokers": (brokers, lambda rounds: max(1, min(23, rounds // 2))),
    "diskfull": (diskfull, lambda rounds: max(1, rounds // 50)),
    "readers": (readers, lambda rounds: 1),
    "overlay": (overlay, lambda rounds: max(1, rounds // 20)),
    "soak": (soak, lambda rounds: 1),
}
"""The instruments and their share of the rounds."""


def main() -> None:
    """Run what the command line names."""
    parser = arguments(__doc__, rounds=200, minutes=20.0)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(INSTRUMENTS))
    options = parser.parse_args()
    unknown = set(options.names) - set(INSTRUMENTS)
    if unknown:
        parser.error(f"no such instrument: {', '.join(sorted(unknown))}")
    seed = new_seed() if options.seed is None else options.seed
    signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(128 + signum))
    found = 0
    for name in options.names or INSTRUMENTS:
        instrument, share = INSTRUMENTS[name]
        print(f"{name}: seed {seed}", flush=True)
        outcome = run(instrument, Settings(share(options.rounds), seed, options.minutes))
        found += bool(outcome.faults)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
