"""Tells of the jobs of a Flux instance: all of them from the journal of the job manager if it is
the owner who asks, else the user's own, asked for once a second.

Options: ``user`` is a name or number whose jobs alone are told of, ``id`` the form of job ids, as
in ``flux job id --to``.

The journal begins with the past, which is put in order and told from the timestamp on. When the
broker goes away it is tried again, and what has happened meanwhile is the past of the new journal.
The same is done when the reader of the events is slow: the journal is let go, so that nothing piles
up, and read again when there is room.
"""

from __future__ import annotations

import asyncio
import errno
import os
import pwd
import time
from typing import TYPE_CHECKING, Final

from flux import __version__, seg
from flux.aio import AsyncFlux
from flux.job.follow_journal import JOURNAL, items_of, journal_request
from flux.job.JobID import JobID
from flux.job.state_names import LISTED_STATES
from flux.seg.api import current
from flux.seg.archived import archived
from flux.seg.jobs import NAMES, RETELL_SECONDS, JobEvents, Past, SegEvent
from flux.seg.listed import ATTRIBUTES, entries_of
from flux.seg.loader import exc_text
from flux.seg.output import steady_clock
from flux.seg.protocol import GramState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

    from flux.aio_streams import Stream
    from flux.seg.event_driver import RegisteredCallback
    from flux.wire.json import JsonMapping, JsonObject

RETRY_FIRST: Final = 0.1
RETRY_LAST: Final = 2.0
POLL_SECONDS: Final = 1.0
MARK_SECONDS: Final = 5.0
"""How long a broker that does not say where the past ends may take to go on with it."""
_IN_A_ROW: Final = 500


class FluxJobs:
    """Follows the jobs of an instance, across the restarts of its brokers."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self._driver = seg.driver()
        self._clock = steady_clock()
        started = self._clock()
        self._user, self._form = _options(options)
        self._archive = options.get("archive")
        self._floor = started if current().from_now else float(seg.get_timestamp())
        self._live_from = self._floor if self._floor > started else 0.0
        self._events = JobEvents(self._user)
        self._events.last = self._floor
        for change in current().record:
            jobid = _recorded(change.jobid)
            self._events.known(jobid, change.state, float(change.timestamp))
        self._heard = time.monotonic()
        self._rest: Iterator[SegEvent] | None = None
        self._complaint = ""
        self._guest = False
        self._first = True

    # Connections

    async def follow(self) -> None:
        """Follow the jobs until cancelled; ends the generator if that is not possible."""
        try:
            await self._follow()
        except Exception as exc:
            self._driver.fail(exc_text(exc))

    async def _follow(self) -> None:
        delay = RETRY_FIRST
        while True:
            try:
                async with await AsyncFlux.connect() as handle:
                    self._connected()
                    delay = RETRY_FIRST
                    await self._read(handle)
            except OSError as exc:
                if not os.environ.get("FLUX_URI") or exc.errno == errno.EPERM:
                    self._driver.fail(f"flux_open: {exc.strerror}")
                    return
                self._lost(exc)
                await asyncio.sleep(delay)
                delay = min(2 * delay, RETRY_LAST)
            while self._rest is not None or self._driver.backlogged:
                await self._driver.drained()
                self._tell_rest()
                await asyncio.sleep(0)

    def _connected(self) -> None:
        if self._complaint:
            self._driver.report("the broker is there again")
        self._complaint = ""

    def _lost(self, exc: OSError) -> None:
        """The broker has gone, or is not there yet, which is said once."""
        if not self._complaint:
            self._complaint = exc.strerror or str(exc)
            self._driver.report(f"no broker: {self._complaint}: it is tried again")

    async def _read(self, handle: AsyncFlux) -> None:
        """Read until the reader of the events is slow; raises OSError when the broker goes."""
        if not self._guest:
            try:
                return await self._read_journal(handle)
            except OSError as exc:
                if exc.errno != errno.EPERM:
                    raise
            self._guest = True
            if self._user is None:
                self._user = int(os.environ.get("FLUX_HANDLE_USERID") or os.getuid())
        return await self._poll(handle)

    def _since(self) -> float:
        """Return how far back to ask, in seconds since the epoch: before what was heard last, even
        if the clock has been set back since.
        """
        silence = time.monotonic() - self._heard
        return min(self._events.last, time.time() - silence) - RETELL_SECONDS

    # The journal

    async def _read_journal(self, handle: AsyncFlux) -> None:
        since = self._since()
        floor = self._floor if self._first else since
        request = {"full": True, "since": max(since, 0.0), **journal_request(NAMES)}
        past: Past | None = Past()
        async with handle.stream(JOURNAL, request) as stream:
            async for answer in _ending_past(stream):
                for event in self._taken(answer):
                    if past is None:
                        self._tell_news(event)
                    elif event.time >= floor:
                        past.add(event)
                if past is not None and answer.get("replayed"):
                    await self._add_archived(handle, since, floor, past)
                    if not self._tell_past(past):
                        return
                    past = None
                if self._driver.backlogged:
                    return
        raise OSError(errno.ECONNRESET, "the journal has ended")

    async def _add_archived(
        self, handle: AsyncFlux, since: float, floor: float, past: Past
    ) -> None:
        """Add what the archive of jobs has of those that were purged."""
        path = self._archive
        try:
            if path is None:
                path = (await handle.rpc("job-archive.stats.get")).get("path")
            for event in self._taken_entries(archived(path, since)) if path else ():
                if event.time >= floor:
                    past.add(event)
        except OSError as exc:
            if exc.errno != errno.ENOSYS:  # there may be none
                self._driver.report(f"job archive: {exc.strerror}")

    # Telling

    def _tell_past(self, past: Past) -> bool:
        """Tell of the past; returns False if the rest has to wait for the reader."""
        self._rest, self._first = past.in_order(), False
        if not self._tell_rest():
            return False
        self._driver.told_all()
        return True

    def _tell_rest(self) -> bool:
        """Tell of the past; returns False if the rest has to wait for the reader."""
        if self._rest is None:
            return True
        for place, event in enumerate(self._rest, 1):
            self._tell(event)
            if place % _IN_A_ROW == 0 and self._driver.backlogged:
                return False
        self._rest = None
        return True

    def _tell_news(self, event: SegEvent) -> None:
        """Tell of what has happened just now, whatever the clock of the instance says, unless the
        timestamp is in the future.
        """
        if event.time >= self._floor or self._clock() >= self._live_from:
            self._tell(event)

    def _taken(self, answer: JsonObject) -> Iterator[SegEvent]:
        """Yield what an answer of the journal changes; raises OSError(EPROTO)."""
        return self._taken_entries((jobid, entry) for jobid, entry, _ in items_of(answer))

    def _taken_entries(self, entries: Iterable[tuple[int, JsonMapping]]) -> Iterator[SegEvent]:
        self._events.now = self._clock()
        for jobid, entry in entries:
            try:
                event = self._events.take(jobid, entry)
            except (KeyError, TypeError, ValueError):
                self._driver.report(f"job {jobid}: an event is malformed: {entry!r:.200}")
                continue
            if event is not None:
                self._heard = time.monotonic()
                yield event

    def _tell(self, event: SegEvent) -> None:
        jobid, timestamp = JobID(event.jobid).encode(self._form), int(event.time)
        if event.state == GramState.PENDING:
            seg.pending(timestamp, jobid)
        elif event.state == GramState.ACTIVE:
            seg.active(timestamp, jobid)
        elif event.state == GramState.DONE:
            seg.done(timestamp, jobid, event.code)
        else:
            seg.failed(timestamp, jobid, event.code)

    # Without the journal

    async def _poll(self, handle: AsyncFlux) -> None:
        while not self._driver.backlogged:
            since = self._since()
            floor = self._floor if self._first else since
            request = {
                "max_entries": 0,
                "attrs": list(ATTRIBUTES),
                "userid": self._user,
                "states": LISTED_STATES,
                "results": 0,
                "since": max(since, 0.0),
            }
            past = Past()
            for job in (await handle.rpc("job-list.list", request)).get("jobs", []):
                answer: JsonObject = {"id": job["id"], "events": entries_of(job)}
                for event in self._taken(answer):
                    if event.time >= floor:
                        past.add(event)
            if not self._tell_past(past):
                return
            await asyncio.sleep(POLL_SECONDS)


async def _ending_past(stream: Stream) -> AsyncIterator[JsonObject]:
    """Yield the answers of a journal, and one that says where the past ends if it does not: when
    nothing came for a while.
    """
    marked = False
    while not marked:
        try:
            async with asyncio.timeout(MARK_SECONDS):
                answer = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            yield {"events": [], "replayed": True}
            break
        yield answer
        marked = "active" in answer
    async for answer in stream:
        yield answer


def _recorded(jobid: str) -> int:
    try:
        return int(JobID(jobid))
    except ValueError as exc:
        raise ValueError(f"the record to resume is not of Flux jobs: {exc}") from None


def _options(options: Mapping[str, str]) -> tuple[int | None, str]:
    """Return the user whose jobs count, None for everybody's, and the form of job ids.

    Raises ValueError for options that do not exist or make no sense.
    """
    unknown = sorted(set(options) - {"archive", "id", "user"})
    if unknown:
        raise ValueError(f"no such option: {unknown[0]}")
    form = options.get("id", "f58")
    JobID(0).encode(form)
    user = options.get("user")
    if user is None or user.isdecimal():
        return None if user is None else int(user), form
    try:
        return pwd.getpwnam(user).pw_uid, form
    except KeyError:
        raise ValueError(f"no such user: {user}") from None


_running: list[RegisteredCallback] = []


def activate() -> None:
    """Begin to follow the jobs."""
    _running.append(seg.driver().spawn(FluxJobs(seg.options()).follow()))


def deactivate() -> None:
    """Follow them no longer."""
    while _running:
        _running.pop().cancel()


seg_module = seg.Descriptor("flux", activate, deactivate, version=__version__)
