"""When lines were written, as it stands before them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from flux.time_text import time_text


class Stamps(StrEnum):
    """What stands before each line of when it was written."""

    NONE = "no times"
    SINCE = "seconds since the start"
    CLOCK = "time of day"
    DATE = "date and time"

    @property
    def width(self) -> int:
        """Cells that it takes, with what is between it and the line."""
        return _WIDTH[self]

    @property
    def next(self) -> Stamps:
        """The one that comes after this, the first after the last."""
        order = tuple(Stamps)
        return order[(order.index(self) + 1) % len(order)]

    def of(self, when: float, start: float) -> str:
        """Return the stamp of a line that was written at ``when``, blank if that is not known;
        ``start`` is where seconds are counted from. Both are in seconds since the epoch.
        """
        width = self.width
        if not width or not when:
            return " " * width
        if self is Stamps.SINCE:
            since = when - start
            digits = 3 if since < _FINE else 0
            number = f"{since:{width - 3}.{digits}f}"
            return f"{number if len(number) < width else f'{since:.3g}'}s".ljust(width)
        form = "%b%d %H:%M:%S" if self is Stamps.DATE else "%H:%M:%S"
        return f"{time_text(when, form)}.{int(when % 1 * 1000):03d}".ljust(width)[:width]


_WIDTH: Final = {Stamps.NONE: 0, Stamps.SINCE: 12, Stamps.CLOCK: 14, Stamps.DATE: 20}
_FINE: Final = 1e5
"""Seconds from which on milliseconds have no room."""
