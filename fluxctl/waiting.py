"""Waits that may be long: at a terminal, how far they have come is seen on its last line, which is
given back at the end. Elsewhere nothing is written.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.core.handle import Flux
    from flux.future import Future
    from flux.progress import ProgressBar

QUIET = 1.0
"""Seconds for which nothing is shown: most waits are over by then."""
PERIOD = 1.0
"""Seconds after which the line is brought up to date."""


class Progress(NamedTuple):
    """How far a wait has come: how many ``left`` there are of ``what``."""

    left: int
    what: str


class WaitLine:
    """The line on stderr that shows a wait; ``ask`` tells how far it has come.

    In a ``with`` block, at whose end, Ctrl+C included, the terminal is as it was.
    """

    def __init__(self, ask: Callable[[], Progress]) -> None:
        self._ask = ask
        self._began = time.monotonic()
        self._bar: ProgressBar | None = None
        self._most = 0

    def __enter__(self) -> WaitLine:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def wanted(self) -> bool:
        """Whether somebody sees it."""
        return sys.stderr.isatty()

    def tick(self) -> None:
        """Bring the line up to date; what cannot be asked is not shown."""
        if not self.wanted or time.monotonic() - self._began < QUIET:
            return
        try:
            left, what = self._ask()
        except (OSError, KeyError, TypeError):
            return
        self._most = max(self._most, left)
        if self._bar is None:
            self._bar = self._begin()
        done = self._most - left
        values = {"total": self._most, "count": done, "left": left, "what": what}
        self._bar.update(0, **values)

    def _begin(self) -> ProgressBar:
        from flux.progress import ProgressBar

        bar = ProgressBar(
            total=self._most,
            before="waiting for {left} {what} ",
            after=" {percent:3.0f}% {elapsed.dt} ",
            left=self._most,
            what="",
        )
        bar.stream = sys.stderr
        bar.start()
        return bar

    def wait(self, future: Future, seconds: float | None = None) -> None:
        """Wait for a future, at most ``seconds``; raises OSError(ETIMEDOUT) after them."""
        if not self.wanted:
            if seconds is not None:
                future.wait_for(seconds)
            return
        end = None if seconds is None else time.monotonic() + seconds
        while True:
            left = PERIOD if end is None else min(PERIOD, end - time.monotonic())
            try:
                future.wait_for(max(left, 0.0))
            except TimeoutError:
                if end is not None and time.monotonic() >= end:
                    raise
                self.tick()
            else:
                return


def active_jobs(h: Flux, queue: str | None, *, running: bool = False) -> Progress:
    """Return how many jobs are active, or are ``running``, in a queue or in all of them."""
    from flux import constants
    from flux.job.list import JobList

    states = constants.FLUX_JOB_STATE_RUNNING if running else constants.FLUX_JOB_STATE_ACTIVE
    what = "running jobs" if running else "active jobs"
    if queue is None:
        counts = h.rpc("job-list.job-stats", {}).get()["job_states"]
        names = ("run", "cleanup") if running else ("depend", "priority", "sched", "run", "cleanup")
        return Progress(sum(counts[name] for name in names), what)
    listed = JobList(h, ["state"], max_entries=0, queues=[queue])
    listed.states = states
    return Progress(sum(len(page) for page in listed.pages()), what)
