"""Noting the starts and ends of an instance in its key-value store (`flux.startlog`)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from flux import eventlog, startlog
from flux.kvs_txn import APPEND, SYNC, commit_request, put_op

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broker.context import Context

TIMEOUT: Final = 10.0
"""Seconds after which the instance starts, or ends, without its note."""


class StartLog:
    """Notes them, durably, if the store outlives the instance.

    In one that goes with the instance nobody could read of an earlier start, and ``flux startlog``
    knows the present one from ``broker.starttime``: there the notes would only change the numbers
    of the roots.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._began = False

    async def started(self) -> None:
        """Note that the instance has its services and is about to run."""
        self._began = await self._note(startlog.START, startlog.STARTED)

    async def finished(self) -> None:
        """Note that it ends in good order, if its start was noted."""
        if self._began:
            await self._note(startlog.FINISH, startlog.FINISHED)

    async def _note(self, name: str, context: Mapping[str, object]) -> bool:
        """Return whether it was written; the log says why not."""
        if self._ctx.rank > 0 or not self._ctx.store_persists:
            return False
        line = eventlog.encode(eventlog.entry(name, context, self._ctx.now())).encode()
        request = commit_request([put_op(startlog.KEY, line, APPEND)], SYNC)
        try:
            await self._ctx.handle.rpc("kvs.commit", request, timeout=TIMEOUT)
        except OSError as exc:  # TimeoutError is one
            if exc.errno != errno.ENOSYS:  # rc1 loads no kvs
                self._ctx.log.err(f"{startlog.KEY}: {name}: {exc.strerror or exc}")
            return False
        return True
