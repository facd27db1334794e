"""Job events on their way to the KVS and to the journal's readers, and the operations that store
them.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from broker.jobtap.plugin import redacted
from broker.services.job_manager.states import Job
from flux.constants import FLUX_KVS_APPEND
from flux.wire import json

VOLATILE: Final = -1
BATCH_EVENTS: Final = 256

Done = Callable[[], None]
Failed = Callable[[OSError], None]


def job_dir(id: int) -> str:
    """Return the KVS directory of a job (RFC 16)."""
    text = f"{id:016x}"
    return f"job.{text[:4]}.{text[4:8]}.{text[8:12]}.{text[12:]}"


def job_key(id: int, key: str) -> str:
    """Return the KVS key of a job's ``key``."""
    return f"{job_dir(id)}.{key}"


def put_op(key: str, data: bytes, flags: int = 0) -> dict[str, Any]:
    """Return the commit operation that stores ``data`` at ``key``."""
    text = b2a_base64(data, newline=False).decode("ascii")
    return {"key": key, "flags": flags, "dirent": {"ver": 1, "type": "val", "data": text}}


def unlink_op(key: str) -> dict[str, Any]:
    """Return the commit operation that removes ``key`` and what is below it."""
    return {"key": key, "flags": 0, "dirent": None}


class Event:
    """One event: the job, its entry with its place in the eventlog, what readers are told
    besides.
    """

    __slots__ = ("entry", "extra", "job", "seq")

    def __init__(
        self, job: Job, seq: int, entry: dict[str, Any], extra: dict[str, Any] | None = None
    ) -> None:
        self.job = job
        self.seq = seq
        self.entry = entry
        self.extra = extra

    def json(self) -> dict[str, Any]:
        """Return what a reader of the journal is sent."""
        event = {"id": self.job.id, "eventlog_seq": self.seq, "entry": self.entry}
        return {**event, **self.extra} if self.extra else event


def extra_of(job: Job, name: str) -> dict[str, Any] | None:
    """Return what accompanies an event: the jobspec of a submission, the R of an allocation."""
    if name == "submit":
        return {"jobspec": redacted(job.jobspec)}
    if name == "alloc" and job.resources is not None:
        return {"R": job.resources}
    return None


def events_of(job: Job, count: int | None = None) -> Iterator[Event]:
    """Yield a job's eventlog as journal events, the first ``count`` or all of them."""
    for seq, entry in enumerate(job.entries[:count]):
        yield Event(job, seq, entry, extra_of(job, entry["name"]))


class Waiter(NamedTuple):
    """Who waits for a commit: ``failed``, if any, is called instead of ``done`` at the first
    failure.
    """

    done: Done
    failed: Failed | None


class Batch:
    """What goes into one commit, and who waits for it.

    ``ops`` are pairs of a job id and an operation; ``newborn`` are the jobs whose submission it
    holds.
    """

    __slots__ = ("events", "newborn", "ops", "rewrite", "waiters")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.ops: list[tuple[int, dict[str, Any]]] = []
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

    def add(self, event: Event) -> None:
        """Append an event."""
        self.events.append(event)
        if event.job.embryonic and event.entry["name"] == "submit":
            self.newborn.append(event.job)

    @property
    def stores(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.ops) or any(event.seq != VOLATILE for event in self.events)

    def jobs(self) -> dict[int, None]:
        """Return the ids of the jobs with something to commit, in order."""
        ids = dict.fromkeys(id for id, _ in self.ops)
        return ids | dict.fromkeys(event.job.id for event in self.events)

    def drop(self, jobs: set[int]) -> None:
        """Leave out everything about ``jobs``."""
        self.events = [event for event in self.events if event.job.id not in jobs]
        self.ops = [pair for pair in self.ops if pair[0] not in jobs]
        self.newborn = [job for job in self.newborn if job.id not in jobs]

    def split(self) -> list[Batch]:
        """Return a batch for each job; who waited for this one waits for the last of them."""
        parts = {id: Batch() for id in self.jobs()}
        for id, op in self.ops:
            parts[id].ops.append((id, op))
        for event in self.events:
            parts[event.job.id].add(event)
        for part in parts.values():
            part.rewrite = self.rewrite
        batches = list(parts.values())
        batches[-1].waiters = self.waiters
        return batches

    def operations(self) -> list[dict[str, Any]]:
        """Return the operations that store the batch.

        The first attempt appends to the eventlogs. What failed once is written whole (``rewrite``):
        whatever the failed attempt left behind, no entry is stored twice.
        """
        ops = [op for _, op in self.ops]
        last: dict[int, Event] = {}
        lines: dict[int, bytes] = {}
        for event in self.events:
            if event.seq == VOLATILE:
                continue
            id = event.job.id
            last[id] = event
            if not self.rewrite:
                lines[id] = lines.get(id, b"") + encoded([event.entry])
        flags = 0 if self.rewrite else FLUX_KVS_APPEND
        for id, event in last.items():
            data = encoded(event.job.entries[: event.seq + 1]) if self.rewrite else lines[id]
            ops.append(put_op(job_key(id, "eventlog"), data, flags))
        return ops


def encoded(entries: Iterable[dict[str, Any]]) -> bytes:
    """Return eventlog entries as text (RFC 18)."""
    return b"".join(json.dumps(entry) + b"\n" for entry in entries)
