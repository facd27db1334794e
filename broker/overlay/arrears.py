"""How far a neighbour is behind: bytes sent to it that it has not said to have taken.

ZeroMQ queues without a bound what a neighbour does not take, and does not tell how much. So both
ends of a link count the bytes of their messages, and a keepalive carries in its second word how
many KiB have been taken, modulo 2^32. It is sent at the usual times and whenever `WORD` bytes have
come since the last one.

A neighbour that owes more than `HARD_LIMIT`, or has owed more than `SOFT_LIMIT` for `PATIENCE`
seconds without taking anything, is given up like a lost one. A message of any size reaches a
neighbour that takes it.
"""

from __future__ import annotations

MiB = 1 << 20
SOFT_LIMIT = 64 * MiB
HARD_LIMIT = 512 * MiB
PATIENCE = 5.0
WORD = 4 * MiB
_WRAP = 1 << 32


class Arrears:
    """The account of one link; ``now`` is seconds on any clock that only goes forward."""

    def __init__(self, now: float) -> None:
        self._sent = 0
        self._largest = 0
        self._acknowledged = 0
        self._progress = now
        self._received = 0
        self._told = 0

    def sent(self, size: int) -> bool:
        """Count a message to the neighbour; returns whether it owes more than any neighbour may."""
        self._sent += size
        if size > self._largest:
            self._largest = size
        return (
            self._sent - (self._acknowledged << 10) > HARD_LIMIT
            and self.behind - self._largest > HARD_LIMIT
        )

    @property
    def behind(self) -> int:
        """Bytes sent that the neighbour has not taken, to the KiB."""
        return max(0, self._sent - (self._acknowledged << 10))

    def acknowledged(self, kib: int, now: float) -> None:
        """The neighbour says how much it has taken in all, in KiB modulo 2^32."""
        taken = (kib - self._acknowledged) % _WRAP
        if taken > self._sent >> 10:
            return  # no neighbour of ours has taken more than there was
        if taken:
            self._acknowledged += taken
            self._progress = now
        if self.behind < 1024:
            self._largest = 0

    def excuse(self, seconds: float) -> None:
        """Do not count seconds in which the neighbour could not be heard."""
        self._progress += seconds

    def hopeless(self, now: float) -> bool:
        """Tell whether the neighbour has owed too much for too long."""
        if self.behind - self._largest <= SOFT_LIMIT:
            self._progress = now
            return False
        return now - self._progress > PATIENCE

    def received(self, size: int) -> bool:
        """Count a message from the neighbour; returns whether it is time to tell."""
        self._received += size
        return self._received - self._told >= WORD

    def word(self) -> int:
        """Return what to tell the neighbour: KiB taken in all, modulo 2^32."""
        self._told = self._received
        return (self._received >> 10) % _WRAP
