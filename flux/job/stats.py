"""Counts of jobs by state and result (flux.job.stats in the manual)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux.rpc import RPC

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.core.interface import Requester
    from flux.wire.json import JsonObject


class JobStats:
    """Numbers of jobs of an instance by state and result; all are -1 until they are fetched."""

    def __init__(self, handle: Requester) -> None:
        self.handle = handle
        self.callback: Callable[..., object] | None = None
        self.cb_kwargs: JsonObject = {}
        self.depend = self.priority = self.sched = self.run = self.cleanup = self.inactive = -1
        self.failed = self.canceled = self.timeout = -1
        self.pending = self.running = self.active = self.successful = -1

    def _query(self) -> RPC:
        return RPC(self.handle, "job-list.job-stats", {})

    def _update(self, answer: JsonObject) -> None:
        for name in ("depend", "priority", "sched", "run", "cleanup", "inactive"):
            setattr(self, name, answer["job_states"][name])
        self.failed, self.canceled, self.timeout = (
            answer["failed"],
            answer["canceled"],
            answer["timeout"],
        )
        self.pending = self.depend + self.priority + self.sched
        self.running = self.run + self.cleanup
        self.active = self.pending + self.running
        self.successful = self.inactive - self.failed

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
        """Fetch the counts and wait for them; raises OSError."""
        self._update(self._query().get())
