"""FLUID generator (RFC 19): 64-bit job ids that grow with time and need no agreement among ranks.

An id holds 40 bits of milliseconds since the instance's epoch, 14 bits of generator (the broker
rank) and 10 bits of sequence.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

GENERATOR_BITS: Final = 14
SEQUENCE_BITS: Final = 10
MAX_GENERATOR: Final = (1 << GENERATOR_BITS) - 1
MAX_SEQUENCE: Final = (1 << SEQUENCE_BITS) - 1
MAX_TIMESTAMP: Final = (1 << 40) - 1


def timestamp_of(id: int) -> int:
    """Return the milliseconds in an id."""
    return id >> (GENERATOR_BITS + SEQUENCE_BITS)


class FluidGenerator:
    """Generates the ids of one rank.

    ``timestamp`` is the first time to use, in milliseconds; ``clock`` returns seconds on a
    monotonic clock. When a millisecond's 1024 ids are used up the next millisecond is borrowed, so
    that no caller ever waits.
    """

    def __init__(self, generator: int, timestamp: int, clock: Callable[[], float]) -> None:
        if not 0 <= generator <= MAX_GENERATOR:
            raise OSError(errno.EINVAL, f"generator id {generator} is out of range")
        self._generator = generator
        self._clock = clock
        self._offset = timestamp / 1000.0 - clock()
        self._timestamp = timestamp
        self._sequence = -1

    def timestamp(self) -> int:
        """Return the current time in milliseconds since the epoch of the ids, never less than that
        of the last id.
        """
        return max(self._timestamp, int((self._clock() + self._offset) * 1000.0))

    def next(self) -> int:
        """Return a new id, greater than all before; raises OSError(EOVERFLOW) when 34 years are
        over.
        """
        now = self.timestamp()
        if now > self._timestamp:
            self._timestamp, self._sequence = now, 0
        elif self._sequence < MAX_SEQUENCE:
            self._sequence += 1
        else:
            self._timestamp, self._sequence = self._timestamp + 1, 0
        if self._timestamp > MAX_TIMESTAMP:
            raise OSError(errno.EOVERFLOW, "job id time stamp is used up")
        return (
            self._timestamp << GENERATOR_BITS | self._generator
        ) << SEQUENCE_BITS | self._sequence
