"""Following jobs that others have submitted, with their output here: ``flux watch``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluxctl.mini.console import Console
from fluxctl.mini.following import Following
from fluxctl.mini.progress import show
from fluxctl.mini.submission import JobToSubmit
from fluxctl.mini.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flux.core.handle import Flux
    from flux.progress import ProgressBar
    from fluxctl.mini.submission import Settings


class JobWatch:
    """Shows the output of jobs on the reactor of a handle; ``bar`` is kept up to date."""

    def __init__(self, handle: Flux, settings: Settings, bar: ProgressBar | None = None) -> None:
        self._handle = handle
        self._bar = bar
        self._tally = Tally()
        self._console = Console()
        self._following = Following(
            handle,
            settings,
            self._tally,
            self._console,
            self._changed,
            counts_running=bar is not None,
        )

    def run(self, jobids: Sequence[int]) -> int:
        """Follow jobs to their ends and return the largest exit code.

        Raises OSError if one of them cannot be followed, or the connection is lost.
        """
        if self._bar is not None:
            self._bar.start()
            ticks = self._handle.timer_watcher_create(1.0, lambda *_: self._show(0), repeat=1.0)
            ticks.start()
        try:
            for jobid in dict.fromkeys(map(int, jobids)):
                self._tally.accept()
                self._following.follow(jobid, JobToSubmit(None), announced=False)
            if not self._following.is_idle:
                self._handle.reactor_run()
        finally:
            if self._bar is not None:
                self._show(0)
                self._bar.stop()
            self._console.close()
        return self._tally.exit_code

    def _changed(self, ended: int) -> None:
        self._show(ended)
        if ended and self._following.is_idle:
            self._handle.reactor_stop()

    def _show(self, advance: int) -> None:
        tally = self._tally
        if self._bar is not None:
            show(self._bar, tally, advance, tally.finished, max(tally.submitted, 1))
