"""The scheduler module: takes resources from ``resource.acquire`` and gives them to jobs by RFC
27.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from broker.service import NO_REPLY, NoReply, Request, Service, request
from broker.services.sched_simple.pool import Allocation, ResourcePool, allocation_of
from broker.services.sched_simple.request import ResourceRequest, parse_request
from broker.services.sched_simple.state import Pending, Scheduler
from flux.idset import IDset
from flux.job.JobID import kvs_key
from flux.kvs_txn import PRIMARY
from flux.treeobj import decode_val
from flux.wire import json

if TYPE_CHECKING:
    from broker.configuration import Config
    from broker.context import Context
    from flux.job.types import ResourceObject
    from flux.wire.json import JsonObject

DEFAULT_LIMIT: Final = 1024
SUCCESS, ANNOTATE, DENY, CANCEL = range(4)
UNSATISFIABLE: Final = "unsatisfiable request"


class SchedSimpleService(Service):
    """``sched-simple``, also reached as ``sched``.

    Module arguments: ``mode=single``, ``mode=unlimited`` or ``mode=limited=N`` say how many
    requests the job manager may have waiting here (default ``limited=1024``).
    """

    name = "sched-simple"
    also = ("sched",)

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._ready = _ready_payload([])
        self._sched = Scheduler()
        self._requests: dict[int, Request] = {}
        self._args: list[str] = []
        self._due = False
        self._known = False

    @classmethod
    def check_args(cls, args: list[str]) -> None:
        _ready_payload(args)

    def configure(self, config: Config) -> None:
        """Tell the job manager how many requests it may have waiting here from now on."""
        ready = _ready_payload(_with_configured(self._args, config))
        if ready != self._ready:
            self._ready = ready
            if self._known:
                self.ctx.handle.post("job-manager.sched-ready", ready, lambda msg: None)

    async def start(self, args: list[str]) -> None:
        """Parse the arguments and begin acquiring resources."""
        self._args = args
        self._ready = _ready_payload(_with_configured(args, self.ctx.config))
        self.ctx.log.debug("service_register")
        self.ctx.spawn(self._acquire(), "sched-simple:acquire")

    async def stop(self) -> None:
        """Fail what waits, so that the job manager suspends scheduling."""
        for req in self._requests.values():
            req.error(errno.ENOSYS, "sched-simple is being unloaded")
        self._requests.clear()

    def facts(self) -> dict[str, object]:
        """Return the length of the queue and the use of cores."""
        pool = self._sched.pool
        return {
            "pending": len(self._sched),
            "allocated": len(self._sched.held),
            "cores": {"total": pool.total_cores, "free": pool.free_up_cores},
        }

    # Resources

    async def _acquire(self) -> None:
        async with self.ctx.handle.stream(
            "resource.acquire", {}, cancel="resource.acquire-cancel"
        ) as stream:
            async for update in stream:
                self.ctx.log.info(f"resource update: {json.dumps(update).decode()}")
                self._update(update)
                if not self._known:
                    self._known = True
                    await self._hello()
                self._schedule_soon()

    def _update(self, update: JsonObject) -> None:
        resources = update.get("resources")
        if resources is not None:
            for jobid in self._sched.replace_pool(ResourcePool.from_resources(resources)):
                self._deny(jobid, UNSATISFIABLE)
        for key, up in (("up", True), ("down", False)):
            ids = update.get(key)
            if ids == "all":
                self._sched.set_up(list(self._sched.pool.nodes), up)
            elif ids:
                self._sched.set_up(IDset(ids), up)

    async def _hello(self) -> None:
        """Learn what jobs hold already, then take requests (RFC 27)."""
        answer = await self.ctx.handle.rpc("job-manager.sched-hello", {})
        for job in answer.get("alloc") or []:
            try:
                resources = job.get("R") or await self._lookup_resources(job["id"])
                self._sched.claim(job["id"], resources)
                self.ctx.log.debug(f"hello: {job['id']} {allocation_of(resources).summary()}")
            except (OSError, KeyError, ValueError) as exc:
                self.ctx.log.err(f"hello: job {job.get('id')}: {exc}")
        await self.ctx.handle.rpc("job-manager.sched-ready", self._ready)
        pool = self._sched.pool
        self.ctx.log.debug(
            f"ready: {pool.free_up_cores} of {pool.total_cores} cores: {pool.free_summary()}"
        )

    @request("sched.hello-again", absolute=True)
    async def hello_again(self, req: Request) -> None:
        """A new job manager wants to know the scheduler: what the old one asked for is void."""
        if not self._known:
            return
        for jobid, waiting in self._requests.items():
            self._sched.cancel(jobid)
            waiting.respond({"id": jobid, "type": CANCEL})
        self._requests.clear()
        for jobid in list(self._sched.held):
            self._sched.free(jobid)
        await self._hello()
        self._schedule_soon()

    async def _lookup_resources(self, jobid: int) -> ResourceObject:
        answer = await self.ctx.handle.rpc(
            "kvs.lookup", {"key": kvs_key(jobid, "R"), "namespace": PRIMARY, "flags": 0}
        )
        resources: ResourceObject = json.loads(decode_val(answer["val"]))
        return resources

    # Requests of the job manager

    @request("sched.alloc", absolute=True)
    def alloc(self, req: Request) -> NoReply:
        """Queue a job's request {id, priority, userid, t_submit, jobspec}; answered when it is met,
        denied or canceled.
        """
        jobid = req.get("id", int)
        if jobid in self._requests:
            raise OSError(errno.EEXIST, f"job {jobid} is waiting already")
        try:
            wanted = parse_request(req.get("jobspec", dict))
        except OSError as exc:
            req.respond({"id": jobid, "type": DENY, "note": exc.strerror or UNSATISFIABLE})
            return NO_REPLY
        self.ctx.log.debug(f"req: {jobid}: spec={wanted} duration={wanted.duration:.1f}")
        if not self._sched.add(jobid, req.get("priority", int), wanted):
            req.respond({"id": jobid, "type": DENY, "note": UNSATISFIABLE})
            return NO_REPLY
        self._requests[jobid] = req
        self._schedule_soon()
        return NO_REPLY

    @request("sched.cancel", absolute=True)
    def cancel(self, req: Request) -> NoReply:
        """Drop the request of a job {id}; its answer says that it was canceled. Never answered
        itself.
        """
        jobid = req.get("id", int)
        if self._sched.cancel(jobid):
            self._requests.pop(jobid).respond({"id": jobid, "type": CANCEL})
            self._schedule_soon()
        return NO_REPLY

    @request("sched.prioritize", absolute=True)
    def prioritize(self, req: Request) -> NoReply:
        """Change priorities of waiting jobs {jobs: [[id, priority]]}. Never answered."""
        for item in req.get("jobs", list):
            if not (
                isinstance(item, list)
                and len(item) == 2
                and all(type(number) is int for number in item)
            ):
                raise OSError(
                    errno.EPROTO, "jobs must be a list of pairs of a job id and a priority"
                )
            self._sched.prioritize(item[0], item[1])
        self._schedule_soon()
        return NO_REPLY

    @request("sched.free", absolute=True)
    def free(self, req: Request) -> dict[str, int]:
        """Free the resources of a job {id, R?}."""
        jobid = req.get("id", int)
        try:
            allocation = self._sched.free(jobid, req.payload.get("R"))
        except (ValueError, KeyError, TypeError) as exc:
            self.ctx.log.debug(f"free: R of job {jobid}: {type(exc).__name__}: {exc}")
            raise OSError(
                errno.EINVAL, f"R of job {jobid} is malformed or not what it holds"
            ) from exc
        if allocation is not None:
            self.ctx.log.debug(f"free: {allocation.summary()}")
        self._schedule_soon()
        return {"id": jobid}

    # Requests of users

    @request("sched.resource-status", allow="guest", absolute=True)
    def resource_status(self, req: Request) -> dict[str, object]:
        """Return R objects: {all, allocated, down} (flux-resource(1))."""
        pool = self._sched.pool
        return {
            "all": pool.all_resources(),
            "allocated": pool.allocated_resources(),
            "down": pool.down_resources(),
        }

    @request("sched.feasibility", allow="guest", absolute=True)
    def feasibility(self, req: Request) -> None:
        """Succeed if a job {jobspec} could ever run here."""
        wanted = parse_request(req.get("jobspec", dict))
        if not self._sched.pool.satisfiable(wanted):
            raise OSError(errno.EINVAL, UNSATISFIABLE)

    # Turns

    def _schedule_soon(self) -> None:
        if not self._due:
            self._due = True
            self.ctx.call_soon(self._schedule)

    def _schedule(self) -> None:
        self._due = False
        for pending, allocation in self._sched.schedule():
            self._grant(pending, allocation)

    def _grant(self, pending: Pending, allocation: Allocation) -> None:
        start, end = self._times(pending.request)
        summary = allocation.summary()
        self.ctx.log.debug(f"alloc: {pending.jobid}: {summary}")
        self._requests.pop(pending.jobid).respond(
            {
                "id": pending.jobid,
                "type": SUCCESS,
                "R": self._sched.pool.describe(allocation, start, end),
                "annotations": {"sched": {"resource_summary": summary}},
            }
        )

    def _times(self, wanted: ResourceRequest) -> tuple[float, float]:
        if wanted.duration <= 0:
            return 0.0, 0.0
        now = self.ctx.now()
        return now, now + wanted.duration

    def _deny(self, jobid: int, note: str) -> None:
        self._requests.pop(jobid).respond({"id": jobid, "type": DENY, "note": note})


def _with_configured(args: list[str], config: Config) -> list[str]:
    """Return the module's arguments; without one for the mode, the configuration says it."""
    mode = config.sched_simple.mode
    named = any(arg.startswith("mode=") for arg in args)
    return args if mode is None or named else [*args, f"mode={mode}"]


def _ready_payload(args: list[str]) -> dict[str, object]:
    """Return the request that says we are ready; raises OSError(EINVAL) for an unknown argument."""
    mode: dict[str, object] = {"mode": "limited", "limit": DEFAULT_LIMIT}
    for arg in args:
        key, _, value = arg.partition("=")
        if key != "mode":
            raise OSError(errno.EINVAL, f"unknown module option {arg}")
        if value in ("single", "unlimited"):
            mode = {"mode": value}
        elif value.startswith("limited=") and value[8:].isdigit() and int(value[8:]) > 0:
            mode = {"mode": "limited", "limit": int(value[8:])}
        else:
            raise OSError(errno.EINVAL, f"unknown mode {value}")
    return mode
