"""What a job manager finds in the KVS when it starts: every job's eventlog, replayed."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar, cast

from broker.services.job_manager.active import ACTIVE_KEY, ActiveIndex
from broker.services.job_manager.shape import check_shape
from broker.services.job_manager.states import Job, apply
from flux.eventlog import decode
from flux.job.describe import queue_name
from flux.job.JobID import kvs_key
from flux.job.updates import current_jobspec, current_resources
from flux.kvs_txn import PRIMARY, READDIR
from flux.treeobj import decode_val
from flux.wire import json
from flux.wire.errors import os_error
from flux.wire.message import ROLE_OWNER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence

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


async def look_up(handle: AsyncFlux, keys: Sequence[str], flags: int = 0) -> list[JsonObject]:
    """Return what each of many keys of the primary namespace has, {val} or {errnum}: one request,
    and what is not in memory is loaded together.
    """
    payload = {
        "namespace": PRIMARY,
        "userid": os.geteuid(),
        "rolemask": ROLE_OWNER,
        "lookups": [{"key": key, "flags": flags} for key in keys],
    }
    answer = await handle.rpc("kvs.lookup-plus", payload)
    results: list[JsonObject] = answer["results"]
    return results


async def read_dirs(handle: AsyncFlux, keys: Sequence[str]) -> list[JsonObject]:
    """Return the entries of directories of the primary namespace, none where there is no such
    directory. Raises OSError for one that cannot be read.
    """
    found: list[JsonObject] = []
    for result in await look_up(handle, keys, READDIR) if keys else ():
        errnum = result.get("errnum", 0)
        if errnum not in (0, errno.ENOENT):
            raise os_error(errnum)
        found.append({} if errnum else result["val"]["data"])
    return found


class StoredJob:
    """A job's KVS directory; ``values`` has those that were read with it, by key, or why they could
    not be.
    """

    def __init__(
        self, handle: AsyncFlux, id: int, values: Mapping[str, bytes | OSError | ValueError]
    ) -> None:
        self._handle = handle
        self._values = values
        self.id = id

    async def value(self, key: str) -> bytes:
        """Return one of its values; raises OSError(ENOENT) without one, ValueError for a damaged
        one.
        """
        if key not in self._values:
            return await lookup_value(self._handle, kvs_key(self.id, key))
        known = self._values[key]
        if isinstance(known, bytes):
            return known
        if isinstance(known, OSError) and known.errno == errno.ENOENT:
            raise OSError(errno.ENOENT, f"job {self.id} has no {key} in the KVS")
        raise known

    @property
    def exists(self) -> bool:
        """Whether it was acknowledged, and has not been purged: then it has an eventlog."""
        eventlog = self._values.get("eventlog")
        return not (isinstance(eventlog, OSError) and eventlog.errno == errno.ENOENT)

    async def replay(self) -> Job:
        """Return the job its eventlog tells of; raises ValueError, KeyError, TypeError or OSError
        when it makes no sense.
        """
        job = Job(self.id)
        for entry in decode((await self.value("eventlog")).decode("utf-8", "surrogateescape")):
            apply(job, cast("EventEntry", entry))  # it raises for anything else
        return job

    async def load_details(self, job: Job) -> None:
        """Read what there is besides the eventlog, the jobspec, and R if resources were allocated,
        and bring it up to date.
        """
        jobspec = json.loads(await self.value("jobspec"))
        check_shape(jobspec)
        entries = job.entries
        job.jobspec = current_jobspec(jobspec, entries)
        job.queue = queue_name(job.jobspec) or ""
        if any(entry["name"] == "alloc" for entry in entries):
            job.resources = current_resources(json.loads(await self.value("R")), entries)


async def stored_jobs(
    handle: AsyncFlux, keys: Sequence[str] = ("eventlog",), ids: Iterable[int] | None = None
) -> AsyncIterator[StoredJob]:
    """Yield every job in the KVS, or those of ``ids``, in the order of their ids, with the values
    of ``keys`` at hand.

    Job directories without an eventlog are left out: such a job was never acknowledged.
    """
    chunk: list[int] = []
    async for id in _job_ids(handle) if ids is None else _given(sorted(ids)):
        chunk.append(id)
        if len(chunk) == _AT_ONCE:
            async for job in _read_jobs(handle, chunk, keys):
                yield job
            chunk = []
    async for job in _read_jobs(handle, chunk, keys):
        yield job


async def _given(ids: Iterable[int]) -> AsyncIterator[int]:
    for id in ids:
        yield id


async def _read_jobs(
    handle: AsyncFlux, ids: list[int], keys: Sequence[str]
) -> AsyncIterator[StoredJob]:
    """Yield those of a few jobs that have an eventlog, all of them read at once. Others get a turn
    after every few.
    """
    wanted = [(id, key) for id in ids for key in keys]
    values: dict[int, dict[str, bytes | OSError | ValueError]] = {id: {} for id in ids}
    results = await look_up(handle, [kvs_key(*pair) for pair in wanted]) if wanted else []
    for (id, key), result in zip(wanted, results, strict=True):
        values[id][key] = _value_of(result)
    jobs = [StoredJob(handle, id, found) for id, found in values.items()]
    for place, job in enumerate(job for job in jobs if job.exists):
        if place % _IN_A_ROW == 0:
            await asyncio.sleep(0)
        yield job


def _value_of(result: JsonObject) -> bytes | OSError | ValueError:
    """Return the value that was looked up, or what is wrong with it."""
    if "errnum" in result:
        return os_error(result["errnum"])
    try:
        return decode_val(result["val"])
    except (OSError, ValueError) as exc:
        return exc


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
    directories = await read_dirs(handle, [key for key, _ in places])
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
