"""Counts of jobs by state and result (flux.job.stats in the manual)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, ClassVar

from flux.rpc import RPC
from flux.wire.text import as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flux.core.interface import Requester
    from flux.wire.json import JsonMapping, JsonObject
    from flux.wire.text import Text


class JobStats:
    """Numbers of jobs of an instance, or of its ``queue`` or queues, by state and result; all are
    -1 until they are fetched.

    ``states`` and ``stats`` are their names in the answer, ``derived_stats`` those of sums.
    """

    states: ClassVar[tuple[str, ...]] = (
        *("depend", "priority", "sched", "run", "cleanup", "inactive", "total"),
    )
    stats: ClassVar[tuple[str, ...]] = (
        *("successful", "failed", "timeout", "canceled", "inactive_purged"),
    )
    derived_stats: ClassVar[tuple[str, ...]] = ("pending", "running", "active")

    def __init__(
        self, handle: Requester | None, queue: Text | Iterable[Text] | None = None
    ) -> None:
        self.handle = handle
        one = [queue] if isinstance(queue, str | bytes) else queue
        self.queues = [as_text(name, "queue") for name in one or ()]
        self.callback: Callable[..., object] | None = None
        self.cb_kwargs: JsonObject = {}
        self.depend = self.priority = self.sched = self.run = self.cleanup = self.inactive = -1
        self.failed = self.canceled = self.timeout = -1
        self.pending = self.running = self.active = self.successful = -1
        self.total = self.inactive_purged = -1

    def _query(self) -> RPC:
        if self.handle is None:
            raise OSError(errno.EINVAL, "these counts have no handle to ask")
        return RPC(self.handle, "job-list.job-stats", {})

    def _update(self, answer: JsonMapping) -> None:
        chosen = [self._of_queue(answer, name) for name in self.queues] or [answer]
        states = [counts["job_states"] for counts in chosen]
        for name in self.states[:-1]:
            setattr(self, name, sum(int(state[name]) for state in states))
        for name in ("failed", "timeout", "canceled"):
            setattr(self, name, sum(int(counts[name]) for counts in chosen))
        self.inactive_purged = sum(int(counts.get("inactive_purged", 0)) for counts in chosen)
        self.pending = self.depend + self.priority + self.sched
        self.running = self.run + self.cleanup
        self.active = self.pending + self.running
        self.total = self.active + self.inactive
        self.successful = self.inactive - self.failed

    @staticmethod
    def _of_queue(answer: JsonMapping, name: str) -> JsonMapping:
        for queue in answer.get("queues") or ():
            if queue.get("name") == name:
                found: JsonMapping = queue
                return found
        raise ValueError(f"no stats available for queue {name}")

    def _continue(self, rpc: RPC) -> None:
        self._update(rpc.get())
        if self.callback is not None:
            self.callback(self, **self.cb_kwargs)

    def update(self, callback: Callable[..., object] | None = None, **kwargs: object) -> None:
        """Fetch the counts while the reactor of the handle runs, then call ``callback(self,
        **kwargs)``.
        """
        self.callback = callback
        self.cb_kwargs = kwargs
        self._query().then(self._continue)

    def update_sync(self) -> None:
        """Fetch the counts and wait for them; raises OSError, ValueError for an unknown queue."""
        self._update(self._query().get())
