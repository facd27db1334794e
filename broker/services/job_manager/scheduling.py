"""The job manager's side of the resource allocation protocol (RFC 27)."""

from __future__ import annotations

import errno
from functools import partial
from typing import TYPE_CHECKING

from broker.service import request
from flux.job.JobID import kvs_key
from flux.kvs_txn import PRIMARY
from flux.treeobj import decode_val
from flux.wire import json
from flux.wire.errors import error_of
from flux.wire.message import request as new_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.context import Context
    from broker.service import Request
    from broker.services.job_manager.journal import Journal
    from broker.services.job_manager.machine import Machine
    from broker.services.job_manager.states import Job
    from flux.wire.json import JsonObject
    from flux.wire.message import Message

SUCCESS, ANNOTATE, DENY, CANCEL = range(4)


class Scheduling:
    """Talks to the service named ``sched``."""

    def __init__(
        self,
        ctx: Context,
        machine: Machine,
        journal: Journal,
        turn_soon: Callable[[], None],
        held: Callable[[], list[JsonObject]] = list,
    ) -> None:
        self._held = held
        self._ctx = ctx
        self._machine = machine
        self._journal = journal
        self._turn_soon = turn_soon
        self._tags: dict[int, int] = {}
        self._priorities: dict[int, int] = {}
        self._scheduler: str | None = None
        self._freeing: set[int] = set()
        self._parts: list[JsonObject] = []
        self._generation = 0  # answers of a scheduler that is gone say nothing about the next one

    @request("sched-hello")
    def sched_hello(self, req: Request) -> JsonObject:
        """A scheduler starts: tell it which jobs have resources."""
        self._ctx.log.debug("scheduler: hello")
        self._lose_scheduler()
        self._scheduler = req.sender
        self._machine.sched_arrives()
        holders = [job for job in self._machine.jobs.values() if job.has_resources]
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
            + self._held()
        }

    @request("sched-ready")
    def sched_ready(self, req: Request) -> JsonObject:
        """A scheduler takes requests now, ``limit`` of them at a time in mode ``limited``."""
        mode = req.get("mode", str)
        limit = _limit(req, mode)
        self._ctx.log.debug(f"scheduler: ready {mode}")
        count = self._machine.sched_ready(limit)
        parts, self._parts = self._parts, []
        for part in parts:
            self.free_part(part)
        self._turn_soon()
        return {"count": count}

    def ask(self, job: Job) -> None:
        """Ask the scheduler for resources."""
        payload = {
            "id": job.id,
            "priority": job.priority,
            "userid": job.userid,
            "t_submit": job.t_submit,
            "jobspec": _request_of(job),
        }
        self._tags[job.id] = self._ctx.handle.start_stream(
            new_request("sched.alloc", payload), self._alloc_response
        )

    def cancel(self, job: Job) -> None:
        """Tell the scheduler that a request for resources is off."""
        self._ctx.handle.send("sched.cancel", {"id": job.id})

    def prioritize(self, job: Job, priority: int) -> None:
        """Tell the scheduler about a priority at the end of the turn."""
        self._priorities[job.id] = priority

    def send_priorities(self) -> None:
        """Tell the scheduler about the priorities of this turn."""
        if self._priorities:
            jobs = [[id, priority] for id, priority in self._priorities.items()]
            self._priorities.clear()
            self._ctx.handle.send("sched.prioritize", {"jobs": jobs})

    def free(self, job: Job) -> None:
        """Give the resources of a job back; without a scheduler they are free at once."""
        id = job.id
        if self._machine.sched_arriving:
            self._machine.free_later(id)
        elif not self._machine.sched_online:
            self._ctx.call_soon(lambda: self._freed(id))
        else:
            payload: JsonObject = {"id": id}
            if job.resources is not None:
                payload["R"] = job.resources
            self._freeing.add(id)
            self._ctx.handle.post("sched.free", payload, partial(self._free_response, id))

    def free_part(self, payload: JsonObject) -> None:
        """Give back resources {id, R, final?} of a job that is over; whether that worked nobody
        waits for.
        """
        if self._machine.sched_arriving:
            self._parts.append(payload)
        elif self._machine.sched_online:
            self._ctx.handle.post("sched.free", payload, lambda _: None)

    def _alloc_response(self, msg: Message) -> None:
        if msg.errnum:
            self._ctx.handle.forget(msg.matchtag)
            self._scheduler_failed("alloc", msg)
            return
        answer = msg.json() or {}
        id, kind = int(answer.get("id", 0)), answer.get("type")
        if kind == ANNOTATE:
            self._machine.alloc_annotate(id, answer.get("annotations") or {})
        else:
            self._retire(id)
            if kind == SUCCESS:
                self._allocated(id, answer)
            elif kind == DENY:
                self._machine.alloc_deny(id, str(answer.get("note") or ""))
            elif kind == CANCEL:
                self._machine.alloc_canceled(id)
            else:
                self._ctx.log.err(f"sched.alloc: unknown response type {kind}")
        self._turn_soon()

    def _retire(self, id: int) -> None:
        tag = self._tags.pop(id, None)
        if tag is not None:
            self._ctx.handle.forget(tag)

    def _allocated(self, id: int, answer: JsonObject) -> None:
        resources, job = answer.get("R"), self._machine.jobs.get(id)
        if job is None:
            return
        if job.alloc_outdated:
            self._give_back(id, resources)
        elif isinstance(resources, dict):
            self._journal.put(job, "R", json.dumps(resources))
            self._machine.alloc_success(id, resources, answer.get("annotations"))
        else:
            self._ctx.spawn(
                self._fetch_resources(id, answer.get("annotations")), f"job-manager:R:{id}"
            )

    def _give_back(self, id: int, resources: object) -> None:
        """Return what was given to a job that asks for something else by now; then it asks."""
        generation = self._generation

        def freed(msg: Message) -> None:
            if generation != self._generation:
                return
            if msg.errnum:
                self._scheduler_failed("free", msg)
                return
            self._machine.alloc_canceled(id)
            self._turn_soon()

        payload: JsonObject = {"id": id}
        if isinstance(resources, dict):
            payload["R"] = resources
        self._ctx.handle.post("sched.free", payload, freed)

    async def _fetch_resources(self, id: int, annotations: JsonObject | None) -> None:
        """Take R from the KVS, where an RFC 27 scheduler leaves it."""
        payload = {"key": kvs_key(id, "R"), "namespace": PRIMARY, "flags": 0}
        try:
            resources = json.loads(
                decode_val((await self._ctx.handle.rpc("kvs.lookup", payload))["val"])
            )
        except (OSError, ValueError, KeyError) as exc:
            self._machine.alloc_deny(id, f"R of job {id} cannot be read: {exc}")
        else:
            job = self._machine.jobs.get(id)
            if job is not None and job.alloc_outdated:
                self._give_back(id, resources)
            else:
                self._machine.alloc_success(id, resources, annotations)
        self._turn_soon()

    def _free_response(self, id: int, msg: Message) -> None:
        if id not in self._freeing:
            return
        if msg.errnum:
            self._scheduler_failed("free", msg)
        else:
            self._freed(id)

    def _freed(self, id: int) -> None:
        self._freeing.discard(id)
        self._machine.freed(id)
        self._turn_soon()

    def forget(self, sender: str) -> None:
        """``sender`` has gone: nothing is scheduled any more if that was the scheduler."""
        if sender == self._scheduler:
            self._ctx.log.debug("scheduler: gone")
            self._lose_scheduler()

    def _scheduler_failed(self, what: str, msg: Message) -> None:
        if self._machine.sched_online:
            self._ctx.log.err(f"sched.{what}: {error_of(msg).strerror}: scheduling is suspended")
        self._lose_scheduler()

    def _lose_scheduler(self) -> None:
        for tag in self._tags.values():
            self._ctx.handle.forget(tag)
        self._tags.clear()
        self._scheduler = None
        self._generation += 1
        self._parts.clear()
        self._machine.sched_lost()
        for id in list(self._freeing):
            self._freed(id)
        self._turn_soon()


def _limit(req: Request, mode: str) -> int | None:
    """Return how many requests a scheduler takes at a time, None for any number."""
    if mode == "single":
        return 1
    if mode == "unlimited":
        return None
    if mode != "limited":
        raise OSError(errno.EPROTO, f"unknown scheduler mode {mode}")
    limit = req.get("limit", int)
    if limit <= 0:
        raise OSError(errno.EPROTO, "limited mode needs a positive limit")
    return limit


def _request_of(job: Job) -> JsonObject:
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
