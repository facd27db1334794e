"""What the dashboard asks of its source of data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from flux.job.follow import Entries, Failed
from flux.wire.message import NODEID_ANY

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from flux.wire.json import JsonMapping, JsonObject
    from tui.model.dashboard import Dashboard
    from tui.model.instances import InstanceLook

ANSWER_SECONDS: Final = 10.0
"""How long an answer is waited for, unless said otherwise."""

JobItem = Entries | Failed
"""What is told of one job: new entries of one of its eventlogs, or why that cannot be read."""


class Feed(Protocol):
    """A source of one instance's data, and the actions on its jobs. Everything raises OSError when
    the instance refuses. ``uri`` is where it is asked, empty if nobody is.
    """

    uri: str

    async def run(self, dashboard: Dashboard) -> None:
        """Keep ``dashboard`` up to date until cancelled; connection loss is its own business and
        never raised.
        """

    def job_entries(self, jobid: int) -> AsyncGenerator[JobItem]:
        """Return a job's eventlogs from the beginning, then live; ends when the job has ended and
        all was read.
        """

    def log(self) -> AsyncGenerator[list[str]]:
        """Return the broker's log from its oldest entry, then live, in batches of RFC 5424
        lines.
        """

    async def lookup(self, jobid: int) -> JsonObject:
        """Return what is stored of a job: ``jobspec`` and, once allocated, ``R``."""

    async def cancel(self, jobid: int) -> None:
        """Cancel one job."""

    async def kill(self, jobid: int, signum: int) -> None:
        """Send a signal to the tasks of one running job."""

    async def ask(
        self,
        topic: str,
        payload: JsonMapping | None = None,
        rank: int = NODEID_ANY,
        timeout: float = ANSWER_SECONDS,
    ) -> JsonObject:
        """Send one request and return its answer; ``timeout`` is in seconds."""

    def listen(
        self,
        topic: str,
        payload: JsonMapping | None = None,
        rank: int = NODEID_ANY,
        cancel: str | None = "",
    ) -> AsyncGenerator[JsonObject]:
        """Return the answers of a streaming request until it ends; closing the generator cancels it
        by the topic ``cancel``: ``TOPIC-cancel`` for the empty string, None if there is none.
        """

    def events(self, prefix: str) -> AsyncGenerator[tuple[str, JsonObject]]:
        """Return topic and payload of each event message whose topic begins with ``prefix``, from
        now on.
        """

    async def look(self, uri: str = "") -> InstanceLook:
        """Return how many jobs the instance at ``uri``, by default this one, has in which state,
        and which of them are instances.
        """

    async def close(self) -> None:
        """End the connection."""


class Playback:
    """A feed of what was, that can be wound: all times are the recording's, in seconds since the
    epoch, or lengths in seconds.
    """

    position: float
    speed: float
    paused: bool
    turned_back: int
    """How often it has gone back in time."""
    uri = ""

    @property
    def started(self) -> float:
        """When it begins."""
        raise NotImplementedError

    @property
    def end(self) -> float:
        """When it ends, as far as is known by now."""
        raise NotImplementedError

    @property
    def failures(self) -> Sequence[float]:
        """When jobs failed."""
        raise NotImplementedError

    @property
    def remark(self) -> str:
        """What there is to say of it, nothing if it is sound and there is more to come."""
        raise NotImplementedError

    def seek(self, moment: float) -> None:
        """Go to a moment, the nearest there is."""
        raise NotImplementedError

    def skip(self, seconds: float) -> None:
        """Go so many seconds on, or back."""
        raise NotImplementedError

    def faster(self, step: int) -> None:
        """Play at the next higher or lower speed."""
        raise NotImplementedError

    def next_failure(self, step: int) -> bool:
        """Go to when the next job failed, or the one before for -1; tells whether there is one."""
        raise NotImplementedError
