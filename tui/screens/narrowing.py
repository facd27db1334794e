"""From a view to the jobs it is about: the table of jobs, filtered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.model.query import QueryError

if TYPE_CHECKING:
    from tui.screens.live import LiveScreen


def show_jobs(screen: LiveScreen, query: str) -> None:
    """Go back to the jobs of the screen's instance and show those that ``query`` finds."""
    from tui.screens.jobs import JobsScreen
    from tui.views import JOBS

    try:
        screen.dashboard.set_query(query)
    except QueryError as error:
        screen.notify(str(error), severity="warning")
        return
    screen.top.show_view(JOBS)
    jobs = screen.top.live_screens[-1]
    if isinstance(jobs, JobsScreen):
        jobs.set_filter(query)
