"""The job manager module; its requests are in the classes it is made of."""

from __future__ import annotations

import errno
from typing import Any, Final

from broker.services.job_manager.admin import QueueAdmin
from broker.services.job_manager.control import JobControl
from broker.services.job_manager.execution import ExecutionClient
from broker.services.job_manager.purge import JobPurge
from broker.services.job_manager.restart import CHECKPOINT_KEY
from flux.kvs_txn import commit_request, put_op
from flux.wire import json

SETTLE_SECONDS: Final = 240.0
CHECKPOINT_SECONDS: Final = 30.0


class JobManagerService(ExecutionClient, JobControl, QueueAdmin, JobPurge):
    """``job-manager`` on rank 0."""

    stop_timeout = 300.0  # a slow disk may take long; one that is full says so at once

    async def start(self, args: list[str]) -> None:
        """Load the plugins and the jobs of an earlier job manager."""
        self.journal.durable = self.machine.hold_starts = self._store_survives()
        self.plugins.load_builtins()
        await self.restart()
        self._greet()
        self.kick()

    def _greet(self) -> None:
        """Have a scheduler and an execution service that were there before introduce themselves
        again.
        """
        for topic in ("sched.hello-again", "job-exec.hello-again"):
            self.ctx.handle.post(topic, None, lambda msg: None)

    def _store_survives(self) -> bool:
        """Whether the content store is kept beyond the instance, so that what is told about a job
        must be, too.
        """
        path = self.ctx.attrs.get("content.backing-path")
        return bool(path) and not str(path).startswith(f"{self.ctx.rundir}/")

    async def stop(self) -> None:
        """Write what is pending and leave a checkpoint; raises OSError if events could not be
        stored.
        """
        self.turn()
        try:
            await self.journal.settle(SETTLE_SECONDS)
            await self._checkpoint()
        finally:
            for req in [*self.waits.waiters(), *self.drain_waiters, *self.idle_waiters]:
                req.error(errno.ENOSYS, "job-manager is being unloaded")
            for reader in self.readers.values():
                reader.request.error(errno.ENOSYS, "job-manager is being unloaded")
            self.readers.clear()

    async def _checkpoint(self) -> None:
        checkpoint = put_op(CHECKPOINT_KEY, json.dumps({"max_jobid": self.machine.max_jobid}))
        try:
            await self.ctx.handle.rpc(
                "kvs.commit", commit_request([checkpoint]), timeout=CHECKPOINT_SECONDS
            )
        except (OSError, TimeoutError) as exc:
            self.ctx.log.debug(f"checkpoint: {exc}")

    def on_disconnect(self, sender: str) -> None:
        """Forget the streams and waits of a client that went away."""
        for key in [key for key in self.readers if key[0] == sender]:
            del self.readers[key]
        for req in [req for req in self.waits.waiters() if req.sender == sender]:
            self.waits.drop(req)
        self.drain_waiters = [req for req in self.drain_waiters if req.sender != sender]
        self.idle_waiters = [req for req in self.idle_waiters if req.sender != sender]

    def stats(self) -> dict[str, Any]:
        """Return counts of jobs, queue and journal."""
        machine = self.machine
        return {
            "active_jobs": len(machine.jobs),
            "inactive_jobs": len(self.inactive),
            "inactive_jobs_purged": self.purged,
            "inactive_jobs_waitable": len(self.waits.zombies),
            "max_jobid": machine.max_jobid,
            "queue_length": len(machine.queue),
            "alloc_pending": len(machine.pending),
            "free_pending": machine.free_pending,
            "running": machine.running,
            "journal": {
                "listeners": len(self.readers),
                "commits": self.journal.commits,
                "events": self.journal.posted,
                "unsaved": self.journal.backlog,
            },
        }
