"""Removing inactive jobs for good: on request (flux-job(1) purge), and by the limits of the
configuration.

A purge removes the oldest jobs first, a batch in one commit: after a crash a job is there whole or
not at all. Directories above the jobs go with the last job in them once no new job can come there
any more. Jobs that somebody may still wait for stay.
"""

from __future__ import annotations

import asyncio
import errno
from itertools import islice
from typing import TYPE_CHECKING, Final

from broker.service import event, request
from broker.services.job_manager.inactive import PurgeLimits
from broker.services.job_manager.restart import read_dirs
from flux.job.JobID import kvs_key
from flux.kvs_txn import SYNC, commit_request, unlink_op

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broker.service import Request
    from broker.services.job_manager.core import ManagerCore
    from broker.services.job_manager.history import History
    from flux.wire.message import Message

BATCH_DEFAULT: Final = 50
BATCH_MAX: Final = 1000
UNLIMITED: Final = -1
NOBODY_COMES_SECONDS: Final = 60.0
YOUNG_MAX: Final = 16384
_ID_TIME_SHIFT: Final = 24  # of a job id, the bits below the milliseconds (RFC 19)
_LEVELS: Final = (
    16,
    32,
    48,
)  # of a job id, the bits below the last digits in each directory above it


def closed_parents(id: int, now: int) -> list[tuple[str, int]]:
    """Return the directories above a job, lowest first, that no new job can come into any more,
    with the bits each spans.

    ``now`` is the time in new job ids, in milliseconds.
    """
    parents = []
    for bits in _LEVELS:
        newest = (id | (1 << bits) - 1) >> _ID_TIME_SHIFT
        if newest + NOBODY_COMES_SECONDS * 1000 < now:
            parents.append((kvs_key(id).rsplit(".", bits // 16)[0], bits))
    return parents


class JobPurge:
    """``job-manager.purge`` {age_limit, num_limit, batch, force} and ``purge-id`` {id, force}, for
    the instance owner.
    """

    def __init__(self, core: ManagerCore, history: History) -> None:
        self._core = core
        self._history = history
        self.purged = 0
        self._purging = asyncio.Lock()
        self._limiting = False
        self._young: dict[int, None] = {}

    @request("purge")
    async def purge(self, req: Request) -> dict[str, int]:
        """Purge the oldest inactive jobs, at most ``batch`` of them; without ``force`` only count
        them.

        Jobs qualify that have been inactive for more than ``age_limit`` seconds, and those beyond
        the newest ``num_limit``; -1 is no limit. Answers {count}.
        """
        age = req.payload.get("age_limit", UNLIMITED)
        if not isinstance(age, int | float) or isinstance(age, bool):
            raise OSError(errno.EPROTO, "age_limit is not a number")
        limits = self._limits(age, req.get("num_limit", int, UNLIMITED))
        batch = req.get("batch", int, BATCH_DEFAULT)
        if not 1 <= batch <= BATCH_MAX:
            raise OSError(errno.EINVAL, f"batch must be >= 1 and <= {BATCH_MAX}")
        force = req.get("force", bool, False)
        await self._history.know_inactive()
        if not force:
            return {
                "count": len(
                    self._core.inactive.select(
                        limits, len(self._core.inactive), self._core.waits.zombies
                    )
                )
            }
        async with self._purging:
            ids = self._core.inactive.select(limits, batch, self._core.waits.zombies)
            await self._remove(ids)
        return {"count": len(ids)}

    def _limits(self, age: float, keep: int) -> PurgeLimits:
        if not (age == UNLIMITED or 0 <= age < float("inf")) or keep < UNLIMITED:
            raise OSError(errno.EINVAL, "limits must not be negative")
        before = None if age == UNLIMITED else self._core.ctx.now() - age
        return PurgeLimits(before, None if keep == UNLIMITED else keep)

    @request("purge-id")
    async def purge_id(self, req: Request) -> dict[str, int]:
        """Purge one inactive job {id, force}; without ``force``, false or 0, only check that it can
        be. Answers {count}.
        """
        id, force = req.get("id", int), req.payload.get("force", False)
        if not isinstance(force, int):
            raise OSError(errno.EPROTO, "force is neither true or false, nor a number")
        if id in self._core.machine.jobs:
            raise OSError(errno.EINVAL, "cannot purge active job")
        if id in self._core.waits.zombies:
            raise OSError(errno.EBUSY, "job is waitable and has not been waited for")
        await self._history.know_inactive()
        async with self._purging:
            if not 0 <= id < 1 << 64 or id not in self._core.inactive:
                raise OSError(errno.ENOENT, "id not found")
            if force:
                await self._remove([id])
        return {"count": 1}

    async def _remove(self, ids: list[int]) -> None:
        """Purge jobs in one commit, then tell everybody; raises OSError if they could not be."""
        if not ids:
            return
        await self._unlink(ids)
        self._core.inactive.remove(ids)
        self._core.ended.drop(ids)
        self.purged += len(ids)
        self._history.forget(ids)
        await self._core.ctx.handle.publish("job-purge-inactive", {"jobs": ids})

    async def _unlink(self, ids: Iterable[int]) -> None:
        """Remove the directories of jobs, and those above them which are left empty, in one commit;
        raises OSError.
        """
        now = await self._id_time()
        for id in ids:
            if len(self._young) < YOUNG_MAX and len(closed_parents(id, now)) < len(_LEVELS) - 1:
                self._young[id] = None
            else:
                self._young.pop(id, None)
        flags = SYNC if self._core.journal.durable else 0
        ops = [unlink_op(key) for key in await self._keys_to_unlink(ids, now)]
        await self._core.ctx.handle.rpc("kvs.commit", commit_request(ops, flags))

    async def _keys_to_unlink(self, ids: Iterable[int], now: int) -> list[str]:
        """Return the directories of jobs, or in their place those above which would be left
        empty.
        """
        doomed = {kvs_key(id): id for id in ids}
        for bits in _LEVELS:
            parents: dict[str, list[str]] = {}
            for key, id in doomed.items():
                parent = key.rpartition(".")[0]
                if (parent, bits) in closed_parents(id, now):
                    parents.setdefault(parent, []).append(key)
            found = await read_dirs(self._core.ctx.handle, list(parents))
            for (parent, below), directory in zip(parents.items(), found, strict=True):
                if directory.keys() <= {key.rpartition(".")[2] for key in below}:
                    doomed[parent] = doomed[below[0]]
                    for key in below:
                        del doomed[key]
        return list(doomed)

    async def _id_time(self) -> int:
        """Return the time in new job ids, in milliseconds; without job-ingest, that of the greatest
        id.
        """
        try:
            return int((await self._core.ctx.handle.rpc("job-ingest.getinfo"))["timestamp"])
        except (OSError, KeyError, TypeError, ValueError):
            return self._core.machine.max_jobid >> _ID_TIME_SHIFT

    # Limits of the configuration

    @event("heartbeat.pulse")
    def on_pulse(self, msg: Message) -> None:
        """Apply the limits of the configuration, remove directories that earlier purges left
        empty.
        """
        table = self._core.ctx.config.job_manager
        limited = table.inactive_age_limit is not None or table.inactive_num_limit is not None
        if not self._limiting and (limited or self._young):
            self._limiting = True
            self._core.ctx.spawn(self._keep_small(limited), "job-manager:purge")

    async def _keep_small(self, limited: bool) -> None:
        try:
            if limited:
                await self._apply_limits()
            await self._sweep()
        except OSError as exc:
            self._core.ctx.log.err(f"purge of inactive jobs: {exc.strerror}")
        finally:
            self._limiting = False

    async def _sweep(self) -> None:
        """Remove the empty directories above jobs that were too young for that when they were
        purged.
        """
        now = await self._id_time()
        ids = [
            id
            for id in islice(self._young, BATCH_MAX)
            if len(closed_parents(id, now)) >= len(_LEVELS) - 1
        ]
        if ids:
            async with self._purging:
                await self._unlink(ids)

    async def _apply_limits(self) -> None:
        """Purge what is beyond the limits, in batches that leave the loop to others."""
        table = self._core.ctx.config.job_manager
        age, keep = table.inactive_age_limit, table.inactive_num_limit
        await self._history.know_inactive()
        while True:
            limits = self._limits(
                UNLIMITED if age is None else age, UNLIMITED if keep is None else keep
            )
            async with self._purging:
                ids = self._core.inactive.select(limits, BATCH_DEFAULT, self._core.waits.zombies)
                await self._remove(ids)
            if len(ids) < BATCH_DEFAULT:
                return
