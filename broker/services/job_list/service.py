"""The job-list module: keeps `JobIndex` up to date from the job manager's journal and answers
queries on it.
"""

from __future__ import annotations

import asyncio
import errno
import re
import sys
from itertools import islice
from typing import TYPE_CHECKING

from broker.service import NO_REPLY, Request, Service, event, request
from broker.services.job_list.attributes import ALL, ATTRIBUTES, describe, getters
from broker.services.job_list.constraint import EVERYTHING, choice_of
from broker.services.job_list.index import JobIndex
from flux.constants import FLUX_JOB_STATE_INACTIVE, FLUX_USERID_UNKNOWN
from flux.job.JobID import kvs_key
from flux.job.purge import purged_ids
from flux.job.state_names import LISTED_STATES
from flux.kvs_txn import PRIMARY, TREEOBJ
from flux.wire.errors import os_error
from flux.wire.message import STREAMING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from broker.context import Context
    from broker.service import Answer, Reply
    from broker.services.job_list.attributes import Getter
    from broker.services.job_list.constraint import Choice
    from broker.services.job_list.record import ListedJob
    from flux.wire.json import JsonObject
    from flux.wire.message import Message

RETRY_SECONDS = 0.1
APPEAR_SECONDS = 10.0
MAX_ID = 1 << 64
PAGE_JOBS = 500
"""Jobs in one response to a client that asks for a stream."""
_NUMBER = re.compile("-?[0-9]{1,9}", re.ASCII)


class JobListService(Service):
    """``job-list.list``, ``list-id``, ``list-inactive``, ``list-attrs`` and ``job-stats``
    (flux-jobs(1)), and ``job-manager.history``.
    """

    name = "job-list"
    unlisted = ("job-manager.history",)

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.index = self._filling = JobIndex()
        self._waiting: dict[int, list[Request]] = {}
        self._early: list[tuple[Callable[[Request], None], Request]] = []
        self._readers: set[tuple[str, int]] = set()
        self.ready = self._knows_active = False
        self._held_back: list[JsonObject] | None = None
        self._lookups = 0

    async def start(self, args: list[str]) -> None:
        """Follow the job manager's journal."""
        self.ctx.spawn(self._follow(), "job-list journal")

    # The journal

    async def _follow(self) -> None:
        while True:
            try:
                async with self.ctx.handle.stream(
                    "job-manager.events-journal", {"full": True, "records": True}
                ) as stream:
                    # While the past is read again, queries are answered from what was known before.
                    self._filling = JobIndex()
                    if self._held_back:
                        self._held_back = []
                    if not self.ready:
                        self.index, self._knows_active = self._filling, False
                    async for batch in stream:
                        self._take(batch["events"])
                        if batch.get("active") and not self.ready:
                            self._knows_active = True
                            self._answer_early()
                        if batch.get("replayed"):
                            self.ctx.log.debug(
                                f"job_state_init_from_kvs: read {len(self._filling)} jobs"
                            )
                            self._become_ready()
            except OSError as exc:
                if exc.errno not in (errno.ENOSYS, errno.ECONNRESET):
                    self.ctx.log.err(f"events-journal: {exc.strerror}")
            except Exception as exc:
                self.ctx.log.exception("events-journal is read again", exc)
            await asyncio.sleep(RETRY_SECONDS)

    @event("job-purge-inactive")
    def on_purge(self, msg: Message) -> None:
        """Forget purged jobs."""
        for id in purged_ids(msg):
            self.index.purge(id)
            self._filling.purge(id)

    @request("job-state-pause")
    def pause(self, req: Request) -> None:
        """Hold back what the journal says from now on: for tests of programs that see it late."""
        if self._held_back is None:
            self._held_back = []

    @request("job-state-unpause")
    def unpause(self, req: Request) -> None:
        """Take what was held back, and the rest as it comes."""
        held, self._held_back = self._held_back, None
        self._take(held or [])

    def _take(self, events: list[JsonObject]) -> None:
        if self._held_back is not None:
            self._held_back += events
            return
        for item in events:
            id = item["id"]
            try:
                self._filling.update(
                    id,
                    item["entry"],
                    seq=item.get("eventlog_seq"),
                    jobspec=item.get("jobspec"),
                    resources=item.get("R"),
                )
            except Exception as exc:  # whatever is wrong with one event, the others count
                self.ctx.log.err(f"job {id}: cannot apply event {item.get('entry')}: {exc!r}")
                continue
            if self._waiting and self.index is self._filling:
                self._answer_waiting(id)

    def _answer_waiting(self, id: int) -> None:
        waiting = [req for req in self._waiting.pop(id, ()) if not self._answer_id(req)]
        if waiting:
            self._waiting[id] = waiting

    def _become_ready(self) -> None:
        self.ready = True
        self.index = self._filling
        for id in [id for id in self._waiting if id in self.index]:
            self._answer_waiting(id)
        self._answer_early()

    def _answer_early(self) -> None:
        """Answer the queries that came before what they ask for was known, as far as it is."""
        early, self._early = self._early, []
        for answer, req in early:
            try:
                self._when_known(req, answer)
            except OSError as exc:
                req.fail(exc)

    def _when_known(self, req: Request, answer: Callable[[Request], None]) -> Reply:
        """Answer a query now, or when the jobs that it may be about are known: those of an earlier
        run that have ended take their time.
        """
        states = req.payload.get("states")
        about_active = isinstance(states, int) and states and not states & FLUX_JOB_STATE_INACTIVE
        if self.ready or (self._knows_active and about_active):
            answer(req)
        else:
            self._early.append((answer, req))
        return NO_REPLY

    # Queries

    @request("list", allow="guest")
    def list_jobs(self, req: Request) -> Reply:
        """List jobs of ``userid`` in ``states`` with ``results``, in ``queues`` if these are given,
        or those of a ``constraint``, at most ``max_entries`` (0: all), with ``attrs``; none that
        ended before ``since``. They come in pages, ENODATA after the last, if the request is for a
        stream.
        """
        return self._when_known(req, self._list_jobs)

    def _list_jobs(self, req: Request) -> None:
        wanted = getters(req.get("attrs", list))
        limit = _limit(req)
        chosen = self.index.choose(
            _choice(req),
            results=req.get("results", int, 0),
            userid=req.get("userid", int, FLUX_USERID_UNKNOWN),
            since=_since(req),
        )
        queues = req.get("queues", list, None)
        if queues is not None:
            chosen = (job for job in chosen if job.queue in queues)
        self._send(req, islice(chosen, limit), wanted)

    def _send(
        self, req: Request, chosen: Iterable[ListedJob], wanted: list[tuple[str, Getter]]
    ) -> None:
        """Answer with jobs, in pages if the request is for a stream."""
        if req.message.flags & STREAMING:
            self.ctx.spawn(self._send_pages(req, list(chosen), wanted), "job-list:list")
        else:
            req.respond({"jobs": [describe(job, wanted) for job in chosen]})

    async def _send_pages(
        self, req: Request, jobs: list[ListedJob], wanted: list[tuple[str, Getter]]
    ) -> None:
        """Send jobs, a page a turn of the loop, then ENODATA; only the jobs themselves are kept for
        it, not what is said of them.
        """
        reader = req.sender, req.matchtag
        self._readers.add(reader)
        for start in range(0, len(jobs), PAGE_JOBS):
            if reader not in self._readers:
                return  # the client has gone
            page = jobs[start : start + PAGE_JOBS]
            req.respond({"jobs": [describe(job, wanted) for job in page]})
            await asyncio.sleep(0)
        self._readers.discard(reader)
        req.error(errno.ENODATA)

    @request("list-inactive", allow="guest")
    def list_inactive(self, req: Request) -> Reply:
        """List jobs that ended after ``since``, newest first, those called ``name`` if it is
        given; in pages as ``list`` does.
        """
        return self._when_known(req, self._list_inactive)

    def _list_inactive(self, req: Request) -> None:
        wanted = getters(req.get("attrs", list))
        chosen = self.index.inactive_since(_since(req), req.payload.get("name"))
        self._send(req, islice(chosen, _limit(req)), wanted)

    @request("list-id", allow="guest")
    def list_id(self, req: Request) -> Answer:
        """Return one job, once it has reached ``state`` if that is given; a job just submitted is
        waited for, an unknown one is ENOENT.
        """
        getters(req.get("attrs", list))
        id, _ = req.get("id", int), req.get("state", int, 0)
        if not 0 <= id < MAX_ID:
            raise OSError(errno.ENOENT, "")
        if id not in self.index:
            return self._wait_for(req, id)
        if not self._answer_id(req):
            self._waiting.setdefault(id, []).append(req)
        return NO_REPLY

    def _answer_id(self, req: Request) -> bool:
        """Answer with a job unless it has not come as far as the client wants it."""
        job = self.index.get(req.payload["id"])
        if job is None:
            req.error(errno.ENOENT)
        elif job.state < req.payload.get("state", 0):
            return False
        else:
            req.respond({"job": describe(job, getters(req.payload["attrs"]))})
        return True

    async def _wait_for(self, req: Request, id: int) -> Reply:
        """Answer once a job that exists in the KVS appears in the journal."""
        key = kvs_key(id, "eventlog")
        self._waiting.setdefault(id, []).append(req)
        self._lookups += 1
        try:
            await self.ctx.handle.rpc(
                "kvs.lookup", {"key": key, "namespace": PRIMARY, "flags": TREEOBJ}
            )
        except OSError:
            self._refuse(req, id)
            return NO_REPLY
        finally:
            self._lookups -= 1
        self.ctx.call_later(APPEAR_SECONDS, self._give_up, req, id)
        return NO_REPLY

    def _give_up(self, req: Request, id: int) -> None:
        if id in self.index:
            return  # it waits for a state
        if self.ready and self._held_back is None:
            self._refuse(req, id)
        else:  # the job may be among those still to be read
            self.ctx.call_later(APPEAR_SECONDS, self._give_up, req, id)

    def _refuse(self, req: Request, id: int) -> None:
        waiting = self._waiting.get(id, [])
        if req in waiting:
            waiting.remove(req)
            if not waiting:
                del self._waiting[id]
            req.error(errno.ENOENT)

    def on_disconnect(self, sender: str) -> None:
        """Forget what a client that went away waits for."""
        self._readers = {reader for reader in self._readers if reader[0] != sender}
        self._early = [(answer, req) for answer, req in self._early if req.sender != sender]
        for id, reqs in list(self._waiting.items()):
            kept = [req for req in reqs if req.sender != sender]
            if kept:
                self._waiting[id] = kept
            else:
                del self._waiting[id]

    @request("job-manager.history.get", allow="guest", absolute=True)
    def history(self, req: Request) -> Reply:
        """Name the jobs of whoever asks, {jobs: [id, ...]}, the newest first: those of a Python
        {slice}, such as ``[:1]`` for the last one.
        """
        chosen = _slice(req.get("slice", str))

        def answer(req: Request) -> None:
            req.respond({"jobs": self.index.newest(req.userid)[chosen]})

        return self._when_known(req, answer)

    @request("list-attrs", allow="guest")
    def list_attrs(self, req: Request) -> JsonObject:
        """Name every attribute."""
        return {"attrs": ["id", *ATTRIBUTES, ALL]}

    @request("job-stats", allow="guest")
    def job_stats(self, req: Request) -> Reply:
        """Count jobs by state and the unsuccessful ones by cause, of all and of each of the
        queues.
        """

        def answer(req: Request) -> None:
            req.respond(self.index.stats(self.ctx.config.queues))

        return self._when_known(req, answer)

    def stats(self) -> JsonObject:
        """The number of jobs, of ids that are looked up in the KVS because they are not known, and
        of clients that wait for such a job to appear.
        """
        counts = self.index.stats()["job_states"]
        unknown = sum(len(reqs) for id, reqs in self._waiting.items() if id not in self.index)
        return {
            "jobs": {
                "pending": counts["depend"] + counts["priority"] + counts["sched"],
                "running": counts["run"] + counts["cleanup"],
                "inactive": counts["inactive"],
            },
            "idsync": {"lookups": self._lookups, "waits": max(0, unknown - self._lookups)},
        }


def _slice(text: str) -> slice:
    """Return the slice that a text writes; raises OSError(EINVAL) if it writes none."""
    parts = text.strip().removeprefix("[").removesuffix("]").split(":")
    numbers = [int(part) if _NUMBER.fullmatch(part) else None for part in parts]
    wrong = any(part and number is None for part, number in zip(parts, numbers, strict=True))
    if wrong or not 2 <= len(parts) <= 3 or numbers[2:] == [0]:
        raise OSError(errno.EINVAL, f"invalid slice {text}")
    return slice(*numbers)


def _choice(req: Request) -> Choice:
    """Return what ``constraint`` chooses of the jobs in ``states``; raises OSError(EPROTO) if it is
    no constraint.
    """
    states = req.get("states", int, 0) or LISTED_STATES
    if "constraint" not in req.payload:
        return EVERYTHING._replace(states=states)
    try:
        choice = choice_of(req.payload["constraint"])
    except ValueError as exc:
        raise OSError(errno.EPROTO, f"invalid payload: constraint object invalid: {exc}") from None
    return choice._replace(states=choice.states & states)


def _since(req: Request) -> float:
    """Return ``since`` in seconds since the epoch; raises OSError(EPROTO) if it is not a number, or
    negative.
    """
    since: object = req.payload.get("since", 0.0)
    if not isinstance(since, int | float) or isinstance(since, bool):
        raise os_error(errno.EPROTO)
    if since < 0:
        raise OSError(errno.EPROTO, "invalid payload: since < 0.0 not allowed")
    return float(since)


def _limit(req: Request) -> int | None:
    """Return ``max_entries``, None for no limit; raises OSError(EPROTO)."""
    limit = req.get("max_entries", int)
    if limit < 0:
        raise OSError(errno.EPROTO, "max_entries must not be negative")
    return min(limit, sys.maxsize) or None
