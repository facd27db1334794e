"""Waiting for an event of a job no longer than a command may."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flux.core.handle import Flux


class Patience:
    """How long to wait: so many seconds from now on, or as long as it takes for None."""

    def __init__(self, seconds: float | None = None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds

    @property
    def left(self) -> float | None:
        """The seconds that are left, None for no end."""
        return None if self._end is None else max(self._end - time.monotonic(), 0.0)


def await_event(
    h: Flux, jobid: int, path: str, event: str, patience: Patience
) -> dict[str, object] | None:
    """Return the context of an event of an eventlog, None if that ends without it.

    Raises OSError: ETIMEDOUT if it does not come in time, ENOENT if there is no such job.
    """
    from flux.job.event import event_watch_async
    from flux.job.follow import entries_of

    watch = event_watch_async(h, jobid, path)
    while True:
        if patience.left is not None:
            watch.wait_for(patience.left)
        line = watch.get_line()
        if line is None:
            return None
        for entry in entries_of(line):
            if entry.name == event:
                watch.cancel()
                return dict(entry.context)
