"""Job events on their way to the KVS and to the journal's readers, and the operations that store
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from broker.jobtap.arguments import redacted
from flux.job.JobID import kvs_key
from flux.kvs_txn import APPEND
from flux.kvs_types import KvsPut
from flux.wire import json

if TYPE_CHECKING:
    from broker.services.job_manager.states import Job
    from flux.job.types import EventEntry
    from flux.kvs_types import KvsOp
    from flux.wire.json import JsonObject

VOLATILE: Final = -1
BATCH_EVENTS: Final = 256

Done = Callable[[], None]
Failed = Callable[[OSError], None]


class JournalEvent:
    """One event: the job, its entry with its place in the eventlog, what readers are told
    besides.

    Its texts are made once, however many read them.
    """

    __slots__ = ("_line", "_text", "entry", "extra", "job", "seq")

    def __init__(
        self, job: Job, seq: int, entry: EventEntry, extra: JsonObject | None = None
    ) -> None:
        self.job = job
        self.seq = seq
        self.entry = entry
        self.extra = extra
        self._line = b""
        self._text = b""

    def line(self) -> bytes:
        """Return the entry as it stands in the eventlog, without its newline (RFC 18)."""
        if not self._line:
            self._line = json.dumps(self.entry)
            self.job.keep_line(self.seq, self._line)
        return self._line

    def record(self) -> JsonObject:
        """Return what a reader in this broker is sent: `text` as an object, and the ``line``."""
        record: JsonObject = {
            "id": self.job.id,
            "eventlog_seq": self.seq,
            "entry": self.entry,
            "line": self.line(),
        }
        return {**record, **self.extra} if self.extra else record

    def both(self) -> JsonObject:
        """Return the event as 0.29 tells it and, beside that, as the entry that it is later."""
        record: JsonObject = {"id": self.job.id, "eventlog_seq": self.seq, "entry": self.entry}
        return {**record, **(self.extra or {}), **self.entry}

    def text(self) -> bytes:
        """Return what a reader of the journal elsewhere is sent: an object of JSON."""
        if not self._text:
            extra = b"," + json.dumps(self.extra)[1:-1] if self.extra else b""
            self._text = b'{"id":%d,"eventlog_seq":%d,"entry":%b%b}' % (
                self.job.id,
                self.seq,
                self.line(),
                extra,
            )
        return self._text


def extra_of(job: Job, name: str) -> JsonObject | None:
    """Return what accompanies an event: the jobspec of a submission, the R of an allocation."""
    if name == "submit":
        return {"jobspec": redacted(job.jobspec)}
    if name == "alloc" and job.resources is not None:
        return {"R": job.resources}
    return None


def events_of(job: Job, count: int | None = None) -> Iterator[JournalEvent]:
    """Yield a job's eventlog as journal events, the first ``count`` or all of them."""
    for seq, entry in enumerate(job.entries[:count]):
        yield JournalEvent(job, seq, entry, extra_of(job, entry["name"]))


class Waiter(NamedTuple):
    """Who waits for a commit: ``failed``, if any, is called instead of ``done`` at the first
    failure.
    """

    done: Done
    failed: Failed | None


class CommitBatch:
    """What goes into one commit, and who waits for it.

    ``ops`` are pairs of a job id and an operation; ``newborn`` are the jobs whose submission it
    holds.
    """

    __slots__ = ("events", "newborn", "ops", "rewrite", "waiters")

    def __init__(self) -> None:
        self.events: list[JournalEvent] = []
        self.ops: list[tuple[int, KvsPut]] = []
        self.newborn: list[Job] = []
        self.waiters: list[Waiter] = []
        self.rewrite = False

    def takes(self, job: Job) -> bool:
        """Whether an event of ``job`` may be added.

        Huge commits keep others waiting, but the first events of a job stay in one commit, which
        stores all of them or none.
        """
        if len(self.events) < BATCH_EVENTS:
            return True
        return job.embryonic and self.events[-1].job is job

    def add(self, event: JournalEvent) -> None:
        """Append an event."""
        self.events.append(event)
        job = event.job
        if job.embryonic and event.entry["name"] == "submit":
            self.newborn.append(job)
            self.ops += [(job.id, KvsPut(kvs_key(job.id, key), data)) for key, data in job.values]
            job.values = ()

    @property
    def stores(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.ops) or any(event.seq != VOLATILE for event in self.events)

    @property
    def urgent(self) -> bool:
        """Whether somebody is answered when it is stored, or nothing has to be stored."""
        if self.newborn or not self.stores:
            return True
        return any(waiter.failed is not None for waiter in self.waiters)

    def jobs(self) -> dict[int, None]:
        """Return the ids of the jobs with something to commit, in order."""
        ids = dict.fromkeys(id for id, _ in self.ops)
        return ids | dict.fromkeys(event.job.id for event in self.events)

    def drop(self, jobs: set[int]) -> None:
        """Leave out everything about ``jobs``."""
        self.events = [event for event in self.events if event.job.id not in jobs]
        self.ops = [pair for pair in self.ops if pair[0] not in jobs]
        self.newborn = [job for job in self.newborn if job.id not in jobs]

    def split(self) -> list[CommitBatch]:
        """Return a batch for each job; who waited for this one waits for the last of them."""
        parts = {id: CommitBatch() for id in self.jobs()}
        for id, op in self.ops:
            parts[id].ops.append((id, op))
        for event in self.events:
            parts[event.job.id].add(event)
        for part in parts.values():
            part.rewrite = self.rewrite
        batches = list(parts.values())
        batches[-1].waiters = self.waiters
        return batches

    def operations(self) -> list[KvsOp | KvsPut]:
        """Return the operations that store the batch.

        The first attempt appends to the eventlogs. What failed once is written whole (``rewrite``):
        whatever the failed attempt left behind, no entry is stored twice.
        """
        ops: list[KvsOp | KvsPut] = [op for _, op in self.ops]
        last: dict[int, JournalEvent] = {}
        lines: dict[int, bytes] = {}
        for event in self.events:
            if event.seq == VOLATILE:
                continue
            id = event.job.id
            last[id] = event
            if not self.rewrite:
                lines[id] = b"%b%b\n" % (lines.get(id, b""), event.line())
        flags = 0 if self.rewrite else APPEND
        for id, event in last.items():
            data = encoded(event.job.entries[: event.seq + 1]) if self.rewrite else lines[id]
            ops.append(KvsPut(kvs_key(id, "eventlog"), data, flags))
        return ops


def encoded(entries: Iterable[EventEntry]) -> bytes:
    """Return eventlog entries as text (RFC 18)."""
    return b"".join(json.dumps(entry) + b"\n" for entry in entries)
