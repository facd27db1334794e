"""The job manager's side of the resource allocation protocol (RFC 27)."""

from __future__ import annotations

import errno
from typing import Any

from broker.context import Context
from broker.service import Request, request
from broker.services.job_manager.base import ManagerBase
from broker.services.job_manager.states import Job
from flux.job.JobID import kvs_key
from flux.kvs_txn import PRIMARY
from flux.treeobj import decode_val
from flux.wire import json
from flux.wire.errors import error_of
from flux.wire.message import Message
from flux.wire.message import request as new_request

SUCCESS, ANNOTATE, DENY, CANCEL = range(4)


class SchedulerClient(ManagerBase):
    """Talks to the service named ``sched``."""

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._tags: dict[int, int] = {}

    @request("sched-hello")
    def sched_hello(self, req: Request) -> dict[str, Any]:
        """A scheduler starts: tell it which jobs have resources."""
        self.ctx.log.debug("scheduler: hello")
        self._lose_scheduler()
        holders = [job for job in self.machine.jobs.values() if job.has_resources]
        return {
            "alloc": [
                {
                    "id": job.id,
                    "priority": job.priority,
                    "userid": job.userid,
                    "t_submit": job.t_submit,
                    **({"R": job.resources} if job.resources is not None else {}),
                }
                for job in holders
            ]
        }

    @request("sched-ready")
    def sched_ready(self, req: Request) -> dict[str, Any]:
        """A scheduler takes requests now, ``limit`` of them at a time in mode ``limited``."""
        mode = req.get("mode", str)
        if mode == "single":
            limit: int | None = 1
        elif mode == "limited":
            limit = req.get("limit", int)
            if limit <= 0:
                raise OSError(errno.EPROTO, "limited mode needs a positive limit")
        elif mode == "unlimited":
            limit = None
        else:
            raise OSError(errno.EPROTO, f"unknown scheduler mode {mode}")
        self.ctx.log.debug(f"scheduler: ready {mode}")
        count = self.machine.sched_ready(limit)
        self.kick()
        return {"count": count}

    def send_alloc(self, job: Job, _: Any) -> None:
        """Ask the scheduler for resources."""
        payload = {
            "id": job.id,
            "priority": job.priority,
            "userid": job.userid,
            "t_submit": job.t_submit,
            "jobspec": _request_of(job),
        }
        self._tags[job.id] = self.ctx.handle.start_stream(
            new_request("sched.alloc", payload), self._alloc_response
        )

    def send_cancel(self, job: Job, _: Any) -> None:
        """Take an allocation request back."""
        self.ctx.handle.send("sched.cancel", {"id": job.id})

    def send_prioritize(self, job: Job, priority: int) -> None:
        """Tell the scheduler about a priority."""
        self.ctx.handle.send("sched.prioritize", {"jobs": [[job.id, priority]]})

    def send_free(self, job: Job, _: Any) -> None:
        """Return resources."""
        payload: dict[str, Any] = {"id": job.id}
        if job.resources is not None:
            payload["R"] = job.resources
        self.ctx.handle.post("sched.free", payload, self._free_response)

    def _alloc_response(self, msg: Message) -> None:
        if msg.errnum:
            self.ctx.handle.forget(msg.matchtag)
            self._scheduler_failed("alloc", msg)
            return
        answer = msg.json() or {}
        id, kind = int(answer.get("id", 0)), answer.get("type")
        if kind == ANNOTATE:
            self.machine.alloc_annotate(id, answer.get("annotations") or {})
        else:
            self._retire(id)
            if kind == SUCCESS:
                self._allocated(id, answer)
            elif kind == DENY:
                self.machine.alloc_deny(id, str(answer.get("note") or ""))
            elif kind == CANCEL:
                self.machine.alloc_canceled(id)
            else:
                self.ctx.log.err(f"sched.alloc: unknown response type {kind}")
        self.kick()

    def _retire(self, id: int) -> None:
        tag = self._tags.pop(id, None)
        if tag is not None:
            self.ctx.handle.forget(tag)

    def _allocated(self, id: int, answer: dict[str, Any]) -> None:
        resources, job = answer.get("R"), self.machine.jobs.get(id)
        if job is None:
            return
        if isinstance(resources, dict):
            self.journal.put(job, "R", json.dumps(resources))
            self.machine.alloc_success(id, resources, answer.get("annotations"))
        else:
            self.ctx.spawn(
                self._fetch_resources(id, answer.get("annotations")), f"job-manager:R:{id}"
            )

    async def _fetch_resources(self, id: int, annotations: dict[str, Any] | None) -> None:
        """Take R from the KVS, where an RFC 27 scheduler leaves it."""
        payload = {"key": kvs_key(id, "R"), "namespace": PRIMARY, "flags": 0}
        try:
            resources = json.loads(
                decode_val((await self.ctx.handle.rpc("kvs.lookup", payload))["val"])
            )
        except (OSError, ValueError, KeyError) as exc:
            self.machine.alloc_deny(id, f"R of job {id} cannot be read: {exc}")
        else:
            self.machine.alloc_success(id, resources, annotations)
        self.kick()

    def _free_response(self, msg: Message) -> None:
        if msg.errnum:
            self._scheduler_failed("free", msg)
            return
        self.machine.freed(int((msg.json() or {}).get("id", 0)))
        self.kick()

    def _scheduler_failed(self, what: str, msg: Message) -> None:
        if self.machine.sched_online:
            self.ctx.log.err(f"sched.{what}: {error_of(msg).strerror}: scheduling is suspended")
        self._lose_scheduler()

    def _lose_scheduler(self) -> None:
        for tag in self._tags.values():
            self.ctx.handle.forget(tag)
        self._tags.clear()
        self.machine.sched_lost()
        self.kick()


def _request_of(job: Job) -> dict[str, Any]:
    """Return what a scheduler needs of a jobspec: all but the tasks and the environment."""
    jobspec = job.jobspec or {}
    attributes = jobspec.get("attributes") or {}
    system = {
        key: value
        for key, value in (attributes.get("system") or {}).items()
        if key != "environment"
    }
    return {
        "version": jobspec.get("version", 1),
        "resources": jobspec.get("resources") or [],
        "attributes": {"system": system},
    }
