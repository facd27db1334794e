"""The eventlogs' way out: batched commits to the KVS, and the stream of all events for other services.

One commit is under way at a time; what is posted meanwhile goes with the next one, so that a busy instance commits large batches and an
idle one commits at once. Readers of the journal hear of an event after it is in the KVS.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from broker.context import Context
from broker.jobtap.plugin import redacted
from broker.service import Request
from broker.services.job_manager.states import Job
from flux.constants import FLUX_KVS_APPEND, FLUX_KVS_SYNC
from flux.wire import json
from flux.wire.errors import error_of
from flux.wire.message import Message

VOLATILE = -1
BATCH_EVENTS = 256


def job_key(id: int, key: str) -> str:
    """Return the KVS key of a job's ``key``."""
    text = f"{id:016x}"
    return f"job.{text[:4]}.{text[4:8]}.{text[8:12]}.{text[12:]}.{key}"


def put_op(key: str, data: bytes, flags: int = 0) -> dict[str, Any]:
    """Return the commit operation that stores ``data`` at ``key``."""
    text = b2a_base64(data, newline=False).decode("ascii")
    return {"key": key, "flags": flags, "dirent": {"ver": 1, "type": "val", "data": text}}


class Event:
    """One event on its way: the job, its entry with its place in the eventlog, and what readers are told besides."""

    __slots__ = ("entry", "extra", "job", "seq")

    def __init__(self, job: Job, seq: int, entry: dict[str, Any], extra: dict[str, Any] | None = None) -> None:
        self.job = job
        self.seq = seq
        self.entry = entry
        self.extra = extra

    def json(self) -> dict[str, Any]:
        """Return what a reader of the journal is sent."""
        event = {"id": self.job.id, "eventlog_seq": self.seq, "entry": self.entry}
        return {**event, **self.extra} if self.extra else event


def extra_of(job: Job, name: str) -> dict[str, Any] | None:
    """Return what accompanies an event in the journal: the jobspec of a submission, the resources of an allocation."""
    if name == "submit":
        return {"jobspec": redacted(job.jobspec)}
    if name == "alloc" and job.resources is not None:
        return {"R": job.resources}
    return None


def events_of(job: Job, count: int | None = None) -> Iterator[Event]:
    """Yield a job's eventlog as journal events, the first ``count`` or all of them."""
    for seq, entry in enumerate(job.entries[:count]):
        yield Event(job, seq, entry, extra_of(job, entry["name"]))


class Reader:
    """One reader of the journal and the event names it wants.

    ``met`` collects the jobs that something happened to while the reader is sent what was before; None once it follows.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.met: dict[int, Job] | None = {}
        self.allow = _names(request, "allow")
        self.deny = _names(request, "deny")

    def wants(self, event: Event) -> bool:
        """Whether the reader asked for events of this name."""
        name = event.entry["name"]
        return (self.allow is None or name in self.allow) and (self.deny is None or name not in self.deny)

    def begin(self, events: Iterable[Event]) -> None:
        """Send the last of what is not new, which may be nothing: ``replayed`` tells the reader that it is up to date."""
        self.met = None
        self.request.respond({"events": [event.json() for event in events if self.wants(event)], "replayed": True})

    def send(self, events: Iterable[Event]) -> None:
        """Send new events the reader wants, if any; one that does not follow yet is told of their jobs in the end."""
        if self.met is not None:
            self.met.update((event.job.id, event.job) for event in events)
            return
        self.replay(events)

    def replay(self, events: Iterable[Event]) -> None:
        """Send events of the past that the reader wants, if any."""
        wanted = [event.json() for event in events if self.wants(event)]
        if wanted:
            self.request.respond({"events": wanted})


def _names(request: Request, key: str) -> frozenset[str] | None:
    value = request.payload.get(key)
    return None if value is None else frozenset(request.get(key, dict))


class Batch:
    """What goes into one commit, and who waits for it."""

    __slots__ = ("after", "events", "ops")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.ops: list[dict[str, Any]] = []
        self.after: list[Callable[[], None]] = []

    @property
    def full(self) -> bool:
        """Whether more should go into the next commit: huge ones keep others waiting."""
        return len(self.events) >= BATCH_EVENTS


class Journal:
    """Collects events and KVS operations, commits them, tells the readers, then calls who waits for that.

    With ``durable`` set a commit with a new job in it returns when it would survive the loss of the instance.
    """

    def __init__(self, ctx: Context, readers: Callable[[], Iterator[Reader]]) -> None:
        self._ctx = ctx
        self._readers = readers
        self._batches: deque[Batch] = deque()
        self._flying: Batch | None = None
        self.durable = False
        self.commits = 0
        self.posted = 0

    def _open(self) -> Batch:
        """Return the batch that takes what is recorded now."""
        if not self._batches or self._batches[-1].full:
            self._batches.append(Batch())
        return self._batches[-1]

    def add(self, job: Job, seq: int, entry: dict[str, Any]) -> None:
        """Record an eventlog entry."""
        self._open().events.append(Event(job, seq, entry, extra_of(job, entry["name"])))

    def add_volatile(self, job: Job, name: str, context: dict[str, Any]) -> None:
        """Tell the readers something that is no eventlog entry."""
        entry = {"timestamp": self._ctx.now(), "name": name, "context": context}
        self._open().events.append(Event(job, VOLATILE, entry))

    def put(self, id: int, key: str, data: bytes) -> None:
        """Store a value in a job's KVS directory with the next commit."""
        self._open().ops.append(put_op(job_key(id, key), data))

    def after_commit(self, function: Callable[[], None]) -> None:
        """Call ``function`` once everything recorded so far is in the KVS and the readers know."""
        (self._batches[-1] if self._batches else self._open()).after.append(function)

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting or under way."""
        return self._flying is None and not self._batches

    def unpublished(self) -> list[Event]:
        """Return the events the readers have not been told yet."""
        batches = [self._flying] if self._flying else []
        return [event for batch in (*batches, *self._batches) for event in batch.events]

    def published(self, jobs: Iterable[Job]) -> Iterator[Event]:
        """Yield the events of jobs that the readers have been told already, oldest first within a job."""
        held = Counter(event.job.id for event in self.unpublished() if event.seq != VOLATILE)
        known = {job.id: job for job in jobs}
        for event in self.unpublished():
            known.setdefault(event.job.id, event.job)
        for job in known.values():
            yield from events_of(job, len(job.entries) - held[job.id])

    def flush(self) -> None:
        """Commit what has been recorded, unless a commit is under way."""
        while self._flying is None and self._batches and not self._ctx.handle.closed:
            batch = self._flying = self._batches.popleft()
            self.posted += len(batch.events)
            ops = [*batch.ops, *_appends(batch.events)]
            if ops:
                self._commit(batch, ops)
            else:
                self._publish(batch)

    def _commit(self, batch: Batch, ops: list[dict[str, Any]]) -> None:
        self.commits += 1
        sync = self.durable and any(event.entry["name"] == "submit" for event in batch.events)
        payload = {"namespace": "primary", "flags": FLUX_KVS_SYNC if sync else 0, "ops": ops}
        self._ctx.handle.post("kvs.commit", payload, lambda msg: self._committed(msg, batch))

    def _committed(self, msg: Message, batch: Batch) -> None:
        if msg.errnum:
            text = f"eventlog commit of {len(batch.events)} events failed: {error_of(msg).strerror}"
            self._ctx.log.err(text)
        self._publish(batch)
        self.flush()

    def _publish(self, batch: Batch) -> None:
        self._flying = None
        if batch.events:
            for reader in self._readers():
                reader.send(batch.events)
        for function in batch.after:
            function()


def _appends(events: list[Event]) -> Iterator[dict[str, Any]]:
    """Yield one append operation per job for its new eventlog entries."""
    lines: dict[int, bytes] = {}
    for event in events:
        if event.seq != VOLATILE:
            lines[event.job.id] = lines.get(event.job.id, b"") + json.dumps(event.entry) + b"\n"
    for id, data in lines.items():
        yield put_op(job_key(id, "eventlog"), data, FLUX_KVS_APPEND)
