"""The scheduler module: takes resources from ``resource.acquire`` and gives them to jobs by RFC
27.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from broker.service import NO_REPLY, NoReply, Request, Service, request
from broker.services.sched_simple.nodes import allocation_of
from broker.services.sched_simple.options import SchedOptions, parse_options, required_by_queue
from broker.services.sched_simple.pool import ResourcePool
from broker.services.sched_simple.refusals import NO_GPUS, NOT_SATISFIABLE, UNSATISFIABLE
from broker.services.sched_simple.request import parse_request
from broker.services.sched_simple.state import Scheduler
from flux.idset import IDset
from flux.job.JobID import kvs_key
from flux.kvs_txn import PRIMARY
from flux.treeobj import decode_val
from flux.wire import json

if TYPE_CHECKING:
    from broker.configuration import Config
    from broker.context import Context
    from broker.services.sched_simple.lanes import Pending
    from broker.services.sched_simple.nodes import Allocation
    from broker.services.sched_simple.request import ResourceRequest
    from flux.job.types import ResourceObject
    from flux.wire.json import JsonObject

DEBUG_REASONS: Final = 2
"""The debug flag that has requests annotated."""
MAX_REASONS: Final = 1 << 16
SUCCESS, ANNOTATE, DENY, CANCEL = range(4)


class SchedSimpleService(Service):
    """``sched-simple``, also reached as ``sched`` and ``feasibility``.

    Its arguments are those of `parse_options`. The debug flag 2 has every request that waits
    annotated with the reason and the number of those before it.
    """

    name = "sched-simple"
    also = ("sched",)
    unlisted = ("feasibility",)

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._options = SchedOptions()
        self._sched = Scheduler()
        self._requests: dict[int, Request] = {}
        self._notes: dict[int, JsonObject] = {}
        self._args: list[str] = []
        self._due = False
        self._known = False

    @classmethod
    def check_args(cls, args: list[str]) -> None:
        parse_options(args)

    def configure(self, config: Config) -> None:
        """Schedule as the configuration says now, and tell the job manager how many requests it may
        have waiting here.
        """
        options = parse_options(self._args, config)
        ready_before = self._options.ready
        self._use(options)
        if options.ready != ready_before and self._known:
            self.ctx.handle.post("job-manager.sched-ready", options.ready, lambda msg: None)
        self._schedule_soon()

    def _use(self, options: SchedOptions) -> None:
        self._options = options
        self._sched.policy = options.policy
        self._sched.pool.mode = options.alloc_mode

    async def start(self, args: list[str]) -> None:
        """Parse the arguments and begin acquiring resources."""
        self._args = args
        self._use(parse_options(args, self.ctx.config))
        if self._options.unknown_mode:
            self.ctx.log.err(f"unknown mode: {self._options.unknown_mode}")
        self.ctx.log.debug("service_register")
        self.ctx.spawn(self._acquire(), "sched-simple:acquire")

    async def stop(self) -> None:
        """Fail what waits, so that the job manager suspends scheduling."""
        for jobid, req in self._requests.items():
            self._sched.cancel(jobid)  # a turn may be due, and a cancellation on its way
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
        if "expiration" in update:
            self._sched.pool.expiration = float(update["expiration"])
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
        await self.ctx.handle.rpc("job-manager.sched-ready", self._options.ready)
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
        self._notes.clear()
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
            note = self._sched.why_never(wanted)
            req.respond({"id": jobid, "type": DENY, "note": note})
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
            self._notes.pop(jobid, None)
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

    @request("sched.expiration", absolute=True)
    def expiration(self, req: Request) -> None:
        """The resources of a job {id} are to expire at another time {expiration}, in seconds since
        the epoch, 0 for never (RFC 27).
        """
        expiration = req.get("expiration", (int, float))
        if isinstance(expiration, bool) or expiration < 0:
            raise OSError(errno.EINVAL, "the expiration is no time")
        if not self._sched.expire(req.get("id", int), float(expiration)):
            raise OSError(errno.ENOENT, "the job has no resources")
        self._schedule_soon()

    @request("sched.free", absolute=True)
    def free(self, req: Request) -> dict[str, int]:
        """Free the resources of a job {id, R?}; unless ``final``, only those of R."""
        jobid = req.get("id", int)
        resources = req.payload.get("R") if self._options.free_lookup else None
        if not self._options.free_lookup:
            self.ctx.log.err("free: R is NULL")
        try:
            if resources is not None and not req.get("final", bool, True):
                allocation: Allocation | None = self._sched.free_part(jobid, resources)
            else:
                allocation = self._sched.free(jobid, resources)
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
        """Succeed if a job {jobspec} could ever run here, in its queue; that it could not has the
        error number EOVERFLOW.
        """
        wanted = self._wanted(req)
        if self._sched.satisfiable(wanted):
            return
        if wanted.slot_gpus and not self._sched.has_gpus:
            raise OSError(errno.EINVAL, NO_GPUS)
        raise OSError(errno.EOVERFLOW, NOT_SATISFIABLE)

    @request("feasibility.check", allow="guest", absolute=True)
    def feasibility_check(self, req: Request) -> None:
        """Succeed if a job {jobspec} could ever run here: what clients of today ask in place of
        `sched.feasibility`.
        """
        wanted = self._wanted(req)
        if not self._sched.satisfiable(wanted):
            raise OSError(errno.EOVERFLOW, self._sched.why_never(wanted))

    def _wanted(self, req: Request) -> ResourceRequest:
        jobspec = req.get("jobspec", dict)
        return parse_request(jobspec, required_by_queue(jobspec, self.ctx.config))

    @request("sched.pending-reasons", allow="guest", absolute=True)
    def pending_reasons(self, req: Request) -> dict[str, object]:
        """Tell why requests of jobs {ids} are not met: {reasons: [{id, reason, behind?,
        t_estimate?}]}.
        """
        reasons: list[JsonObject] = []
        for jobid in req.get("ids", list)[:MAX_REASONS]:
            found = self._sched.reason(jobid) if type(jobid) is int else None
            if found is not None:
                entry: JsonObject = {"id": jobid, "reason": found.text}
                if found.behind is not None:
                    entry["behind"] = found.behind
                if found.estimate is not None:
                    entry["t_estimate"] = found.estimate
                reasons.append(entry)
        return {"reasons": reasons}

    # Turns

    def _schedule_soon(self) -> None:
        if not self._due:
            self._due = True
            self.ctx.call_soon(self._schedule)

    def _schedule(self) -> None:
        self._due = False
        now = self.ctx.now()
        for pending, allocation in self._sched.schedule(now):
            self._grant(pending, allocation, now)
        if self._notes or self._sched.estimates or self.debug_flags & DEBUG_REASONS:
            self._annotate()

    def _annotate(self) -> None:
        """Tell the job manager what is new about requests that wait: when they will start, and, for
        debugging, why they wait.
        """
        notes: dict[int, JsonObject] = {
            jobid: {"t_estimate": time} for jobid, time in self._sched.estimates.items()
        }
        if self.debug_flags & DEBUG_REASONS:
            for ahead, jobid in enumerate(self._sched.waiting()):
                note = notes.setdefault(jobid, {})
                note |= {"reason_pending": "insufficient resources", "jobs_ahead": ahead}
        for jobid in [*notes, *(jobid for jobid in self._notes if jobid not in notes)]:
            before, note = self._notes.get(jobid, {}), notes.get(jobid, {})
            waiting = self._requests.get(jobid)
            if note != before and waiting is not None:
                gone = dict.fromkeys(key for key in before if key not in note)
                annotations = {"sched": {**gone, **note}}
                waiting.respond({"id": jobid, "type": ANNOTATE, "annotations": annotations})
        self._notes = notes

    def _grant(self, pending: Pending, allocation: Allocation, now: float) -> None:
        # A job without a time limit ends with the instance; when, is no plan for its resources.
        end = allocation.expiration or self._sched.pool.expiration
        start = now if end else 0.0
        note = dict.fromkeys(self._notes.pop(pending.jobid, {}))
        summary = allocation.summary()
        self.ctx.log.debug(f"alloc: {pending.jobid}: {summary}")
        self._requests.pop(pending.jobid).respond(
            {
                "id": pending.jobid,
                "type": SUCCESS,
                "R": self._sched.pool.describe(allocation, start, end),
                "annotations": {"sched": {**note, "resource_summary": summary}},
            }
        )

    def _deny(self, jobid: int, note: str) -> None:
        self._notes.pop(jobid, None)
        self._requests.pop(jobid).respond({"id": jobid, "type": DENY, "note": note})
