"""The eventlogs' way out: batched commits to the KVS, and the stream of all events for other services.

One commit is under way at a time; what is posted meanwhile goes with the next one, so that a busy instance commits large batches and an
idle one commits at once. Readers of the journal hear of an event after it is in the KVS.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from broker.context import Context
from broker.jobtap.plugin import redacted
from broker.service import Request
from broker.services.job_manager.states import Job
from flux.constants import FLUX_KVS_APPEND, FLUX_KVS_SYNC
from flux.wire import json
from flux.wire.message import Message

VOLATILE = -1


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
    """One reader of the journal and the event names it wants."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.allow = _names(request, "allow")
        self.deny = _names(request, "deny")

    def wants(self, event: Event) -> bool:
        """Whether the reader asked for events of this name."""
        name = event.entry["name"]
        return (self.allow is None or name in self.allow) and (self.deny is None or name not in self.deny)

    def begin(self, events: Iterable[Event]) -> None:
        """Send the last of what is not new, which may be nothing: ``replayed`` tells the reader that it is up to date."""
        self.request.respond({"events": [event.json() for event in events if self.wants(event)], "replayed": True})

    def send(self, events: Iterable[Event]) -> None:
        """Send the events the reader wants, if any."""
        wanted = [event.json() for event in events if self.wants(event)]
        if wanted:
            self.request.respond({"events": wanted})


def _names(request: Request, key: str) -> frozenset[str] | None:
    value = request.payload.get(key)
    return None if value is None else frozenset(request.get(key, dict))


class Journal:
    """Collects events and KVS operations, commits them, tells the readers, then calls who waits for that.

    With ``durable`` set a commit with a new job in it returns when it would survive the loss of the instance.
    """

    def __init__(self, ctx: Context, readers: Callable[[], Iterator[Reader]]) -> None:
        self._ctx = ctx
        self._readers = readers
        self._events: list[Event] = []
        self._ops: list[dict[str, Any]] = []
        self._after: list[Callable[[], None]] = []
        self._flying: list[Event] = []
        self._committing = False
        self.durable = False
        self.commits = 0
        self.posted = 0

    def add(self, job: Job, seq: int, entry: dict[str, Any]) -> None:
        """Record an eventlog entry."""
        self._events.append(Event(job, seq, entry, extra_of(job, entry["name"])))

    def add_volatile(self, job: Job, name: str, context: dict[str, Any]) -> None:
        """Tell the readers something that is no eventlog entry."""
        entry = {"timestamp": self._ctx.now(), "name": name, "context": context}
        self._events.append(Event(job, VOLATILE, entry))

    def put(self, id: int, key: str, data: bytes) -> None:
        """Store a value in a job's KVS directory with the next commit."""
        self._ops.append(put_op(job_key(id, key), data))

    def after_commit(self, function: Callable[[], None]) -> None:
        """Call ``function`` once everything recorded so far is in the KVS and the readers know."""
        self._after.append(function)

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting or under way."""
        return not (self._committing or self._events or self._ops or self._after)

    def unpublished(self) -> list[Event]:
        """Return the events the readers have not been told yet."""
        return [*self._flying, *self._events]

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
        if self._committing or not (self._events or self._ops or self._after):
            return
        events, self._events = self._events, []
        ops, self._ops = self._ops, []
        after, self._after = self._after, []
        ops.extend(_appends(events))
        self._flying = events
        self.posted += len(events)
        if not ops:
            self._publish(events, after)
            return
        self._committing = True
        self.commits += 1
        sync = self.durable and any(event.entry["name"] == "submit" for event in events)
        payload = {"namespace": "primary", "flags": FLUX_KVS_SYNC if sync else 0, "ops": ops}
        self._ctx.handle.post("kvs.commit", payload, lambda msg: self._committed(msg, events, after))

    def _committed(self, msg: Message, events: list[Event], after: list[Callable[[], None]]) -> None:
        self._committing = False
        if msg.errnum:
            self._ctx.log.err(
                f"eventlog commit of {len(events)} events failed: errno {msg.errnum} {msg.text()}".rstrip()
            )
        self._publish(events, after)
        self.flush()

    def _publish(self, events: list[Event], after: list[Callable[[], None]]) -> None:
        self._flying = []
        if events:
            for reader in self._readers():
                reader.send(events)
        for function in after:
            function()


def _appends(events: list[Event]) -> Iterator[dict[str, Any]]:
    """Yield one append operation per job for its new eventlog entries."""
    lines: dict[int, bytes] = {}
    for event in events:
        if event.seq != VOLATILE:
            lines[event.job.id] = lines.get(event.job.id, b"") + json.dumps(event.entry) + b"\n"
    for id, data in lines.items():
        yield put_op(job_key(id, "eventlog"), data, FLUX_KVS_APPEND)
