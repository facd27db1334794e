"""Waiting for the end of a child process on asyncio's loop."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress


async def has_exited(pid: int, seconds: float) -> bool:
    """Wait up to ``seconds`` for the child ``pid`` to end; returns whether it has.

    The child is not reaped, so that its wait status is there for whoever wants it.
    """
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def readable() -> None:
        loop.remove_reader(fd)
        if not ended.done():
            ended.set_result(None)

    loop.add_reader(fd, readable)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await ended
            return True
        return False
    finally:
        loop.remove_reader(fd)
        os.close(fd)
