"""The bar that shows how far many jobs are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flux.progress import ProgressBar
    from fluxctl.mini.tally import Tally


def progress_bar(total: int, *, waits: bool, jps: bool) -> ProgressBar:
    """Return a bar for so many jobs, whose ends are waited for, or else their submissions; with
    jobs per second or with the time.
    """
    from flux.progress import ProgressBar

    before = "Submitting {total} jobs: "
    if waits:
        before = "PD:{pending} R:{running} CD:{complete} F:{failed} "
    after = "{percent:5.1f}% {elapsed.dt}"
    if jps:
        after = "{percent:5.1f}% {jps:4.1f} job/s"
    return ProgressBar(
        total=total,
        before=before,
        after=after,
        pending=0,
        running=0,
        complete=0,
        failed=0,
        jps=0.0,
    )


def show(bar: ProgressBar, tally: Tally, advance: int, done: int, total: int) -> None:
    """Bring a bar up to date; of ``total`` jobs so many are ``done``, ``advance`` more than it
    shows.
    """
    elapsed = float(bar.elapsed)
    bar.update(
        advance=advance,
        total=total,
        pending=tally.pending,
        running=tally.running,
        complete=tally.complete,
        failed=tally.failed,
        jps=done / elapsed if elapsed > 0 else 0.0,
    )
