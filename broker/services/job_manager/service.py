"""The job manager module. Its requests are in the parts it is made of; docs/topics.md names the
module of each.
"""

from __future__ import annotations

import errno
from functools import partial
from typing import TYPE_CHECKING, Final

from broker.service import Service
from broker.services.job_manager.admin import QueueAdmin
from broker.services.job_manager.control import JobControl
from broker.services.job_manager.core import ManagerCore
from broker.services.job_manager.environment import EnvironmentPool
from broker.services.job_manager.execution import Execution
from broker.services.job_manager.history import History
from broker.services.job_manager.purge import JobPurge
from broker.services.job_manager.restart import CHECKPOINT_KEY
from broker.services.job_manager.resume import Resumption
from broker.services.job_manager.scheduling import Scheduling
from broker.services.job_manager.submission import Submissions
from flux.kvs_txn import commit_request, put_op
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broker.configuration import Config
    from broker.context import Context
    from flux.wire.json import JsonObject

SETTLE_SECONDS: Final = 240.0
CHECKPOINT_SECONDS: Final = 30.0


class JobManagerService(Service):
    """``job-manager`` on rank 0."""

    name = "job-manager"
    stop_timeout = 300.0  # a slow disk may take long; one that is full says so at once
    part_types = (
        Scheduling,  # sched-hello, sched-ready
        Execution,  # exec-hello
        Submissions,  # submit, getinfo
        JobControl,  # raise, kill, urgency, annotate, wait: one job or many
        QueueAdmin,  # submit-admin, alloc-admin, drain, idle, jobtap: the whole queue
        History,  # events-journal
        JobPurge,  # purge, purge-id
    )

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.core = ManagerCore(ctx, partial(self.add_handler, allow="guest"))
        self._environments = EnvironmentPool()
        self.submissions = Submissions(self.core, self._environments)
        self.control = JobControl(self.core)
        self.admin = QueueAdmin(self.core, self.submissions)
        self.history = History(self.core)
        self.purging = JobPurge(self.core, self.history)

    def parts(self) -> Sequence[object]:
        """Return the objects whose methods answer the requests."""
        return (
            self.core.scheduling,
            self.core.execution,
            self.submissions,
            self.control,
            self.admin,
            self.history,
            self.purging,
        )

    async def start(self, args: list[str]) -> None:
        """Load the plugins and the jobs of an earlier job manager."""
        core = self.core
        core.journal.durable = core.machine.hold_starts = self.ctx.store_persists
        core.plugins.load_builtins()
        self.admin.apply(self.ctx.config.job_manager.plugins)
        await Resumption(core, self._environments).restart()
        self._greet()
        core.turn_soon()

    def configure(self, config: Config) -> None:
        """Load and remove plugins as the configuration says now; limits are read with every
        heartbeat.
        """
        before = self.ctx.config.job_manager.plugins
        self.admin.replace(before, config.job_manager.plugins)

    def _greet(self) -> None:
        """Have a scheduler and an execution service that were there before introduce themselves
        again.
        """
        for topic in ("sched.hello-again", "job-exec.hello-again"):
            self.ctx.handle.post(topic, None, lambda msg: None)

    async def stop(self) -> None:
        """Write what is pending and leave a checkpoint; raises OSError if events could not be
        stored.
        """
        core = self.core
        core.turn()
        try:
            await core.journal.settle(SETTLE_SECONDS)
            await self._checkpoint()
        finally:
            readers = [reader.request for reader in core.readers.values()]
            for req in [*core.waits.waiters(), *core.quiet.all(), *readers]:
                req.error(errno.ENOSYS, "job-manager is being unloaded")
            core.readers.clear()

    async def _checkpoint(self) -> None:
        value = json.dumps({"max_jobid": self.core.machine.max_jobid})
        payload = commit_request([put_op(CHECKPOINT_KEY, value)])
        try:
            await self.ctx.handle.rpc("kvs.commit", payload, timeout=CHECKPOINT_SECONDS)
        except (OSError, TimeoutError) as exc:
            self.ctx.log.debug(f"checkpoint: {exc}")

    def on_disconnect(self, sender: str) -> None:
        """Forget the streams and waits of a client that went away."""
        core = self.core
        for key in [key for key in core.readers if key[0] == sender]:
            del core.readers[key]
        for req in [req for req in core.waits.waiters() if req.sender == sender]:
            core.waits.drop(req)
        core.quiet.drop_sender(sender)

    def stats(self) -> JsonObject:
        """Return counts of jobs, queue and journal."""
        machine, journal = self.core.machine, self.core.journal
        return {
            "active_jobs": len(machine.jobs),
            "inactive_jobs": len(self.core.inactive),
            "inactive_jobs_purged": self.purging.purged,
            "inactive_jobs_waitable": len(self.core.waits.zombies),
            "max_jobid": machine.max_jobid,
            "queue_length": len(machine.queue),
            "alloc_pending": len(machine.pending),
            "free_pending": machine.free_pending,
            "running": machine.running,
            "journal": {
                "listeners": len(self.core.readers),
                "commits": journal.commits,
                "events": journal.posted,
                "unsaved": journal.backlog,
            },
        }
