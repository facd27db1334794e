"""What a job manager finds in the KVS when it starts: every job's eventlog, replayed."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from typing import Any, Final

from broker.services.job_manager.journal import job_key
from broker.services.job_manager.states import Job, apply
from flux.aio import AsyncFlux
from flux.constants import FLUX_KVS_READDIR
from flux.eventlog import decode
from flux.treeobj import decode_val
from flux.wire import json

CHECKPOINT_KEY: Final = "checkpoint.job-manager"
_LEVELS: Final = 4
_AT_ONCE: Final = 64


async def lookup_value(handle: AsyncFlux, key: str) -> bytes:
    """Return a value of the primary namespace; raises OSError(ENOENT) without one."""
    answer = await handle.rpc("kvs.lookup", {"key": key, "namespace": "primary", "flags": 0})
    return decode_val(answer["val"])


async def read_dir(handle: AsyncFlux, key: str) -> dict[str, Any]:
    """Return the entries of a directory of the primary namespace, empty when there is none."""
    payload = {"key": key, "namespace": "primary", "flags": FLUX_KVS_READDIR}
    try:
        answer = await handle.rpc("kvs.lookup", payload)
    except OSError as exc:
        if exc.errno == errno.ENOENT:
            return {}
        raise
    entries: dict[str, Any] = answer["val"]["data"]
    return entries


class StoredJob:
    """A job's KVS directory, with its eventlog read."""

    def __init__(self, handle: AsyncFlux, id: int, directory: dict[str, Any]) -> None:
        self._handle = handle
        self._directory = directory
        self.id = id
        self.eventlog = ""

    async def value(self, key: str) -> bytes:
        """Return one of its values; raises OSError(ENOENT) without one."""
        entry = self._directory.get(key)
        if entry is None:
            raise OSError(errno.ENOENT, f"job {self.id} has no {key} in the KVS")
        if entry.get("type") == "val":
            return decode_val(entry)
        return await lookup_value(self._handle, job_key(self.id, key))

    def replay(self) -> Job:
        """Return the job its eventlog tells of; raises ValueError, KeyError, TypeError or OSError when it makes no sense."""
        job = Job(self.id)
        for entry in decode(self.eventlog):
            apply(job, entry)
        return job

    async def load_details(self, job: Job) -> None:
        """Read what there is besides the eventlog: the jobspec, and R if resources were allocated."""
        job.jobspec = json.loads(await self.value("jobspec"))
        if any(entry["name"] == "alloc" for entry in job.entries):
            job.resources = json.loads(await self.value("R"))


async def stored_jobs(handle: AsyncFlux) -> AsyncIterator[StoredJob]:
    """Yield every job in the KVS, in the order of their ids.

    Job directories without an eventlog are left out: such a job was never acknowledged.
    """
    async for id, directory in _job_dirs(handle, "job", 0, 0):
        job = StoredJob(handle, id, directory)
        if "eventlog" in directory:
            job.eventlog = (await job.value("eventlog")).decode("utf-8")
            yield job


async def _job_dirs(handle: AsyncFlux, key: str, prefix: int, level: int) -> AsyncIterator[tuple[int, dict[str, Any]]]:
    """Walk the four levels of hexadecimal directories that a job id is spread over (RFC 16)."""
    entries = await read_dir(handle, key)
    names = sorted(name for name in entries if len(name) == _LEVELS and _is_hex(name))
    for start in range(0, len(names), _AT_ONCE):
        chunk = names[start : start + _AT_ONCE]
        if level == _LEVELS - 1:
            found = await asyncio.gather(*(read_dir(handle, f"{key}.{name}") for name in chunk))
            for name, directory in zip(chunk, found, strict=True):
                yield prefix << 16 | int(name, 16), directory
            continue
        for name in chunk:
            async for item in _job_dirs(handle, f"{key}.{name}", prefix << 16 | int(name, 16), level + 1):
                yield item


def _is_hex(name: str) -> bool:
    return not name.strip("0123456789abcdef")


async def load_checkpoint(handle: AsyncFlux) -> int | None:
    """Return the greatest job id the last job manager knew, None without a checkpoint."""
    try:
        return int(json.loads(await lookup_value(handle, CHECKPOINT_KEY))["max_jobid"])
    except OSError as exc:
        if exc.errno == errno.ENOENT:
            return None
        raise
