"""Following one job, and what else is asked about it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from flux.job.follow import MAIN, Failed
from flux.job.JobID import JobID
from flux.kvs_flags import PRIMARY, READDIR
from tui.model.job_logs import JobLines
from tui.model.job_pages import KvsKey
from tui.model.logs import Gap
from tui.model.refusals import OTHERS_JOB, refusal

if TYPE_CHECKING:
    from tui.feed.base import Feed, JobItem
    from tui.model.dashboard import Dashboard
    from tui.model.job_logs import Fresh

RETRY_SECONDS: Final = 1.0
MOST_KEYS: Final = 2000
"""Keys of a job that are listed."""
_DEEPEST: Final = 16
_ENTRY_BYTES: Final = 200
"""What an entry costs that carries no output."""


class JobFollowing:
    """Reads the eventlogs of one job into ``lines``; ``error`` says why nothing comes, ``ended``
    that everything has been read. ``most`` stops after about so many bytes, 0 for never, and it
    is ``cut_short`` then.
    """

    def __init__(self, feed: Feed, dashboard: Dashboard, jobid: int, most: int = 0) -> None:
        self.jobid = jobid
        self.lines = JobLines()
        self.error = ""
        self.ended = False
        self.cut_short = False
        self._feed = feed
        self._dashboard = dashboard
        self._most = most
        self._fresh: list[JobItem | Gap] = []

    def take(self) -> Fresh:
        """Return the lines that have come since the last time."""
        fresh, self._fresh = self._fresh, []
        found = self.lines.take(fresh)
        if self.ended:
            found.output.extend(self.lines.finish())
        return found

    async def run(self) -> None:
        """Read until the job has ended; after a lost connection read again, and skip what is
        known.
        """
        lost_at = 0.0
        while True:
            self.error = await self._read(lost_at)
            self.ended = not self.error
            self._dashboard.revision += 1
            if self.ended:
                return
            if self.lines.received or self._fresh:
                lost_at = lost_at or self._dashboard.heard
            await asyncio.sleep(RETRY_SECONDS)
            while not self._dashboard.link.up:
                await asyncio.sleep(0.2)

    async def _read(self, lost_at: float) -> str:
        """Read the eventlogs once; returns why they ended too early, empty if they did not."""
        error, number = "", 0
        try:
            async with contextlib.aclosing(self._feed.job_entries(self.jobid)) as items:
                async for item in items:
                    if isinstance(item, Failed) and item.path == MAIN:
                        error = refusal(item.error, self._dashboard.guest, OTHERS_JOB)
                        continue
                    if lost_at:
                        self._fresh.append(Gap(lost_at, self._dashboard.clock()))
                        lost_at = 0.0
                    self._fresh.append(item)
                    self._dashboard.revision += 1
                    number += _size(item)
                    if self._most and number > self._most:
                        self.cut_short = True
                        break
        except OSError as failure:
            error = refusal(failure, self._dashboard.guest, OTHERS_JOB)
        return error


def _size(item: JobItem) -> int:
    """Return about how many bytes entries hold."""
    if isinstance(item, Failed):
        return 0
    data = [entry.context.get("data") for entry in item.entries]
    return sum(_ENTRY_BYTES + (len(text) if isinstance(text, str) else 0) for text in data)


async def job_keys(feed: Feed, jobid: int) -> list[KvsKey]:
    """Return the keys of a job in the KVS, directories before what is in them; the first
    `MOST_KEYS`. Raises OSError.
    """
    keys: list[KvsKey] = []
    await _list(feed, str(JobID(jobid).kvs), "", keys, _DEEPEST)
    return keys


async def _list(feed: Feed, path: str, name: str, keys: list[KvsKey], depth: int) -> None:
    payload = {"key": path, "namespace": PRIMARY, "flags": READDIR}
    answer = await feed.ask("kvs.lookup", payload)
    for entry, value in sorted(_members(answer.get("val")).items()):
        if len(keys) >= MOST_KEYS:
            return
        kind, data = _kind(value), _data(value)
        shown = f"{name}{entry}"
        if kind in _DIRECTORIES and depth:
            keys.append(KvsKey(f"{shown}.", "link" if kind == "symlink" else "dir"))
            # The guest's namespace goes with the job that ended, and its link may lead nowhere.
            with contextlib.suppress(OSError):
                await _list(feed, f"{path}.{entry}", f"{shown}.", keys, depth - 1)
        elif isinstance(data, list):
            keys.append(KvsKey(shown, f"{len(data)} blob{'' if len(data) == 1 else 's'}"))
        else:
            keys.append(KvsKey(shown, kind, len(data) * 3 // 4 if isinstance(data, str) else None))


_DIRECTORIES: Final = frozenset({"dir", "dirref", "symlink"})


def _kind(value: object) -> str:
    return str(value.get("type", "?")) if isinstance(value, dict) else "?"


def _data(value: object) -> object:
    return value.get("data") if isinstance(value, dict) else None


def _members(value: object) -> dict[str, object]:
    """Return the entries of a directory object (RFC 11)."""
    data = _data(value)
    return data if isinstance(data, dict) else {}
