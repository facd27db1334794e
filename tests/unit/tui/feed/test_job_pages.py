"""The list of jobs is taken in piece by piece, and nobody waits meanwhile."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any, Self, cast

import pytest

from flux.wire import json
from flux.wire.message import Raw, request, response
from tui.feed.job_list import PIECE_BYTES, job_list, job_pages
from tui.feed.requests import LostConnection

if TYPE_CHECKING:
    from flux.aio import AsyncFlux
    from flux.wire.message import Message

ASKED = request("job-list.list")
JOBS = [{"id": number, "name": "n" * 200} for number in range(10_000)]


class Listing:
    """A handle whose job list is these answers: in one response, or streamed."""

    def __init__(self, *answers: bytes, fails: int = 0) -> None:
        self.answers = [response(ASKED, Raw(answer)) for answer in answers]
        self.fails = fails
        self.asked: list[Any] = []

    async def rpc_message(self, topic: str, payload: Any) -> Message:
        self.asked.append(payload)
        if self.fails:
            raise OSError(self.fails, topic)
        return self.answers[0]

    def stream(self, topic: str, payload: Any, *, cancel: str) -> Self:
        self.asked.append(payload)
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def next_message(self) -> Message | None:
        return self.answers.pop(0) if self.answers else None


def handle(listing: Listing) -> AsyncFlux:
    return cast("AsyncFlux", listing)


@pytest.mark.parametrize(("version", "parts"), [("0.29.0", 1), ("0.88.0", 1), ("0.88.0", 3)])
async def test_others_are_let_in_between_pieces(version: str, parts: int) -> None:
    size = -(-len(JOBS) // parts)
    pieces = [JOBS[start : start + size] for start in range(0, len(JOBS), size)]
    listing = Listing(*(json.dumps({"jobs": piece}) + b"\0" for piece in pieces))
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    pages = [page async for page in job_pages(handle(listing), 0, version, ())]
    task.cancel()
    assert [job for page in pages for job in page] == JOBS
    assert len(pages) >= len(json.dumps(JOBS)) // PIECE_BYTES
    assert turns >= len(pages)
    assert ("constraint" in listing.asked[0]) == (version != "0.29.0")


async def test_a_list_that_is_none_is_an_error_of_the_protocol() -> None:
    with pytest.raises(OSError, match="no JSON") as caught:
        await job_list(handle(Listing(b'{"jobs":[{"id"')), 0, "0.29.0")
    assert caught.value.errno == errno.EPROTO


async def test_an_instance_that_has_no_list_yet_is_waited_for() -> None:
    with pytest.raises(LostConnection):
        await job_list(handle(Listing(fails=errno.ENOSYS)), 0, "0.29.0")
    with pytest.raises(PermissionError):
        await job_list(handle(Listing(fails=errno.EPERM)), 0, "0.29.0")
