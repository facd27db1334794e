"""Counts of jobs by state and result (flux.job.stats in the manual)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flux.rpc import RPC

if TYPE_CHECKING:
    from flux.core.handle import Flux

_STATES = ("depend", "priority", "sched", "run", "cleanup", "inactive")


class JobStats:
    """Job statistics as returned by ``job-list.job-stats``.

    Attributes:
        depend, priority, sched, run, cleanup, inactive: counts of jobs by state; -1 before the first update.
        failed, canceled, timeout: inactive jobs by how they ended; successful: the rest of them.
        active, pending, running: sums of states.
    """

    def __init__(self, handle: Flux) -> None:
        self.handle = handle
        self.callback: Callable[..., Any] | None = None
        self.cb_kwargs: dict[str, Any] = {}
        self.depend = self.priority = self.sched = self.run = self.cleanup = self.inactive = -1
        self.failed = self.canceled = self.timeout = self.successful = -1
        self.active = self.pending = self.running = -1

    def _query(self) -> RPC:
        return RPC(self.handle, "job-list.job-stats", {})

    def _update(self, rpc: RPC) -> None:
        answer = rpc.get()
        for state in _STATES:
            setattr(self, state, answer["job_states"][state])
        self.failed, self.canceled, self.timeout = answer["failed"], answer["canceled"], answer["timeout"]
        self.successful = self.inactive - self.failed
        self.active = answer["job_states"]["total"] - self.inactive
        self.pending = self.depend + self.priority + self.sched
        self.running = self.run + self.cleanup
        if self.callback is not None:
            self.callback(self, **self.cb_kwargs)

    def update(self, callback: Callable[..., Any] | None = None, **kwargs: Any) -> None:
        """Fetch the counts asynchronously; the handle's reactor must run.

        Args:
            callback: called as ``callback(self, **kwargs)`` when the counts are there.
            kwargs: extra keyword arguments for the callback.
        """
        self.callback, self.cb_kwargs = callback, kwargs
        self._query().then(self._update)

    def update_sync(self) -> None:
        """Fetch the counts and wait for them; raises OSError."""
        self.callback = None
        self._update(self._query())
