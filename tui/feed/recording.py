"""A feed that is recorded: what is asked of it beside the jobs is written down too."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from flux.job.follow import Entries
from flux.wire.message import NODEID_ANY
from tui.feed.base import ANSWER_SECONDS
from tui.model.notes import NoteKind

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from flux.wire.json import JsonMapping, JsonObject
    from tui.feed.base import Feed, JobItem
    from tui.feed.recorder import Recorder
    from tui.model.dashboard import Dashboard
    from tui.model.instances import InstanceLook


LOOKUP = "lookup"
"""Stands for a topic where a job's jobspec and R were asked for."""


class RecordedFeed:
    """Does what ``inner`` does, and has ``recorder`` write down what comes of it."""

    def __init__(self, inner: Feed, recorder: Recorder) -> None:
        self.inner, self.recorder = inner, recorder
        self.uri = inner.uri

    async def run(self, dashboard: Dashboard) -> None:
        """Keep the dashboard up to date: it records by itself."""
        await self.inner.run(dashboard)

    async def job_entries(self, jobid: int) -> AsyncGenerator[JobItem]:
        """Give a job's eventlogs."""
        self.recorder.note(NoteKind.OPEN, {"id": jobid})
        async with aclosing(self.inner.job_entries(jobid)) as items:
            async for item in items:
                if isinstance(item, Entries):
                    told: JsonObject = {"entries": [dict(entry) for entry in item.entries]}
                else:
                    told = {"errno": item.error.errno, "error": _reason(item.error)}
                self.recorder.note(NoteKind.ENTRIES, {"id": jobid, "path": item.path, **told})
                yield item

    async def log(self) -> AsyncGenerator[list[str]]:
        """Give the broker's log."""
        first = True
        async with aclosing(self.inner.log()) as batches:
            async for lines in batches:
                self.recorder.note(NoteKind.LOG, {"lines": lines, "new": first})
                first = False
                yield lines

    async def lookup(self, jobid: int) -> JsonObject:
        """Return what is stored of a job."""
        found = await self.inner.lookup(jobid)
        self._answered(LOOKUP, {"id": jobid}, NODEID_ANY, {"answer": found})
        return found

    async def cancel(self, jobid: int) -> None:
        """Cancel one job."""
        await self.inner.cancel(jobid)

    async def kill(self, jobid: int, signum: int) -> None:
        """Send a signal to one job."""
        await self.inner.kill(jobid, signum)

    async def ask(
        self,
        topic: str,
        payload: JsonMapping | None = None,
        rank: int = NODEID_ANY,
        timeout: float = ANSWER_SECONDS,
    ) -> JsonObject:
        """Send one request and return its answer."""
        try:
            answer = await self.inner.ask(topic, payload, rank, timeout)
        except OSError as error:
            refusal = {"errno": error.errno, "error": _reason(error)}
            self._answered(topic, payload, rank, refusal)
            raise
        self._answered(topic, payload, rank, {"answer": answer})
        return answer

    def _answered(
        self, topic: str, payload: JsonMapping | None, rank: int, told: JsonMapping
    ) -> None:
        asked = {"topic": topic, "payload": payload or {}, "rank": rank}
        self.recorder.note(NoteKind.ANSWER, {**asked, **told})

    async def listen(
        self,
        topic: str,
        payload: JsonMapping | None = None,
        rank: int = NODEID_ANY,
        cancel: str | None = "",
    ) -> AsyncGenerator[JsonObject]:
        """Give the answers of a streaming request."""
        asked = {"topic": topic, "payload": payload or {}, "rank": rank}
        async with aclosing(self.inner.listen(topic, payload, rank, cancel)) as answers:
            async for answer in answers:
                self.recorder.note(NoteKind.STREAMED, {**asked, "answer": answer})
                yield answer

    async def events(self, prefix: str) -> AsyncGenerator[tuple[str, JsonObject]]:
        """Give event messages."""
        async with aclosing(self.inner.events(prefix)) as messages:
            async for topic, payload in messages:
                self.recorder.note(NoteKind.EVENT, {"topic": topic, "payload": payload})
                yield topic, payload

    async def look(self, uri: str = "") -> InstanceLook:
        """Return what an instance has in which state. That is not recorded: it takes connections
        of its own.
        """
        return await self.inner.look(uri)

    async def close(self) -> None:
        """End the recording and the connection."""
        self.recorder.close()
        await self.inner.close()


def _reason(error: OSError) -> str:
    return str(error.strerror or error)
