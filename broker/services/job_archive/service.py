"""The job-archive module: copies jobs that have ended into an SQLite file, where they outlive their
purge and the instance.

Every ``archive.period`` it asks job-list who has ended since, oldest first, so that a round that
is cut short leaves no gap; job-info has the rest of each job. What ends within the last seconds of
the instance is copied when the module is unloaded.
"""

from __future__ import annotations

import asyncio
import errno
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

from broker.service import Service
from broker.services.job_archive.database import ArchiveFile, check_place
from flux.constants import FLUX_JOB_LOOKUP_CURRENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.configuration import Config
    from broker.context import Context
    from broker.services.job_archive.database import Row
    from flux.wire.json import JsonObject

T = TypeVar("T")
FILE: Final = "job-archive.sqlite"
PERIOD: Final = 60.0
BUSY_TIMEOUT: Final = 0.05
OVERLAP: Final = 60.0
"""Seconds that a round looks back beyond the newest job of the file: job-list hears of ends almost,
but not quite, in the order of their times."""
BATCH: Final = 64
ATTRS: Final = ("userid", "ranks", "t_submit", "t_run", "t_cleanup", "t_inactive")


class JobArchiveService(Service):
    """Keeps the file up to date; it answers what every service does."""

    name = "job-archive"
    stop_timeout = 60.0

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._pool = ThreadPoolExecutor(1, self.name)
        self._file: ArchiveFile | None = None
        self._lock = asyncio.Lock()
        self._changed = asyncio.Event()
        self._period = PERIOD
        self._archived = 0
        self._last_error = ""

    async def start(self, args: list[str]) -> None:
        """Open or create the file; raises OSError on another rank than 0, for arguments, or if that
        fails.
        """
        if self.ctx.rank != 0:
            raise OSError(errno.EINVAL, "job-archive must be loaded on rank 0")
        if args:
            raise OSError(errno.EINVAL, f"unknown option: {args[0]}")
        config = self.ctx.config.archive
        timeout = BUSY_TIMEOUT if config.busytimeout is None else config.busytimeout
        path = config.dbpath or self._default_path()
        self.configure(self.ctx.config)
        try:
            self._file = await self._run(lambda: ArchiveFile(path, timeout))
        except BaseException as exc:
            self._pool.shutdown()
            if isinstance(exc, OSError) and config.dbpath:
                raise self.ctx.setting_error(("archive", "dbpath"), exc) from None
            raise
        self.ctx.spawn(self._archive_periodically(), "job archive")

    def _default_path(self) -> str:
        """Return where the file is unless the configuration says: beside a content store that
        outlives the instance, or in the run directory.
        """
        store = self.ctx.attrs.get("content.backing-path")
        folder = (
            os.path.dirname(os.path.abspath(store)) if self.ctx.store_persists and store else ""
        )
        return os.path.join(folder or self.ctx.rundir, FILE)

    async def examine(self, config: Config) -> None:
        """Refuse a file that the next start could not open; raises OSError."""
        path = config.archive.dbpath
        if path is None or path == self.ctx.config.archive.dbpath:
            return
        try:
            check_place(path)
        except OSError as exc:
            raise self.ctx.setting_error(("archive", "dbpath"), exc) from None

    def configure(self, config: Config) -> None:
        """Take the period over; another file or waiting time counts from the next load on."""
        self._period = PERIOD if config.archive.period is None else config.archive.period
        self._changed.set()

    async def stop(self) -> None:
        """Archive what has ended since the last round, and close the file."""
        file = self._file
        if file is None:
            return
        await self._round()
        self._file = None
        await self._run(file.close)
        self._pool.shutdown()

    async def _run(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns, done in the thread that uses the file."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def _archive_periodically(self) -> None:
        while True:
            self._changed.clear()
            try:
                async with asyncio.timeout(self._period):
                    await self._changed.wait()
            except TimeoutError:
                await self._round()

    async def _round(self) -> None:
        """Archive once; what cannot be archived now is left for the next round."""
        async with self._lock:
            try:
                if self._file is not None:
                    await self._archive(self._file)
                self._last_error = ""
            except OSError as exc:
                self._last_error = exc.strerror or str(exc)
                if exc.errno != errno.ENOSYS:  # job-list and job-info come and go with rc1 and rc3
                    self.ctx.log.err(f"jobs are not archived: {self._last_error}")

    async def _archive(self, file: ArchiveFile) -> None:
        since = max(0.0, await self._run(file.newest) - OVERLAP)
        known = await self._run(lambda: file.ids_since(since))
        answer = await self.ctx.handle.rpc(
            "job-list.list-inactive", {"max_entries": 0, "since": since, "attrs": list(ATTRS)}
        )
        fresh = iter([job for job in reversed(answer["jobs"]) if str(job["id"]) not in known])
        while batch := list(islice(fresh, BATCH)):
            found = await asyncio.gather(*map(self._row, batch))
            rows = [row for row in found if row is not None]
            await self._run(partial(file.add, rows))
            self._archived += len(rows)

    async def _row(self, job: JsonObject) -> Row | None:
        """Return a job as the file has it, None if it has just been purged."""
        keys = ["eventlog", "jobspec", *(["R"] if job.get("ranks") else [])]
        try:
            answer = await self.ctx.handle.rpc(
                "job-info.lookup", {"id": job["id"], "keys": keys, "flags": FLUX_JOB_LOOKUP_CURRENT}
            )
        except OSError as exc:
            if exc.errno == errno.ENOENT:
                return None
            raise
        times = [float(job.get(name) or 0.0) for name in ATTRS[2:]]
        return (
            str(job["id"]),
            int(job["userid"]),
            str(job.get("ranks") or ""),
            times[0],
            times[1],
            times[2],
            times[3],
            _text(answer["eventlog"]),
            _text(answer["jobspec"]),
            _text(answer["R"]) if "R" in answer else None,
        )

    def facts(self) -> JsonObject:
        """Return the file's path, how many jobs were archived since the module was loaded, and why
        the last round failed, if it did.
        """
        return {
            "path": self._file.path if self._file is not None else "",
            "archived": self._archived,
            "error": self._last_error,
        }


def _text(value: str) -> str:
    """Return text that a database takes: bytes that are no UTF-8 become replacement characters."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
