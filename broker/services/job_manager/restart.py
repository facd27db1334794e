"""What a job manager finds in the KVS when it starts: every job's eventlog, replayed."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar, cast

from broker.services.job_manager.active import ACTIVE_KEY, ActiveIndex
from broker.services.job_manager.shape import check_shape
from broker.services.job_manager.states import Job, apply
from flux.eventlog import decode
from flux.job.describe import queue_name
from flux.job.JobID import kvs_key
from flux.kvs_txn import PRIMARY, READDIR
from flux.treeobj import decode_val
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

    from flux.aio import AsyncFlux
    from flux.job.types import EventEntry
    from flux.wire.json import JsonObject

#: What reading a stored job raises when it makes no sense.
UNREADABLE: Final = (OSError, ValueError, KeyError, TypeError, AttributeError)
CHECKPOINT_KEY: Final = "checkpoint.job-manager"
_DIGITS: Final = 4
DETAILS: Final = ("eventlog", "jobspec", "R")
_AT_ONCE: Final = 64
_IN_A_ROW: Final = 8
T = TypeVar("T")


async def lookup_value(handle: AsyncFlux, key: str) -> bytes:
    """Return a value of the primary namespace; raises OSError(ENOENT) without one."""
    answer = await handle.rpc("kvs.lookup", {"key": key, "namespace": PRIMARY, "flags": 0})
    return decode_val(answer["val"])


async def read_dir(handle: AsyncFlux, key: str) -> JsonObject:
    """Return the entries of a directory of the primary namespace, empty when there is none."""
    payload = {"key": key, "namespace": PRIMARY, "flags": READDIR}
    try:
        answer = await handle.rpc("kvs.lookup", payload)
    except OSError as exc:
        if exc.errno == errno.ENOENT:
            return {}
        raise
    entries: JsonObject = answer["val"]["data"]
    return entries


class StoredJob:
    """A job's KVS directory, with its eventlog read."""

    def __init__(self, handle: AsyncFlux, id: int, directory: JsonObject) -> None:
        self._handle = handle
        self._directory = directory
        self.id = id
        self._values: dict[str, bytes | Exception] = {}

    async def value(self, key: str) -> bytes:
        """Return one of its values; raises OSError(ENOENT) without one, ValueError for a damaged
        one.
        """
        known = self._values.get(key)
        if isinstance(known, Exception):
            raise known
        if known is not None:
            return known
        entry = self._directory.get(key)
        if entry is None:
            raise OSError(errno.ENOENT, f"job {self.id} has no {key} in the KVS")
        if entry.get("type") == "val":
            return decode_val(entry)
        return await lookup_value(self._handle, kvs_key(self.id, key))

    async def fetch(self, key: str) -> None:
        """Have one of its values at hand, or the reason why there is none."""
        try:
            self._values[key] = await self.value(key)
        except (OSError, ValueError) as exc:
            self._values[key] = exc

    @property
    def is_gone(self) -> bool:
        """Whether it was purged before its eventlog could be read."""
        eventlog = self._values.get("eventlog")
        return isinstance(eventlog, OSError) and eventlog.errno == errno.ENOENT

    async def replay(self) -> Job:
        """Return the job its eventlog tells of; raises ValueError, KeyError, TypeError or OSError
        when it makes no sense.
        """
        job = Job(self.id)
        for entry in decode((await self.value("eventlog")).decode("utf-8", "surrogateescape")):
            apply(job, cast("EventEntry", entry))  # it raises for anything else
        return job

    async def load_details(self, job: Job) -> None:
        """Read what there is besides the eventlog: the jobspec, and R if resources were
        allocated.
        """
        jobspec = json.loads(await self.value("jobspec"))
        check_shape(jobspec)
        job.jobspec = jobspec
        job.queue = queue_name(jobspec) or ""
        if any(entry["name"] == "alloc" for entry in job.entries):
            job.resources = json.loads(await self.value("R"))


async def stored_jobs(
    handle: AsyncFlux, keys: Sequence[str] = ("eventlog",)
) -> AsyncIterator[StoredJob]:
    """Yield every job in the KVS, in the order of their ids, with the values of ``keys`` at hand.

    Job directories without an eventlog are left out: such a job was never acknowledged.
    """
    chunk: list[int] = []
    async for id in _job_ids(handle):
        chunk.append(id)
        if len(chunk) == _AT_ONCE:
            async for job in _read_jobs(handle, chunk, keys):
                yield job
            chunk = []
    async for job in _read_jobs(handle, chunk, keys):
        yield job


async def _read_jobs(
    handle: AsyncFlux, ids: list[int], keys: Sequence[str]
) -> AsyncIterator[StoredJob]:
    """Yield those of a few jobs that have an eventlog, all of them read at once. Others get a turn
    after every few.
    """
    found = await asyncio.gather(*(read_dir(handle, kvs_key(id)) for id in ids))
    jobs = [
        StoredJob(handle, id, directory)
        for id, directory in zip(ids, found, strict=True)
        if "eventlog" in directory
    ]
    await asyncio.gather(*(job.fetch(key) for job in jobs for key in keys))
    for place, job in enumerate(jobs):
        if place % _IN_A_ROW == 0:
            await asyncio.sleep(0)
        if not job.is_gone:
            yield job


Place = tuple[
    str, int
]  # a directory above the jobs, and the digits of their ids that it stands for


async def _job_ids(handle: AsyncFlux) -> AsyncIterator[int]:
    """Yield every job id, walking the four levels of hexadecimal directories it is spread over (RFC
    16), many at a time.
    """
    for first in await _below(handle, [("job", 0)]):
        for second in batched(await _below(handle, [first])):
            for third in batched(await _below(handle, second)):
                for _, id in await _below(handle, third):
                    yield id


async def _below(handle: AsyncFlux, places: list[Place]) -> list[Place]:
    """Return the directories below ``places``, in the order of their ids."""
    directories = await asyncio.gather(*(read_dir(handle, key) for key, _ in places))
    return [
        (f"{key}.{name}", prefix << 16 | int(name, 16))
        for (key, prefix), directory in zip(places, directories, strict=True)
        for name in sorted(directory)
        if len(name) == _DIGITS and _is_hex(name)
    ]


def batched(items: list[T]) -> Iterator[list[T]]:
    """Yield ``items`` in lists as long as the number of look-ups made at once."""
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]


def _is_hex(name: str) -> bool:
    return not name.strip("0123456789abcdef")


class Checkpoint(NamedTuple):
    """What the last job manager left: the greatest job id it knew, the states of its queues."""

    max_jobid: int
    queues: object


async def load_checkpoint(handle: AsyncFlux) -> Checkpoint | None:
    """Return what the last job manager left, None without a checkpoint."""
    try:
        value = json.loads(await lookup_value(handle, CHECKPOINT_KEY))
        return Checkpoint(int(value["max_jobid"]), value.get("queue"))
    except OSError as exc:
        if exc.errno == errno.ENOENT:
            return None
        raise


async def load_active(handle: AsyncFlux) -> ActiveIndex | None:
    """Return the stored list of active jobs, None if there is none or it makes no sense."""
    try:
        return ActiveIndex.parse((await lookup_value(handle, ACTIVE_KEY)).decode("ascii"))
    except ValueError:
        return None
    except OSError as exc:
        if exc.errno == errno.ENOENT:
            return None
        raise


async def listed_jobs(
    handle: AsyncFlux, ids: Iterable[int], keys: Sequence[str] = DETAILS
) -> AsyncIterator[StoredJob]:
    """Yield the jobs of ``ids`` that are in the KVS, in the order of their ids, with the values of
    ``keys`` at hand.
    """
    for chunk in batched(sorted(ids)):
        async for job in _read_jobs(handle, chunk, keys):
            yield job


def reason_of(exc: Exception) -> str:
    """Return what is wrong with a stored job."""
    if isinstance(exc, OSError):
        return exc.strerror or str(exc)
    return f"malformed: {exc}"
