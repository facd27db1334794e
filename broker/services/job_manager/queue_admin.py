"""Requests about queues (flux-queue(1)): submission, scheduling, waiting for quiet.

``submit-admin`` and ``alloc-admin`` are those of flux-core 0.29, for the queue without a name;
``queue-list``, ``queue-status``, ``queue-enable`` and ``queue-start`` are about named ones too.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from broker.service import NO_REPLY, request
from broker.services.job_manager.queues import QueueSwitch
from broker.services.job_manager.restart import CHECKPOINT_KEY
from flux.kvs_txn import SYNC, commit_request, put_op
from flux.wire import json
from flux.wire.errors import OWNER_ONLY

if TYPE_CHECKING:
    from broker.service import Reply, Request
    from broker.services.job_manager.core import ManagerCore
    from broker.services.job_manager.queues import QueueState
    from flux.wire.json import JsonObject

CHECKPOINT_SECONDS: Final = 30.0
MAX_REASON: Final = 1 << 14
OFFLINE: Final = QueueSwitch(False, "Scheduler is offline")
"""How scheduling is where there is no scheduler, whoever stopped or started a queue."""


class QueueAdmin:
    """Enabling submission, starting scheduling, waiting for quiet; states are saved at once."""

    def __init__(self, core: ManagerCore) -> None:
        self._core = core

    @request("submit-admin", allow="guest")
    async def submit_admin(self, req: Request) -> JsonObject:
        """Enable or disable submission {query_only, enable, reason}; answers with the names of
        queues if there are any.
        """
        queues = self._core.machine.queues
        if not req.get("query_only", bool) and self._change_submission(req, "enable"):
            await self.save()
        queue = queues.anonymous
        answer: JsonObject = {"enable": queue.submission.on, "reason": queue.submission.reason}
        return answer | ({"queues": queues.names} if queues.names else {})

    @request("alloc-admin", allow="guest")
    async def alloc_admin(self, req: Request) -> JsonObject:
        """Start or stop scheduling {query_only, enable, reason}."""
        save = not req.get("query_only", bool) and self._change_scheduling(req, "enable")
        switch = self._core.machine.queues.anonymous.scheduling
        if not self._core.machine.sched_online:
            switch = OFFLINE
        answer: JsonObject = {"enable": switch.on, "reason": switch.reason}
        answer |= self._counters()
        if save:
            await self.save()
        return answer

    @request("alloc-query", allow="guest")
    def alloc_query(self, req: Request) -> JsonObject:
        """Count jobs that wait for the scheduler, its requests, and running jobs."""
        return self._counters()

    def _counters(self) -> JsonObject:
        machine = self._core.machine
        return {
            "queue_length": machine.queues.waiting,
            "alloc_pending": machine.queues.pending,
            "free_pending": machine.free_pending,
            "running": machine.running,
        }

    @request("queue-list", allow="guest")
    def queue_list(self, req: Request) -> JsonObject:
        """Name the configured queues; none where there is but the one without a name."""
        return {"queues": self._core.machine.queues.names}

    @request("queue-status", allow="guest")
    def queue_status(self, req: Request) -> JsonObject:
        """Tell whether submission and scheduling of the queue {name} are on, and why not."""
        (queue,) = self._core.machine.queues.select(req.get("name", str, None))
        return queue.status() if self._core.machine.sched_online else queue.status(OFFLINE)

    @request("queue-enable")
    async def queue_enable(self, req: Request) -> None:
        """Enable or disable submission {enable, name or all, reason, nocheckpoint}."""
        if self._change_submission(req, "enable"):
            await self.save()

    @request("queue-start")
    async def queue_start(self, req: Request) -> None:
        """Start or stop scheduling {start, name or all, reason, nocheckpoint}."""
        if self._change_scheduling(req, "start"):
            await self.save()

    def _change_submission(self, req: Request, key: str) -> bool:
        """Enable or disable queues; returns whether their states are to be saved."""
        switch, save, chosen = self._change(req, key)
        for queue in chosen:
            queue.enable(switch, save=save)
        return save

    def _change_scheduling(self, req: Request, key: str) -> bool:
        """Start or stop queues; returns whether their states are to be saved."""
        switch, save, chosen = self._change(req, key)
        for queue in chosen:
            self._core.machine.start_queue(queue, switch, save=save)
        self._core.turn_soon()
        return save

    def _change(self, req: Request, key: str) -> tuple[QueueSwitch, bool, list[QueueState]]:
        """Return what a request changes: to what, whether for longer than this run, of which
        queues. Raises OSError.
        """
        if not req.is_owner:
            raise OSError(errno.EPERM, OWNER_ONLY)
        on, reason = req.get(key, bool), req.get("reason", str, "")
        if len(reason) > MAX_REASON:
            raise OSError(errno.EINVAL, f"a reason has at most {MAX_REASON} characters")
        chosen = self._core.machine.queues.select(
            req.get("name", str, None), req.get("all", bool, False)
        )
        return (
            QueueSwitch(on, "" if on else reason),
            not req.get("nocheckpoint", bool, False),
            chosen,
        )

    async def save(self) -> None:
        """Keep the states of the queues, and the greatest job id, for the next start.

        Raises OSError saying that they are not kept; they hold all the same.
        """
        machine = self._core.machine
        value = {"version": 1, "max_jobid": machine.max_jobid, "queue": machine.queues.save()}
        ops = [put_op(CHECKPOINT_KEY, json.dumps(value))]
        flags = SYNC if self._core.journal.durable else 0
        try:
            await self._core.ctx.handle.rpc(
                "kvs.commit", commit_request(ops, flags), timeout=CHECKPOINT_SECONDS
            )
        except OSError as exc:
            if exc.errno != errno.ENOSYS:
                text = f"done, but a restart will not know of it: {exc.strerror or 'timeout'}"
                raise OSError(exc.errno, text) from None

    @request("drain")
    def drain(self, req: Request) -> Reply:
        """Answer when there is no active job left, in the queue {name} if that is given."""
        self._core.quiet.drain.append((req, self._named(req)))
        self._core.turn_soon()
        return NO_REPLY

    @request("idle")
    def idle(self, req: Request) -> Reply:
        """Answer with the number of pending jobs when no job is running, in the queue {name} if
        that is given.
        """
        self._core.quiet.idle.append((req, self._named(req)))
        self._core.turn_soon()
        return NO_REPLY

    def _named(self, req: Request) -> str | None:
        name = req.get("name", str, None)
        if name is not None:
            self._core.machine.queues.select(name)
        return name
