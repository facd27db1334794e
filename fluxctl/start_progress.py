"""How far the start of many brokers has come, for a person at a terminal."""

from __future__ import annotations

import os
import sys
import time
from typing import Final

QUIET: Final = 1.0
"""Seconds for which nothing is shown: most instances are up by then."""
PERIOD: Final = 0.2
"""Seconds after which the line is looked at again while brokers start."""
_SOCKET: Final = "local-"
"""How the sockets of brokers are called in their directory, with the rank."""


class StartProgress:
    """A line on stderr that says how many of ``size`` brokers have come up: those that have their
    socket in the directory ``rundir``. It is erased when all have, for the initial program writes
    there, too.
    """

    def __init__(self, size: int, rundir: str) -> None:
        self._size = size
        self._rundir = rundir
        self._began = time.monotonic()
        self._shown = -1
        self._over = not sys.stderr.isatty()

    def show(self, *, over: bool) -> bool:
        """Say how many have come up; returns whether there may be more to say.

        ``over`` ends it: the instance comes up no more.
        """
        if self._over:
            return False
        up = self._size if over else self._up()
        if up >= self._size:
            self._over = True
            if self._shown >= 0:
                sys.stderr.write("\r\033[K")
                sys.stderr.flush()
            return False
        if time.monotonic() - self._began >= QUIET and up != self._shown:
            self._shown = up
            sys.stderr.write(f"\rflux-start: {up} of {self._size} brokers are up\033[K")
            sys.stderr.flush()
        return True

    def _up(self) -> int:
        try:
            return sum(name.startswith(_SOCKET) for name in os.listdir(self._rundir))
        except OSError:
            return 0
