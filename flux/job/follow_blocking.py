"""The follower of a job on the reactor of a blocking handle: `flux job attach`, `flux mini run` and
their like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux.job.event import JobEventWatchFuture, event_watch_async
from flux.job.follow import MAIN, Entries, Item, JobFollower, LogEnded, Open, Step, entries_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.core.handle import Flux


class EventlogWatcher:
    """Watches the eventlogs of a job and gives each item to ``on_item``, `Ended` last; `start`
    begins it.

    ``on_item`` is called from the handle's reactor. It may `open` further eventlogs; what it raises
    ends the reactor's run.
    """

    def __init__(
        self, handle: Flux, jobid: int, follower: JobFollower, on_item: Callable[[Item], None]
    ) -> None:
        self._handle = handle
        self._jobid = jobid
        self._follower = follower
        self._on_item = on_item
        self._watches: dict[str, JobEventWatchFuture] = {}

    def start(self) -> None:
        """Begin with the job's own eventlog."""
        self.open(MAIN)

    def open(self, path: str) -> None:
        """Watch an eventlog; no effect if it was opened before."""
        self._perform(self._follower.open(path))

    def stop(self) -> None:
        """Watch no more; `Ended` still comes."""
        for watch in self._watches.values():
            watch.cancel()

    def _perform(self, steps: list[Step]) -> None:
        for step in steps:
            if isinstance(step, Open):
                self._watch(step.path)
            else:
                self._watches[step.path].cancel()

    def _watch(self, path: str) -> None:
        watch = self._watches[path] = event_watch_async(self._handle, self._jobid, path)
        watch.then(lambda _future: self._ready(path, watch))

    def _ready(self, path: str, watch: JobEventWatchFuture) -> None:
        try:
            line = watch.get_line()
        except OSError as error:
            failure = self._follower.failure(path, error)
            if failure is not None:
                self._on_item(failure)
            line = None
        if line is not None:
            entries = entries_of(line)
            self._on_item(Entries(path, entries))
            self._perform(self._follower.take(path, entries))
            return
        # Told first: whoever hears it may open another eventlog, and then it is not the end.
        self._on_item(LogEnded(path))
        ended = self._follower.end(path)
        if ended is not None:
            self._on_item(ended)
