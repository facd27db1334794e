"""Counts of jobs by state and result (flux.job.stats in the manual)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, ClassVar, Self

from flux.rpc import RPC
from flux.wire.text import as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Self

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

    class QueueStats:
        """Numbers of jobs of one queue, as ``stats``, a member of the answer's ``queues``, has
        them; all are 0 without. Those of another queue can be added.
        """

        def __init__(self, stats: JsonMapping | None = None) -> None:
            told = stats or {}
            states = told.get("job_states") or {}
            self.queue_name = str(told.get("name", ""))
            self.depend, self.priority, self.sched, self.run, self.cleanup, self.inactive = (
                int(states.get(name, 0)) for name in JobStats.states[:-1]
            )
            self.failed, self.timeout, self.canceled, self.inactive_purged = (
                int(told.get(name, 0)) for name in JobStats.stats[1:]
            )

        @property
        def total(self) -> int:
            """All jobs that are listed."""
            return sum(getattr(self, name) for name in JobStats.states[:-1])

        @property
        def successful(self) -> int:
            """Inactive jobs that did not fail."""
            return self.inactive - self.failed

        def __iadd__(self, other: JobStats.QueueStats) -> Self:
            for name in (*JobStats.states[:-1], *JobStats.stats[1:]):
                setattr(self, name, getattr(self, name) + getattr(other, name))
            return self

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
        sums = self.QueueStats()
        for counts in chosen:
            sums += self.QueueStats(counts)
        for name in (*self.states, *self.stats):
            setattr(self, name, getattr(sums, name))
        self.pending = self.depend + self.priority + self.sched
        self.running = self.run + self.cleanup
        self.active = self.pending + self.running

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

    def update_sync(self) -> Self:
        """Fetch the counts, wait for them and return self; raises OSError, ValueError for an
        unknown queue.
        """
        self._update(self._query().get())
        return self
