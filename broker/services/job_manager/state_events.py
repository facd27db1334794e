"""Events ``job-state``: which state each job has come to, for whoever subscribes.

They cost as much as another reader of the journal, so they are published only while somebody does
(``event.interest``). A subscriber sees no state of a job before the job's eventlog has it.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from broker.services.job_manager.events import VOLATILE
from flux.job.lifecycle import INACTIVE, NEW, observed_state
from flux.job.state_names import state_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from broker.context import Context
    from broker.services.job_manager.events import JournalEvent

TOPIC: Final = "job-state"

Transition = tuple[int, str, float]
"""A job's id, the name of its new state, and when it came to it in seconds since the epoch."""


class StateChanges:
    """Finds what in a series of events changes states. Pure.

    The state of a job that is seen first in the middle of its life follows from the events before.
    """

    def __init__(self) -> None:
        self._states: dict[int, int] = {}

    def take(self, events: Iterable[JournalEvent]) -> list[Transition]:
        """Return the transitions that stored events make."""
        found: list[Transition] = []
        states = self._states
        for event in events:
            if event.seq == VOLATILE:
                continue
            id, entry = event.job.id, event.entry
            before = states.get(id)
            if before is None:
                before = _state_at(event)
            after = observed_state(before, entry["name"], entry.get("context"))
            if after != before:
                found.append((id, state_name(after), entry["timestamp"]))
            if after == INACTIVE:
                states.pop(id, None)
            else:
                states[id] = after
        return found


def _state_at(event: JournalEvent) -> int:
    """Return the state of a job before an event."""
    state = NEW
    for entry in event.job.entries[: event.seq]:
        state = observed_state(state, entry["name"], entry.get("context"))
    return state


class StateEvents:
    """Publishes the transitions of the journal's events while somebody subscribes to them."""

    def __init__(self, ctx: Context, publish: Callable[[str, object], None]) -> None:
        self._ctx = ctx
        self._publish = publish
        self._changes: StateChanges | None = None

    @property
    def wanted(self) -> bool:
        """Whether anybody subscribes."""
        return self._changes is not None

    async def follow_interest(self) -> None:
        """Learn, until the job manager ends, whether anybody subscribes."""
        try:
            async with self._ctx.handle.stream("event.interest", {"topic": TOPIC}) as stream:
                async for answer in stream:
                    self.want(bool(answer["wanted"]))
        except OSError as exc:
            if exc.errno not in (errno.ENOSYS, errno.ECONNRESET):
                self._ctx.log.err(f"event.interest: {exc.strerror}")

    def want(self, wanted: bool) -> None:
        """Somebody subscribes, or nobody any more."""
        if wanted != self.wanted:
            self._changes = StateChanges() if wanted else None

    def send(self, events: Iterable[JournalEvent]) -> None:
        """Publish what events of the journal, which are stored, change."""
        if self._changes is not None:
            transitions = self._changes.take(events)
            if transitions:
                self._publish(TOPIC, {"transitions": transitions})
