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
from broker.services.job_info.watch import (
    GUEST,
    GuestWatch,
    LogWatch,
    MainWatch,
    RemoteWatch,
    UpdateWatch,
    current,
)
from flux.constants import FLUX_JOB_LOOKUP_CURRENT, FLUX_JOB_LOOKUP_JSON_DECODE
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
UPDATED = ("jobspec", "R")
"""Keys of what updates change."""


class JobInfoService(Service):
    """``job-info.lookup``, ``job-info.eventlog-watch`` and ``job-info.update-watch``, for the
    instance owner and the owner of the job.
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
                async with self.ctx.handle.stream(
                    "job-manager.events-journal", {"full": False, "together": True}
                ) as stream:
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
        """Return the values of ``keys`` of job ``id``: as stored or, with the flag 2, the jobspec
        and R as updates have changed them; with the flag 1 these two as objects. With a flag the
        id is told, too. Raises OSError(ENOENT) for an unknown job or key.
        """
        id, keys = req.get("id", int), req.get("keys", list)
        flags = req.get("flags", int, 0)
        if flags & ~(FLUX_JOB_LOOKUP_JSON_DECODE | FLUX_JOB_LOOKUP_CURRENT):
            raise OSError(errno.EPROTO, "lookup request rejected with invalid flag")
        if self.ctx.rank != 0:
            payload = self._forwarded(req)
            answer: JsonObject = await self.ctx.handle.rpc("job-info.lookup", payload, nodeid=0)
            return answer
        self._lookups += 1
        log = self.logs.get(id)
        changes = flags & FLUX_JOB_LOOKUP_CURRENT and any(key in UPDATED for key in keys)
        if log is not None:
            self._check_access(req, log)
        elif changes or not req.is_owner or "userid" in req.payload:
            log = await self._known_log(req, id, flags)
        # Only today's clients set flags, and expect the id, and what is missing in words.
        values: JsonObject = {"id": id} if flags else {}
        for key in keys:
            try:
                values[key] = await self._lookup_one(id, log, key, flags)
            except FileNotFoundError:
                if not flags:
                    raise
                await self._known_log(req, id, flags)
                raise OSError(errno.ENOENT, f"{key}: key not found") from None
        return values

    async def _known_log(self, req: Request, id: int, flags: int) -> JobLog:
        """Return a job's eventlog as `_log_of` does; of an unknown job it is told in words that
        today's clients print, if there are ``flags``.
        """
        try:
            return await self._log_of(req, id)
        except FileNotFoundError:
            if not flags:
                raise
            raise OSError(errno.ENOENT, "invalid job id") from None

    async def _lookup_one(self, id: int, log: JobLog | None, key: object, flags: int) -> object:
        """Return one value: text, or an object if it is asked for as one."""
        if not isinstance(key, str):
            raise os_error(errno.EPROTO)
        if key not in UPDATED:
            return await self._text(id, log, key)
        updates = log.updates() if log is not None else []
        wanted = updates if flags & FLUX_JOB_LOOKUP_CURRENT else []
        if key == "R" and log is not None and isinstance(log.resources, dict):
            stored = None if updates and not wanted else json.dumps_str(log.resources)
        else:
            stored = None
        text = await self._value(id, key) if stored is None else stored
        if not wanted and not flags & FLUX_JOB_LOOKUP_JSON_DECODE:
            return text
        value = current(key, _object(id, key, text), wanted)
        return value if flags & FLUX_JOB_LOOKUP_JSON_DECODE else json.dumps_str(value)

    async def _text(self, id: int, log: JobLog | None, key: str) -> str:
        if log is not None and key == "eventlog":
            return await self._eventlog(id, log)
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

    # Updates

    @request("update-lookup", allow="guest")
    async def update_lookup(self, req: Request) -> Reply:
        """Return what R of job ``id`` is by now: {id, R}; ``key`` names it."""
        id, key = req.get("id", int), req.get("key", str)
        if key != "R":
            raise OSError(errno.EINVAL, "update-lookup unsupported key specified")
        if self.ctx.rank != 0:
            payload = self._forwarded(req)
            answer: JsonObject = await self.ctx.handle.rpc(req.topic, payload, nodeid=0)
            return answer
        log = await self._log_of(req, id)
        flags = FLUX_JOB_LOOKUP_CURRENT | FLUX_JOB_LOOKUP_JSON_DECODE
        return {"id": id, key: await self._lookup_one(id, log, key, flags)}

    @request("update-watch", allow="guest", streaming=True)
    def update_watch(self, req: Request) -> Answer:
        """Stream ``key`` of job ``id``, its jobspec or R: what it is now, and what it becomes with
        each update, ENODATA at the end of the job.
        """
        id, key = req.get("id", int), req.get("key", str)
        if req.get("flags", int, 0):
            raise OSError(errno.EPROTO, "update-watch request rejected with invalid flag")
        if key not in UPDATED:
            raise OSError(errno.EINVAL, "update-watch unsupported key specified")
        if self.ctx.rank != 0:
            return self._begin(RemoteWatch(req, self._forget, self._forwarded(req), self.ctx))
        self._opening[req.sender, req.matchtag] = req
        return self._watch_updates(req, id, key)

    async def _watch_updates(self, req: Request, id: int, key: str) -> Reply:
        opened = (req.sender, req.matchtag)
        try:
            await self._log_of(req, id)
            value = _object(id, key, await self._value(id, key))
            log = await self._log_of(req, id)  # what has come meanwhile is in it
            wanted = opened in self._opening
        finally:
            self._opening.pop(opened, None)
        return self._begin(UpdateWatch(req, self._forget, log, key, value)) if wanted else NO_REPLY

    @request("update-watch-cancel", allow="guest")
    def update_watch_cancel(self, req: Request) -> Reply:
        """End the watch that ``matchtag`` names."""
        return self.eventlog_watch_cancel(req)

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

    def _begin(self, watch: MainWatch | GuestWatch | UpdateWatch | RemoteWatch) -> Reply:
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


def _object(id: int, key: str, text: str) -> JsonObject:
    """Return a stored object; raises OSError(EPROTO) if it is not one."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise OSError(errno.EPROTO, f"job {id}: malformed {key}")
    return value
