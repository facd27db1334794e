"""The job manager module. Its requests are in the parts it is made of; docs/topics.md names the
module of each.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from broker.jobtap.files import MULTIFACTOR
from broker.service import Service
from broker.services.job_manager.control import JobControl
from broker.services.job_manager.core import ManagerCore
from broker.services.job_manager.environment import EnvironmentPool
from broker.services.job_manager.execution import Execution
from broker.services.job_manager.history import History
from broker.services.job_manager.housekeeping import Housekeeping
from broker.services.job_manager.job_submit import JobSubmit
from broker.services.job_manager.listing import ActiveList
from broker.services.job_manager.plugin_admin import PluginAdmin
from broker.services.job_manager.policy import JobPolicy
from broker.services.job_manager.posting import EventPosting
from broker.services.job_manager.purge import JobPurge
from broker.services.job_manager.queue_admin import QueueAdmin
from broker.services.job_manager.resume import Resumption
from broker.services.job_manager.scheduling import Scheduling
from broker.services.job_manager.submission import Submissions
from broker.services.job_manager.updating import JobUpdates
from broker.services.job_manager.wait_reasons import WaitReasons

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broker.configuration import Config
    from broker.context import Context
    from broker.service import BoundHandler
    from flux.wire.json import JsonObject

SETTLE_SECONDS: Final = 240.0
PLUGINS_SECONDS: Final = 10.0


class PluginServices:
    """The topics that plugins answer, among those of the service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def add_handler(self, topic: str, handler: BoundHandler) -> None:
        """Answer requests for ``topic``, guests' too: the plugin decides. Raises OSError(EEXIST)
        if there is a handler.
        """
        if self._service.answers(topic):
            raise OSError(errno.EEXIST, f"the service {topic} exists")
        self._service.add_handler(topic, handler, allow="guest")

    def remove_handler(self, topic: str) -> None:
        """Undo `add_handler`."""
        self._service.remove_handler(topic)


class JobManagerService(Service):
    """``job-manager`` on rank 0."""

    name = "job-manager"
    stop_timeout = 300.0  # a slow disk may take long; one that is full says so at once
    part_types = (
        Scheduling,  # sched-hello, sched-ready
        Execution,  # exec-hello
        Submissions,  # submit, getinfo
        JobUpdates,  # update
        JobControl,  # raise, kill, urgency, annotate, wait: one job or many
        WaitReasons,  # pending-reasons
        ActiveList,  # list
        QueueAdmin,  # queue-*, submit-admin, alloc-admin, drain, idle: whole queues
        PluginAdmin,  # jobtap
        History,  # events-journal
        JobPurge,  # purge, purge-id
        EventPosting,  # post-event.post
        Housekeeping,  # housekeeping-kill
    )

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.core = ManagerCore(ctx, PluginServices(self))
        self._environments = EnvironmentPool()
        self.job_submit = JobSubmit(self.core)
        self.submissions = Submissions(self.core, self._environments, self.job_submit)
        self.updates = JobUpdates(self.core, self.submissions)
        self.control = JobControl(self.core, self.updates)
        self.reasons = WaitReasons(self.core)
        self.active = ActiveList(self.core)
        self.queues = QueueAdmin(self.core)
        self.plugins = PluginAdmin(self.core, self.job_submit)
        self.history = History(self.core)
        self.purging = JobPurge(self.core, self.history)
        self.posting = EventPosting(self.core)

    def parts(self) -> Sequence[object]:
        """Return the objects whose methods answer the requests."""
        return (
            self.core.scheduling,
            self.core.execution,
            self.submissions,
            self.updates,
            self.control,
            self.reasons,
            self.active,
            self.queues,
            self.plugins,
            self.history,
            self.purging,
            self.posting,
            self.core.housekeeping,
        )

    async def start(self, args: list[str]) -> None:
        """Load the plugins and the jobs of an earlier job manager."""
        core = self.core
        core.journal.durable = core.machine.hold_starts = self.ctx.store_persists
        core.machine.configure_queues(self.ctx.config.queues)
        core.plugins.load_builtins()
        self._configure_priority(self.ctx.config)
        self.plugins.apply(enumerate(self.ctx.config.job_manager.plugins))
        await self.examine(self.ctx.config)
        self.job_submit.configure(self.ctx.config)
        await Resumption(core, self._environments).restart()
        self._greet()
        core.lifetime.begin()
        self.ctx.spawn(core.journal.state_events.follow_interest(), "job-manager:job-state")
        core.turn_soon()

    async def examine(self, config: Config) -> None:
        """Load the job-submit plugins that a configuration names; raises OSError for one that
        cannot be.
        """
        await self.job_submit.examine(config)

    def configure(self, config: Config) -> None:
        """Take queues and their rules, load and remove plugins, as the configuration says now;
        limits for inactive jobs are read with every heartbeat.
        """
        before = self.ctx.config.job_manager.plugins
        self.plugins.replace(before, config.job_manager.plugins)
        self._configure_priority(config)
        self.submissions.policy = JobPolicy(config)
        self.job_submit.configure(config)
        self.core.machine.configure_queues(config.queues)
        self.core.turn_soon()

    def _configure_priority(self, config: Config) -> None:
        """Load, configure or remove the plugin that ``[priority]`` asks for."""
        conf: JsonObject | None = None
        if config.priority is not None and config.priority.acts:
            conf = {key: config.tables.get(key, {}) for key in ("priority", "queues")}
        self.core.plugins.configure(MULTIFACTOR, conf)

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
        await self.job_submit.close()
        core.turn()
        try:
            await core.journal.settle(SETTLE_SECONDS)
            await self._leave_checkpoint()
            await core.plugins.finish(PLUGINS_SECONDS)
        finally:
            readers = [reader.request for reader in core.readers.values()]
            for req in [*core.waits.waiters(), *core.quiet.all(), *readers]:
                req.error(errno.ENOSYS, "job-manager is being unloaded")
            core.readers.clear()
            core.plugins.unload_all()

    async def _leave_checkpoint(self) -> None:
        try:
            await self.queues.save()
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
        core.scheduling.forget(sender)

    def stats_today(self) -> JsonObject:
        """Return after which jobs it is tidied up."""
        return {"housekeeping": self.core.housekeeping.facts()}

    def stats(self) -> JsonObject:
        """Return counts of jobs, queue and journal."""
        machine, journal = self.core.machine, self.core.journal
        return {
            "active_jobs": len(machine.jobs),
            "inactive_jobs": len(self.core.inactive),
            "inactive_jobs_purged": self.purging.purged,
            "inactive_jobs_waitable": len(self.core.waits.zombies),
            "max_jobid": machine.max_jobid,
            "queue_length": machine.queues.waiting,
            "alloc_pending": machine.queues.pending,
            "free_pending": machine.free_pending,
            "running": machine.running,
            "journal": {
                "listeners": len(self.core.readers),
                "commits": journal.commits,
                "events": journal.posted,
                "unsaved": journal.backlog,
            },
        }
