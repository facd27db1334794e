"""The list of jobs, as any flux-core since 0.29 gives it, taken in piece by piece."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from typing import TYPE_CHECKING, Final

from flux.constants import FLUX_JOB_STATE_INACTIVE
from flux.job.attributes import JOB_ATTRIBUTES
from flux.job.state_names import LISTED_STATES
from flux.wire.json_pieces import array_pieces
from flux.wire.message import USERID_UNKNOWN
from tui.feed.requests import STREAMING_LIST, LostConnection, release

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from flux.aio import AsyncFlux
    from flux.wire.json import JsonObject
    from flux.wire.message import Message

PIECE_BYTES: Final = 256 * 1024
"""Text that is decoded at once, a few milliseconds' worth."""


async def job_list(
    handle: AsyncFlux,
    entries: int,
    version: str,
    attrs: tuple[str, ...] = JOB_ATTRIBUTES,
    states: int = LISTED_STATES,
) -> list[JsonObject]:
    """Return the newest ``entries`` jobs, as `job_pages` gives them."""
    pages = job_pages(handle, entries, version, attrs, states)
    async with contextlib.aclosing(pages):
        return [job async for page in pages for job in page]


async def ended_jobs(
    handle: AsyncFlux, since: float, version: str, attrs: tuple[str, ...] = JOB_ATTRIBUTES
) -> list[JsonObject]:
    """Return the jobs of all users that ended after the time ``since``."""
    if release(version) >= STREAMING_LIST:
        answers = _streamed(handle, 0, attrs, FLUX_JOB_STATE_INACTIVE, since)
    else:
        answers = _ended(handle, since, attrs)
    pages = _pages(answers)
    async with contextlib.aclosing(pages):
        return [job async for page in pages for job in page]


async def job_pages(
    handle: AsyncFlux,
    entries: int,
    version: str,
    attrs: tuple[str, ...] = JOB_ATTRIBUTES,
    states: int = LISTED_STATES,
) -> AsyncGenerator[list[JsonObject]]:
    """Give the newest ``entries`` jobs of all users, all jobs for 0, that are in any of ``states``,
    some at a time: whoever waits for a key is let in between.
    """
    async with contextlib.aclosing(
        _pages(_listed(handle, entries, version, attrs, states))
    ) as pages:
        async for page in pages:
            yield page


async def _pages(answers: AsyncGenerator[Message]) -> AsyncGenerator[list[JsonObject]]:
    """Give the jobs in some answers, some at a time."""
    async with contextlib.aclosing(answers):
        async for answer in answers:
            text = (answer.payload or b"{}").removesuffix(b"\0")
            try:
                for jobs in array_pieces(text, "jobs", PIECE_BYTES):
                    yield jobs
                    await asyncio.sleep(0)
            except ValueError:
                raise OSError(errno.EPROTO, "the list of jobs is no JSON") from None


async def _listed(
    handle: AsyncFlux, entries: int, version: str, attrs: tuple[str, ...], states: int
) -> AsyncGenerator[Message]:
    """Give the answers of the job list; flux-core since 0.47 streams them by a constraint."""
    if release(version) >= STREAMING_LIST:
        async with contextlib.aclosing(_streamed(handle, entries, attrs, states)) as answers:
            async for answer in answers:
                yield answer
        return
    request: JsonObject = {"max_entries": entries, "attrs": attrs}
    request |= {"userid": USERID_UNKNOWN, "states": states, "results": 0}
    try:
        yield await handle.rpc_message("job-list.list", request)
    except OSError as error:
        if error.errno == errno.ENOSYS:
            raise LostConnection("the instance has no job list yet") from None
        raise


async def _streamed(
    handle: AsyncFlux, entries: int, attrs: tuple[str, ...], states: int, since: float = 0.0
) -> AsyncGenerator[Message]:
    request = {"max_entries": entries, "attrs": attrs, "since": since}
    request["constraint"] = {"states": [states]}
    async with handle.stream("job-list.list", request, cancel="job-list.cancel") as stream:
        while (answer := await stream.next_message()) is not None:
            yield answer


async def _ended(
    handle: AsyncFlux, since: float, attrs: tuple[str, ...]
) -> AsyncGenerator[Message]:
    request = {"max_entries": 0, "since": since, "attrs": attrs}
    yield await handle.rpc_message("job-list.list-inactive", request)
