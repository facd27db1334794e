"""What the dashboard asks of its source of data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from flux.job.follow import Entries, Failed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from flux.wire.json import JsonObject
    from tui.model.dashboard import Dashboard

JobItem = Entries | Failed
"""What is told of one job: new entries of one of its eventlogs, or why that cannot be read."""


class Feed(Protocol):
    """A source of one instance's data, and the actions on its jobs. Everything raises OSError when
    the instance refuses.
    """

    async def run(self, dashboard: Dashboard) -> None:
        """Keep ``dashboard`` up to date until cancelled; connection loss is its own business and
        never raised.
        """

    def job_entries(self, jobid: int) -> AsyncIterator[JobItem]:
        """Return a job's eventlogs from the beginning, then live; ends when the job has ended and
        all was read.
        """

    def log(self) -> AsyncIterator[list[str]]:
        """Return the broker's log from its oldest entry, then live, in batches of RFC 5424
        lines.
        """

    async def lookup(self, jobid: int) -> JsonObject:
        """Return what is stored of a job: ``jobspec`` and, once allocated, ``R``."""

    async def cancel(self, jobid: int) -> None:
        """Cancel one job."""

    async def kill(self, jobid: int, signum: int) -> None:
        """Send a signal to the tasks of one running job."""

    async def close(self) -> None:
        """End the connection."""
