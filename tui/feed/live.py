"""The feed of a running instance, ours or a flux-core, over its local socket.

Order matters when loading: the journal is opened first and its events kept, then the job list is
read, then the events are applied. Applying an event the list already knew changes nothing, so no
job is missed and none counted twice. After a lost connection all is read again.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from typing import TYPE_CHECKING, Final

from flux.aio import AsyncFlux
from flux.connect import default_uri, local_path
from flux.constants import FLUX_JOB_LOOKUP_CURRENT
from flux.job.attributes import JOB_ATTRIBUTES
from flux.job.follow import Entries, Failed
from flux.job.follow_async import follow
from flux.job.follow_journal import JOURNAL, records_of
from flux.job.states import JobState
from flux.security import unwrap
from flux.wire import json
from flux.wire.message import NODEID_ANY
from tui.feed.base import ANSWER_SECONDS
from tui.feed.job_list import job_list, job_pages
from tui.feed.list_follower import ListFollower
from tui.feed.polling import PollingFeed
from tui.feed.requests import (
    LostConnection,
    counts,
    known_attributes,
    news,
    reason_of,
    roundtrip,
)
from tui.model.facts import InstanceInfo
from tui.model.unexpected import UNEXPECTED

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from flux.aio_streams import Subscription
    from flux.wire.json import JsonMapping, JsonObject
    from tui.feed.base import JobItem
    from tui.model.dashboard import Dashboard
    from tui.model.instances import InstanceLook

FIRST_PAGE: Final = 2000
RUNNING_STATES: Final = JobState.RUN.value | JobState.CLEANUP.value
MOVES_RESOURCES: Final = frozenset({"alloc", "free", "resource-update"})
LOOKUPS_AT_ONCE: Final = 64
INSTANCE_ATTRIBUTES: Final = ("version", "security.owner", "broker.starttime", "hostname")
BACKOFF: Final = (0.5, 1.0, 2.0, 4.0, 8.0)


class LiveFeed(PollingFeed):
    """Feeds a `Dashboard` from the broker at ``uri``, by default that of FLUX_URI. ``reach`` makes
    of a URI that an instance gives the one it is reached by from here.
    """

    def __init__(self, uri: str | None = None, reach: Callable[[str], str] = str) -> None:
        self.reach = reach
        self.uri = uri or default_uri()
        self._handle: AsyncFlux | None = None
        self._lost: asyncio.Event = asyncio.Event()
        self._describing: set[int] = set()
        self._attributes: tuple[str, ...] = JOB_ATTRIBUTES
        self._tells_reasons = True
        self._moved = asyncio.Event()

    # the connection

    async def run(self, dashboard: Dashboard) -> None:
        """Connect, load, follow; on any loss start over with growing pauses."""
        attempts = 0
        while True:
            reason = "connection lost"
            try:
                await self._connect()
                await self._session(dashboard)
            except* OSError as group:
                reason = reason_of(group)
            except* UNEXPECTED as malformed:
                reason = f"the broker sent something unexpected: {malformed.exceptions[0]!r}"
            if dashboard.link.up:
                attempts = 0
            delay = BACKOFF[min(attempts, len(BACKOFF) - 1)]
            attempts += 1
            await self.close()
            dashboard.set_link(False, reason, dashboard.clock() + delay, attempts)
            await asyncio.sleep(delay)

    async def _connect(self) -> None:
        self._lost = lost = asyncio.Event()
        try:
            handle = await AsyncFlux.connect(self.uri)
        except OSError as error:
            raise LostConnection(
                f"no broker answers at {self.uri}: {error.strerror or error}"
            ) from None
        handle.on_close = lost.set
        self._handle = handle

    async def close(self) -> None:
        """End the connection."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with contextlib.suppress(OSError):
                await handle.close()

    def _connected(self) -> AsyncFlux:
        if self._handle is None or self._handle.closed:
            raise OSError("not connected to the instance")
        return self._handle

    # following the instance

    async def _session(self, dashboard: Dashboard) -> None:
        """Load everything and follow it until the connection is lost; always ends by raising."""
        self._describing.clear()
        self._tells_reasons = True
        early: list[JsonMapping] = []
        loaded = False
        read = asyncio.Event()
        handle = self._connected()

        async def follow() -> None:
            try:
                await follow_journal()
            except OSError as error:
                if error.errno != errno.EPERM:
                    raise
            dashboard.guest = True
            await read.wait()
            await ListFollower(handle, dashboard, self._attributes).run()

        async def follow_journal() -> None:
            async with handle.stream(JOURNAL, {"full": False, "records": True}) as stream:
                async for answer in stream:
                    dashboard.hear()
                    events = records_of(answer)
                    if not loaded:
                        early.extend(events)
                        continue
                    dashboard.apply(events)
                    self._describe(tasks, dashboard)
                    if any(e["entry"].get("name") in MOVES_RESOURCES for e in events):
                        self._moved.set()
            raise LostConnection("the job manager ended the event journal")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_connection())
            tasks.create_task(follow())
            await self._load(dashboard)
            dashboard.apply(news(early, dashboard.table))
            loaded = True
            read.set()
            dashboard.set_loading(None)
            dashboard.set_link(True)
            self._describe(tasks, dashboard)
            tasks.create_task(self._poll(dashboard))
            tasks.create_task(self._follow_resources(dashboard))

    async def _watch_connection(self) -> None:
        await self._lost.wait()
        raise LostConnection("lost connection to the broker")

    async def _load(self, dashboard: Dashboard) -> None:
        handle = self._connected()
        # What does not need one another is asked at once: a first picture waits for all of it.
        instance, _ = await asyncio.gather(self._instance(handle), roundtrip(handle, "job-manager"))
        dashboard.set_instance(instance)
        dashboard.guest = dashboard.guest or instance.owner not in (-1, os.getuid())
        version = dashboard.instance.version
        self._attributes = await known_attributes(handle, version)
        first = await job_list(handle, FIRST_PAGE, version, self._attributes)
        if len(first) >= FIRST_PAGE:
            dashboard.set_loading(await counts(handle))
        dashboard.replace(first)
        await asyncio.gather(self._resources(dashboard), self._notices(dashboard))
        if len(first) >= FIRST_PAGE:
            dashboard.set_link(True)
            async with contextlib.aclosing(
                job_pages(handle, 0, version, self._attributes)
            ) as pages:
                async for jobs in pages:
                    dashboard.load(jobs)

    async def _instance(self, handle: AsyncFlux) -> InstanceInfo:
        found: dict[str, str] = {}

        async def get(name: str) -> None:
            with contextlib.suppress(OSError):
                found[name] = await handle.attr_get(name)

        await asyncio.gather(*map(get, INSTANCE_ATTRIBUTES))
        started = float(found.get("broker.starttime") or 0)
        if not started:
            with contextlib.suppress(OSError):
                started = os.stat(local_path(self.uri)).st_mtime
        return InstanceInfo(
            uri=self.uri,
            size=handle.size,
            version=found.get("version", ""),
            started=started,
            owner=int(found.get("security.owner") or -1),
            hostname=found.get("hostname") or os.uname().nodename,
        )

    def _describe(self, tasks: asyncio.TaskGroup, dashboard: Dashboard) -> None:
        """Look up the jobs we know only from events: 0.29's journal tells neither name nor size."""
        table = dashboard.table
        wanted = {table.ids[row] for row in table.undescribed} - self._describing
        if wanted:
            self._describing |= wanted
            tasks.create_task(self._lookup_all(sorted(wanted), dashboard))

    async def _lookup_all(self, jobids: list[int], dashboard: Dashboard) -> None:
        handle = self._connected()
        for start in range(0, len(jobids), LOOKUPS_AT_ONCE):
            batch = jobids[start : start + LOOKUPS_AT_ONCE]
            requests = [
                handle.rpc("job-list.list-id", {"id": jobid, "attrs": self._attributes})
                for jobid in batch
            ]
            answers = await asyncio.gather(*requests, return_exceptions=True)
            dashboard.load([a["job"] for a in answers if isinstance(a, dict) and "job" in a])
            self._describing.difference_update(batch)
            dashboard.table.undescribed.difference_update(dashboard.table.rows(batch))

    # one job and the log

    async def job_entries(self, jobid: int) -> AsyncGenerator[JobItem]:
        """Follow the three eventlogs of a job; the guest's are opened when the job's own tell that
        they exist.
        """
        async with contextlib.aclosing(follow(self._connected(), jobid)) as items:
            async for item in items:
                if isinstance(item, Entries | Failed):
                    yield item

    async def log(self) -> AsyncGenerator[list[str]]:
        """Follow the log ring of the broker we are connected to."""
        handle = self._connected()
        async with handle.stream(
            "log.dmesg", {"follow": True}, cancel="log.dmesg-cancel"
        ) as stream:
            while (message := await stream.next_message()) is not None:
                yield [bytes(message.payload or b"").rstrip(b"\0").decode("utf-8", "replace")]

    async def lookup(self, jobid: int) -> JsonObject:
        """Return the job's ``jobspec`` and ``R`` as they are by now."""
        handle = self._connected()
        found: JsonObject = {}
        for key in ("jobspec", "R"):
            with contextlib.suppress(OSError):
                answer = await handle.rpc(
                    "job-info.lookup",
                    {"id": jobid, "keys": [key], "flags": FLUX_JOB_LOOKUP_CURRENT},
                )
                found[key] = json.loads(answer[key])
        if "jobspec" in found and "environment" not in _system_of(found["jobspec"]):
            await self._add_environment(jobid, _system_of(found["jobspec"]))
        return found

    async def _add_environment(self, jobid: int, system: JsonObject) -> None:
        """Take the environment from what the user has signed: today's flux-core leaves it out of
        the jobspec that it stores.
        """
        request = {"id": jobid, "keys": ["J"], "flags": 0}
        with contextlib.suppress(OSError, ValueError):
            answer = await self._connected().rpc("job-info.lookup", request)
            payload, _ = unwrap(answer["J"])
            environment = _system_of(json.loads(payload)).get("environment")
            if isinstance(environment, dict):
                system["environment"] = environment

    # actions

    async def cancel(self, jobid: int) -> None:
        """Raise a cancel exception, as ``flux job cancel`` does."""
        await self._connected().rpc(
            "job-manager.raise", {"id": jobid, "type": "cancel", "severity": 0}, timeout=10
        )

    async def kill(self, jobid: int, signum: int) -> None:
        """Send a signal to all tasks, as ``flux job kill`` does."""
        await self._connected().rpc("job-manager.kill", {"id": jobid, "signum": signum}, timeout=10)

    # what views ask for

    async def ask(
        self,
        topic: str,
        payload: JsonMapping | None = None,
        rank: int = NODEID_ANY,
        timeout: float = ANSWER_SECONDS,
    ) -> JsonObject:
        """Send one request and return its answer."""
        return await self._connected().rpc(topic, payload, nodeid=rank, timeout=timeout)

    async def listen(
        self,
        topic: str,
        payload: JsonMapping | None = None,
        rank: int = NODEID_ANY,
        cancel: str | None = "",
    ) -> AsyncGenerator[JsonObject]:
        """Give the answers of a streaming request."""
        handle = self._connected()
        async with handle.stream(topic, payload, nodeid=rank, cancel=cancel) as stream:
            async for answer in stream:
                yield answer

    async def look(self, uri: str = "") -> InstanceLook:
        """Ask the instance at ``uri`` over a connection of its own."""
        if not uri:
            return await _look(self._connected())
        async with await AsyncFlux.connect(self.reach(uri)) as handle:
            return await _look(handle)

    async def events(self, prefix: str) -> AsyncGenerator[tuple[str, JsonObject]]:
        """Give event messages; ends by raising when the connection is lost."""
        handle = self._connected()
        lost = self._lost
        subscription = await handle.subscribe(prefix)
        ending = asyncio.create_task(_end_when(lost, subscription), name="events")
        try:
            async for message in subscription:
                yield message.topic or "", message.json() or {}
        finally:
            ending.cancel()
            await subscription.close()
        raise LostConnection("lost connection to the broker")


async def _look(handle: AsyncFlux) -> InstanceLook:
    from tui.feed.instances import inner_of
    from tui.model.instances import InstanceLook

    version = await handle.attr_get("version")
    jobs = await job_list(handle, 0, version, states=RUNNING_STATES)
    return InstanceLook(await counts(handle), inner_of(jobs))


async def _end_when(lost: asyncio.Event, subscription: Subscription) -> None:
    await lost.wait()
    subscription.push(None)


def _system_of(jobspec: object) -> JsonObject:
    """Return ``attributes.system`` of a jobspec, an empty object if it has none."""
    attributes = jobspec.get("attributes") if isinstance(jobspec, dict) else None
    system = attributes.get("system") if isinstance(attributes, dict) else None
    return system if isinstance(system, dict) else {}
