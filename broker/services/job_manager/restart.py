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


async def eventlogs(handle: AsyncFlux) -> AsyncIterator[tuple[int, str]]:
    """Yield (id, eventlog) of every job in the KVS, in the order of their ids.

    Job directories without an eventlog are left out: such a job was never acknowledged.
    """
    async for id, directory in _job_dirs(handle, "job", 0, 0):
        entry = directory.get("eventlog")
        if entry is None:
            continue
        if entry.get("type") == "val":
            yield id, decode_val(entry).decode("utf-8")
        else:
            yield id, (await lookup_value(handle, job_key(id, "eventlog"))).decode("utf-8")


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


def replay(id: int, eventlog: str) -> Job:
    """Return the job an eventlog tells of; raises ValueError, KeyError, TypeError or OSError when it makes no sense."""
    job = Job(id)
    for entry in decode(eventlog):
        apply(job, entry)
    return job


async def load_details(handle: AsyncFlux, job: Job) -> None:
    """Read what an active job needs besides its eventlog: the jobspec, and R if it holds resources."""
    job.jobspec = json.loads(await lookup_value(handle, job_key(job.id, "jobspec")))
    if job.has_resources:
        job.resources = json.loads(await lookup_value(handle, job_key(job.id, "R")))


async def load_checkpoint(handle: AsyncFlux) -> int | None:
    """Return the greatest job id the last job manager knew, None without a checkpoint."""
    try:
        return int(json.loads(await lookup_value(handle, CHECKPOINT_KEY))["max_jobid"])
    except OSError as exc:
        if exc.errno == errno.ENOENT:
            return None
        raise
