"""How far the start of many brokers has come, for a person at a terminal."""

from __future__ import annotations

import sys
import time
from typing import Final

QUIET: Final = 1.0
"""Seconds for which nothing is shown: most instances are up by then."""
PERIOD: Final = 0.2
"""Seconds after which the line is looked at again while brokers start."""


class StartProgress:
    """A line on stderr that says how many of ``size`` brokers have joined; it is erased when all
    have, for the initial program writes there, too.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._began = time.monotonic()
        self._shown = -1
        self._over = not sys.stderr.isatty()

    def show(self, joined: int, *, over: bool) -> bool:
        """Say how many have joined; returns whether there may be more to say.

        ``over`` ends it: the instance comes up no more.
        """
        if self._over:
            return False
        if over or joined >= self._size:
            self._over = True
            if self._shown >= 0:
                sys.stderr.write("\r\033[K")
                sys.stderr.flush()
            return False
        if time.monotonic() - self._began >= QUIET and joined != self._shown:
            self._shown = joined
            sys.stderr.write(f"\rflux-start: {joined} of {self._size} brokers have joined\033[K")
            sys.stderr.flush()
        return True
