"""The eventlogs' way out: batched commits to the KVS, and the stream of all events for other
services.

One commit is under way at a time; what is posted meanwhile goes with the next one, so that a busy
instance commits large batches and an idle one commits at once. Events of several jobs that nobody
waits to be answered about are gathered a few milliseconds (`Rhythm`). Nobody hears of an event
before it is stored.

When a commit fails, its submissions are refused and everything else is kept: it is tried again, in
order, less and less often, until the store takes it. Until then new submissions are refused, and
readers and waiters wait.
"""

from __future__ import annotations

import asyncio
import errno
from collections import Counter, deque
from typing import TYPE_CHECKING, Final, Protocol

from broker.services.job_manager.active import ActiveIndex
from broker.services.job_manager.events import (
    VOLATILE,
    CommitBatch,
    Done,
    Failed,
    JournalEvent,
    Waiter,
    events_of,
    extra_of,
)
from broker.services.job_manager.rhythm import Rhythm
from broker.services.job_manager.state_events import StateEvents
from flux.job.JobID import kvs_key
from flux.job.lifecycle import SCHED
from flux.kvs_txn import SYNC, shared_commit
from flux.kvs_types import KvsPut
from flux.wire.errors import error_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from broker.context import Context
    from broker.services.job_manager.readers import Reader
    from broker.services.job_manager.states import Job
    from flux.job.types import EventEntry
    from flux.wire.json import JsonObject
    from flux.wire.message import Message

RETRY_FIRST: Final = 0.1
RETRY_LAST: Final = 5.0
BACKLOG_MAX: Final = 16384
RECENT_MAX: Final = 1000
"""How many events are kept for readers that come later, as flux-core 0.29 does."""

#: The store is well but refuses what is asked of it: trying again would not help.
_REFUSALS: Final = frozenset(
    (
        errno.EINVAL,
        errno.EPROTO,
        errno.EPERM,
        errno.E2BIG,
        errno.EFBIG,
        errno.ENAMETOOLONG,
        errno.ENOTDIR,
        errno.EISDIR,
    )
)


class Outcome(Protocol):
    """Who is told what became of a submission."""

    def stored(self, job: Job) -> None:
        """The job is in the KVS."""

    def refused(self, job: Job, error: OSError) -> None:
        """The job could not be stored, so there is no such job."""


class Journal:
    """Collects events and KVS operations, commits them, tells the readers, then calls who waits for
    that.

    With ``durable`` set, because the store outlives the instance, a commit returns when it would
    survive the loss of the instance, and the list of active jobs is kept for the next one.
    ``trouble`` is the error that keeps events from being stored, None while all is well;
    ``recent`` has the last events that readers were told, whoever read.
    """

    def __init__(
        self, ctx: Context, readers: Callable[[], Iterator[Reader]], outcome: Outcome
    ) -> None:
        self._ctx = ctx
        self._readers = readers
        self._outcome = outcome
        self._batches: deque[CommitBatch] = deque()
        self._flying: CommitBatch | None = None
        self.rhythm = Rhythm()
        self._pause: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._delay = RETRY_FIRST
        self.trouble: OSError | None = None
        self.index = ActiveIndex()
        self.durable = False
        self.commits = 0
        self.posted = 0
        self.recent: deque[JournalEvent] = deque(maxlen=RECENT_MAX)
        self.state_events = StateEvents(ctx, ctx.handle.event_send)

    # What is recorded

    def _open(self, job: Job) -> CommitBatch:
        """Return the batch that takes what is recorded about ``job`` now."""
        if not self._batches or not self._batches[-1].takes(job):
            self._batches.append(CommitBatch())
        return self._batches[-1]

    def add(self, job: Job, seq: int, entry: EventEntry) -> None:
        """Record an eventlog entry."""
        self._open(job).add(JournalEvent(job, seq, entry, extra_of(job, entry["name"])))

    def add_volatile(self, job: Job, name: str, context: JsonObject) -> None:
        """Tell the readers something that is no eventlog entry."""
        self._open(job).add(self._volatile(job, name, context))

    def _volatile(self, job: Job, name: str, context: JsonObject) -> JournalEvent:
        entry: EventEntry = {"timestamp": self._ctx.now(), "name": name, "context": context}
        return JournalEvent(job, VOLATILE, entry)

    def put(self, job: Job, key: str, data: bytes) -> None:
        """Store a value in a job's KVS directory with the next commit."""
        self._open(job).ops.append((job.id, KvsPut(kvs_key(job.id, key), data)))

    def after_commit(self, done: Done, failed: Failed | None = None) -> None:
        """Call ``done`` once everything recorded so far is in the KVS and the readers know.

        At the first failure to store it ``failed`` is called instead, if there is one: the events
        are kept, but who waits need not.
        """
        if self.trouble is not None and failed is not None:
            self._ctx.call_soon(failed, self.trouble)
        else:
            self._wait(Waiter(done, failed))

    def _wait(self, waiter: Waiter) -> None:
        if not self._batches:
            self._batches.append(CommitBatch())
        self._batches[-1].waiters.append(waiter)

    # What is known of it

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting or under way."""
        return self._flying is None and not self._batches

    def _unsaved(self) -> list[CommitBatch]:
        return [self._flying, *self._batches] if self._flying else list(self._batches)

    @property
    def backlog(self) -> int:
        """How many events are not stored yet."""
        return sum(len(batch.events) for batch in self._unsaved())

    def check_room(self) -> None:
        """Raise the error of the store when too many events wait for it to be well again."""
        if self.trouble is not None and self.backlog >= BACKLOG_MAX:
            raise OSError(
                self.trouble.errno, f"job events cannot be stored: {self.trouble.strerror}"
            )

    def unpublished(self) -> list[JournalEvent]:
        """Return the events the readers have not been told yet."""
        return [event for batch in self._unsaved() for event in batch.events]

    def published(self, jobs: Iterable[Job]) -> Iterator[JournalEvent]:
        """Yield the events of jobs that the readers have been told already, oldest first within a
        job.
        """
        unpublished = self.unpublished()
        held = Counter(event.job.id for event in unpublished if event.seq != VOLATILE)
        known = {job.id: job for job in jobs}
        for event in unpublished:
            known.setdefault(event.job.id, event.job)
        for job in known.values():
            yield from events_of(job, len(job.entries) - held[job.id])
            if job.reranked and job.state == SCHED and not held[job.id]:
                yield self._volatile(job, "priority", {"priority": job.priority})

    def told_lately(self, jobs: Iterable[Job]) -> list[JournalEvent]:
        """Return the last events of jobs that have ended, all those of ``jobs`` that readers have
        been told, and what they were told lately that is in no eventlog.
        """
        found = list(self.published(jobs))
        whole = {event.job.id for event in found}
        ended = [event for event in self.recent if event.job.id not in whole]
        volatile = [e for e in self.recent if e.seq == VOLATILE and e.job.id in whole]
        return ended + found + volatile

    def forget(self, ids: Collection[int]) -> None:
        """Jobs were purged: their events are not recent any more."""
        kept = [event for event in self.recent if event.job.id not in ids]
        self.recent = deque(kept, RECENT_MAX)

    # Commits

    def flush(self, *, now: bool = False) -> None:
        """Commit what has been recorded, unless a commit is under way or has to be tried again.

        What can be gathered with more may be committed a little later, unless ``now`` is set.
        """
        while self._flying is None and self._batches and not self._ctx.handle.closed:
            if not now and self._gathers(self._batches[0]):
                return
            batch = self._flying = self._batches.popleft()
            if batch.stores:
                self._commit(batch)
            else:
                self._finish(batch)

    def _gathers(self, batch: CommitBatch) -> bool:
        """Whether ``batch``, the next one, waits for more; it is committed when the time is up."""
        if batch.urgent or len(self._batches) > 1:
            return False
        if self._pause is None:
            wait = self.rhythm.wait(batch.jobs(), self._ctx.loop_time())
            if not wait:
                return False
            self._pause = self._ctx.call_later(wait, self._pause_over)
        return True

    def _pause_over(self) -> None:
        self._pause = None
        self.flush(now=True)

    def _commit(self, batch: CommitBatch) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        self.rhythm.committed(batch.jobs(), len(batch.events), self._ctx.loop_time())
        self.commits += 1
        ops = batch.operations()
        if self.durable:
            ops += self.index.operations(batch.events)
        payload = shared_commit(ops, SYNC if self.durable else 0)
        self._ctx.handle.post("kvs.commit", payload, lambda msg: self._committed(msg, batch))

    def _committed(self, msg: Message, batch: CommitBatch) -> None:
        if not msg.errnum:
            self._recovered()
            self._finish(batch)
        else:
            self.index.uncertain()
            error = error_of(msg)
            if error.errno in _REFUSALS:
                self._isolate(batch, error)
            else:
                self._keep(batch, error)
        self.flush()

    def _finish(self, batch: CommitBatch) -> None:
        """Tell everybody of a batch that is stored."""
        self._flying = None
        self.posted += len(batch.events)
        for job in batch.newborn:
            self._outcome.stored(job)
        if batch.events:
            self.recent.extend(batch.events)
            for reader in self._readers():
                reader.send(batch.events)
            if self.state_events.wanted:
                self.state_events.send(batch.events)
        for job in batch.newborn:
            job.fold()
        for waiter in batch.waiters:
            waiter.done()

    # Failures

    def _isolate(self, batch: CommitBatch, error: OSError) -> None:
        """Find the job whose part the store refuses, and let it alone fail."""
        self._flying = None
        batch.rewrite = True
        parts = batch.split()
        if len(parts) > 1:
            self._batches.extendleft(reversed(parts))
            return
        self._refuse(parts, error)
        if batch.events and not batch.newborn:
            id, count = batch.events[0].job.id, len(batch.events)
            self._ctx.log.err(f"job {id}: {count} events are lost: {error.strerror}")
        self._finish(parts[0])

    def _keep(self, batch: CommitBatch, error: OSError) -> None:
        """The store is not well: fail what can fail, keep the rest to try again."""
        self._refuse(self._unsaved(), error)
        batch.rewrite = True
        if not batch.stores:
            self._finish(batch)
            return
        if self.trouble is None:
            self._delay = RETRY_FIRST
            self._ctx.log.err(
                f"eventlog commit failed: {error.strerror}: {self.backlog} events wait"
            )
        self.trouble = error
        self._retry = self._ctx.call_later(self._delay, self._try_again)
        self._delay = min(2 * self._delay, RETRY_LAST)

    def _refuse(self, batches: list[CommitBatch], error: OSError) -> None:
        """Give up the submissions in ``batches`` and those who would rather be told than wait."""
        newborn = [job for batch in batches for job in batch.newborn]
        gone = {job.id for job in newborn}
        if gone:
            for batch in [*batches, *self._batches]:
                batch.drop(gone)
        for job in newborn:
            self.index.discard(job.id)
            self._outcome.refused(job, error)
        for batch in batches:
            told = [waiter.failed for waiter in batch.waiters if waiter.failed is not None]
            batch.waiters = [waiter for waiter in batch.waiters if waiter.failed is None]
            for failed in told:
                failed(error)

    def _try_again(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._flying is not None and not self._ctx.handle.closed:
            self._commit(self._flying)

    def _recovered(self) -> None:
        if self.trouble is not None:
            self.trouble = None
            self._ctx.log.notice(
                f"eventlog commits work again: {self.backlog} events are being stored"
            )

    # The end

    async def settle(self, timeout: float) -> None:
        """Store what is left; raises OSError with the reason if that does not succeed within
        ``timeout`` seconds.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done() -> None:
            if not future.done():
                future.set_result(None)

        def failed(error: OSError) -> None:
            if not future.done():
                future.set_exception(error)

        if self._flying is None or self._batches:
            self._wait(Waiter(done, failed))
        else:
            self._flying.waiters.append(Waiter(done, failed))
        if self._retry is not None:
            self._try_again()
        self.flush(now=True)
        try:
            async with asyncio.timeout(timeout):
                await future
        except (OSError, TimeoutError) as exc:
            reason = (
                exc.strerror
                if isinstance(exc, OSError) and exc.strerror
                else "the store does not answer"
            )
            number = exc.errno if isinstance(exc, OSError) and exc.errno else errno.ETIMEDOUT
            raise OSError(number, f"{self.backlog} job events are not stored: {reason}") from None
        finally:
            if self._retry is not None:
                self._retry.cancel()
