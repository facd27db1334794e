"""The last lines of what a job has written so far: decisions only, no input or output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux.job import io

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flux.job.event import EventLogEvent


class Tail:
    """Leaves away all but the last ``lines`` lines of the output that was there at the beginning,
    of all tasks and both streams together. What comes later is not cut.

    A line that has no end yet counts as one.
    """

    def __init__(self, lines: int, there: Iterable[EventLogEvent]) -> None:
        self._skip = max(0, sum(_lines(event) for event in there) - lines)

    def cut(self, data: bytes) -> bytes:
        """Return what is left of the next chunk of output."""
        if not self._skip:
            return data
        lines = count_lines(data)
        if lines <= self._skip:
            self._skip -= lines
            return b""
        left = data.split(b"\n", self._skip)[-1]
        self._skip = 0
        return left


def _lines(event: EventLogEvent) -> int:
    if event.name != "data":
        return 0
    try:
        return count_lines(io.decode(event.context).data)
    except OSError:
        return 0


def count_lines(data: bytes) -> int:
    """Return how many lines are in a chunk; the rest after the last newline is one."""
    return data.count(b"\n") + (not data.endswith(b"\n") if data else 0)
