"""The follower of a job for asyncio programs, such as the dashboard."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from flux.job.follow import (
    MAIN,
    Ended,
    Entries,
    Item,
    JobFollower,
    LogEnded,
    Open,
    Step,
    entries_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from flux.aio import AsyncFlux

WATCH = "job-info.eventlog-watch"


async def follow(
    handle: AsyncFlux, jobid: int, follower: JobFollower | None = None
) -> AsyncGenerator[Item, None]:
    """Yield what happens in the eventlogs of a job, `Ended` last; leaving the iteration ends the
    watches.
    """
    watcher = _LogTasks(handle, jobid, follower or JobFollower())
    try:
        watcher.begin()
        while True:
            item = await watcher.items.get()
            yield item
            if isinstance(item, Ended):
                return
    finally:
        await watcher.close()


class _LogTasks:
    """One task for each eventlog; all of them put their items in one queue."""

    def __init__(self, handle: AsyncFlux, jobid: int, follower: JobFollower) -> None:
        self.items: asyncio.Queue[Item] = asyncio.Queue()
        self._handle = handle
        self._jobid = jobid
        self._follower = follower
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self) -> None:
        """Begin with the job's own eventlog."""
        self._perform(self._follower.open(MAIN))

    def _perform(self, steps: list[Step]) -> None:
        for step in steps:
            if isinstance(step, Open):
                task = asyncio.create_task(self._watch(step.path), name=f"watch {step.path}")
                self._tasks[step.path] = task
            else:
                self._tasks[step.path].cancel()

    async def _watch(self, path: str) -> None:
        payload = {"id": self._jobid, "path": path, "flags": 0}
        put = self.items.put_nowait
        try:
            async with self._handle.stream(WATCH, payload, cancel=f"{WATCH}-cancel") as stream:
                async for answer in stream:
                    entries = entries_of(answer.get("event") if isinstance(answer, dict) else None)
                    put(Entries(path, entries))
                    self._perform(self._follower.take(path, entries))
        except OSError as error:
            failure = self._follower.failure(path, error)
            if failure is not None:
                put(failure)
        finally:
            put(LogEnded(path))
            ended = self._follower.end(path)
            if ended is not None:
                put(ended)

    async def close(self) -> None:
        """End every watch and wait until it has ended."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
