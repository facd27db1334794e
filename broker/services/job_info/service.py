"""The job-info module: what is stored about a job, and its eventlogs as they grow (flux-job(1)).

Rank 0 follows the job manager's journal, so that watching a job costs no KVS traffic; other ranks
pass requests on to it together with the user who asked.
"""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING

from broker.service import NO_REPLY, Request, Service, event, request
from broker.services.job_info.logs import JobLog, JobLogs
from broker.services.job_info.watch import GUEST, GuestWatch, LogWatch, MainWatch, RemoteWatch
from flux.job.JobID import kvs_key
from flux.job.purge import purged_ids
from flux.kvs_txn import PRIMARY
from flux.treeobj import decode_val
from flux.wire import json
from flux.wire.errors import os_error

if TYPE_CHECKING:
    from broker.context import Context
    from broker.service import Answer, Reply
    from flux.wire.json import JsonObject
    from flux.wire.message import Message

RETRY_SECONDS = 0.1
MAX_ID = 1 << 64


class JobInfoService(Service):
    """``job-info.lookup`` and ``job-info.eventlog-watch``, for the instance owner and the owner of
    the job.
    """

    name = "job-info"

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.logs = JobLogs()
        self._watches: dict[tuple[str, int], LogWatch] = {}
        self._opening: dict[tuple[str, int], Request] = {}
        self._lookups = 0

    async def start(self, args: list[str]) -> None:
        if self.ctx.rank == 0:
            self.ctx.spawn(self._follow(), "job-info journal")

    # The journal

    async def _follow(self) -> None:
        while True:
            try:
                async with self.ctx.handle.stream("job-manager.events-journal") as stream:
                    for log in self.logs.active():
                        self.ctx.spawn(self._reload(log.id), "job-info reload")
                    async for batch in stream:
                        for id in self.logs.feed(batch["events"]):
                            self.ctx.spawn(self._reload(id), "job-info reload")
            except OSError as exc:
                if exc.errno not in (errno.ENOSYS, errno.ECONNRESET):
                    self.ctx.log.err(f"events-journal: {exc.strerror}")
            except Exception as exc:
                self.ctx.log.exception("events-journal is read again", exc)
            await asyncio.sleep(RETRY_SECONDS)

    @event("job-purge-inactive")
    def on_purge(self, msg: Message) -> None:
        """Forget purged jobs."""
        self.logs.forget(purged_ids(msg))

    async def _reload(self, id: int) -> None:
        """Read what the journal did not tell."""
        try:
            self.logs.load(id, await self._value(id, "eventlog"))
        except OSError as exc:
            self.ctx.log.err(f"job {id}: eventlog: {exc.strerror}")
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            self.ctx.log.err(f"job {id}: eventlog: malformed: {exc}")

    async def _value(self, id: int, key: str, namespace: str | None = None) -> str:
        """Return a value of a job's KVS directory, or of a namespace of its own; raises OSError."""
        if not 0 <= id < MAX_ID:
            raise OSError(errno.ENOENT, "")
        payload = {
            "key": kvs_key(id, key) if namespace is None else key,
            "namespace": namespace or PRIMARY,
            "flags": 0,
        }
        answer = await self.ctx.handle.rpc("kvs.lookup", payload)
        return decode_val(answer["val"]).decode("utf-8", "surrogateescape")

    async def _log_of(self, req: Request, id: int) -> JobLog:
        """Return a job's eventlog; raises OSError: ENOENT for an unknown job, EPERM for somebody
        else's.
        """
        log = self.logs.get(id)
        if log is None:
            with self.logs.expecting(id):
                text = await self._value(id, "eventlog")
                log = JobLog(id)
                try:
                    log.extend(text)
                except (ValueError, KeyError, TypeError):
                    raise OSError(errno.EPROTO, f"job {id}: malformed eventlog") from None
                if not log.ended:
                    log = self.logs.load(id, text)
        self._check_access(req, log)
        return log

    @staticmethod
    def _check_access(req: Request, log: JobLog) -> None:
        userid = req.userid
        if req.is_owner:
            if "userid" not in req.payload:
                return
            userid = req.get("userid", int)
        if userid != log.userid:
            raise os_error(errno.EPERM)

    def _forwarded(self, req: Request) -> JsonObject:
        """Return the payload for rank 0: with the user who asks, unless it is the owner."""
        payload = {key: value for key, value in req.payload.items() if key != "userid"}
        return payload if req.is_owner else {**payload, "userid": req.userid}

    # Values

    @request("lookup", allow="guest")
    async def lookup(self, req: Request) -> Reply:
        """Return the values of ``keys`` of job ``id``; raises OSError(ENOENT) for an unknown job or
        key.
        """
        id, keys = req.get("id", int), req.get("keys", list)
        req.get("flags", int, 0)
        if self.ctx.rank != 0:
            payload = self._forwarded(req)
            answer: JsonObject = await self.ctx.handle.rpc("job-info.lookup", payload, nodeid=0)
            return answer
        self._lookups += 1
        log = self.logs.get(id)
        if log is not None:
            self._check_access(req, log)
        elif not req.is_owner or "userid" in req.payload:
            log = await self._log_of(req, id)
        return {key: await self._lookup_one(id, log, key) for key in keys}

    async def _lookup_one(self, id: int, log: JobLog | None, key: object) -> str:
        if not isinstance(key, str):
            raise os_error(errno.EPROTO)
        if log is not None and key == "eventlog":
            return await self._eventlog(id, log)
        if log is not None and key == "R" and log.resources is not None:
            return json.dumps_str(log.resources)
        if key.startswith(GUEST) and log is not None and not log.ended:
            try:
                return await self._value(id, key.removeprefix(GUEST), f"job-{id}")
            except OSError:
                pass  # no namespace yet, or none any more: then it is where it stays
        return await self._value(id, key)

    async def _eventlog(self, id: int, log: JobLog) -> str:
        """Return the eventlog as it is in the KVS, where others may have added to it; if that
        cannot be read now, what the journal told.
        """
        try:
            return await self._value(id, "eventlog")
        except OSError:
            return log.text()

    # Eventlogs

    @request("eventlog-watch", allow="guest", streaming=True)
    def eventlog_watch(self, req: Request) -> Answer:
        """Stream the entries of ``path`` of job ``id``, one a response, ENODATA after the last.

        Raises OSError: ENOENT for an unknown job or path, EPERM for somebody else's job.
        """
        id, path = req.get("id", int), req.get("path", str)
        req.get("flags", int, 0)
        if self.ctx.rank != 0:
            return self._begin(RemoteWatch(req, self._forget, self._forwarded(req), self.ctx))
        log = self.logs.get(id)
        if log is None:
            self._opening[req.sender, req.matchtag] = req
            return self._watch_later(req, id, path)
        self._check_access(req, log)
        return self._watch(req, log, path)

    async def _watch_later(self, req: Request, id: int, path: str) -> Reply:
        key = (req.sender, req.matchtag)
        try:
            log = await self._log_of(req, id)
            wanted = key in self._opening
        finally:
            self._opening.pop(key, None)
        return self._watch(req, log, path) if wanted else NO_REPLY

    def _watch(self, req: Request, log: JobLog, path: str) -> Reply:
        if path == "eventlog":
            return self._begin(MainWatch(req, self._forget, log))
        if path.startswith(GUEST):
            return self._begin(GuestWatch(req, self._forget, log, path, self.ctx))
        raise OSError(errno.ENOENT, f"{path}: not an eventlog")

    def _begin(self, watch: MainWatch | GuestWatch | RemoteWatch) -> Reply:
        self._watches[watch.req.sender, watch.req.matchtag] = watch
        watch.begin()
        return NO_REPLY

    def _forget(self, watch: LogWatch) -> None:
        self._watches.pop((watch.req.sender, watch.req.matchtag), None)

    @request("eventlog-watch-cancel", allow="guest")
    def eventlog_watch_cancel(self, req: Request) -> Reply:
        """End the watch that ``matchtag`` names."""
        key = (req.sender, req.get("matchtag", int))
        watch = self._watches.get(key)
        if watch is not None:
            watch.finish()
        elif key in self._opening:
            self._opening.pop(key).end()
        return NO_REPLY

    def on_disconnect(self, sender: str) -> None:
        """End the watches of a client that went away."""
        for key in [key for key in self._watches if key[0] == sender]:
            self._watches.pop(key).drop()
        self._opening = {key: req for key, req in self._opening.items() if key[0] != sender}

    async def stop(self) -> None:
        """End every watch."""
        for watch in tuple(self._watches.values()):
            watch.finish(errno.ENOSYS, "job-info is being unloaded")

    def stats(self) -> JsonObject:
        """Requests under way and eventlogs at hand."""
        return {
            "lookups": self._lookups,
            "watchers": len(self._watches),
            "listeners": self.logs.listener_count(),
            "eventlogs": len(self.logs),
        }
